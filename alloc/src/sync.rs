//! The cfg for threads, and the atomics of shared state: core's, or those of a model
//! checker, which tries the orders in which threads may run.
//!
//! `--cfg loom` and `--cfg shuttle` choose a checker; see `native/schedules.rs`.

#[cfg(all(not(target_family = "wasm"), not(any(loom, shuttle))))]
pub(crate) use core::sync::atomic::AtomicPtr;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::sync::atomic::{AtomicBool, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// `true` if the module has one thread: wasm without the feature `atomics`. There a lock is
/// nothing.
pub(crate) const SINGLE_THREADED: bool = cfg!(all(target_family = "wasm", not(target_feature = "atomics")));

/// A word in memory that threads hand on to each other, plain; under loom one that loom watches,
/// which must have been made before it is set.
#[cfg(not(any(target_family = "wasm", loom)))]
#[repr(transparent)]
pub(crate) struct Handed<T>(T);

#[cfg(not(any(target_family = "wasm", loom)))]
impl<T: Copy> Handed<T> {
    /// # Safety
    ///
    /// The place is the caller's, and was set.
    pub(crate) const unsafe fn get(this: *const Self) -> T {
        // SAFETY: as the caller promises.
        unsafe { this.cast::<T>().read() }
    }

    /// # Safety
    ///
    /// The place is the caller's.
    pub(crate) const unsafe fn set(this: *mut Self, value: T) {
        // SAFETY: as the caller promises.
        unsafe { this.cast::<T>().write(value) };
    }
}

/// A word in memory that threads hand on to each other: loom reports two threads at it, and one
/// that was not told of the other.
#[cfg(loom)]
pub(crate) struct Handed<T>(loom::cell::UnsafeCell<T>);

#[cfg(loom)]
impl<T: Copy> Handed<T> {
    #[cfg(test)]
    pub(crate) fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    /// # Safety
    ///
    /// The place was made, and lives; whether it is the caller's is what loom checks.
    pub(crate) unsafe fn get(this: *const Self) -> T {
        // SAFETY: as the caller promises.
        let cell = unsafe { &(*this).0 };
        // SAFETY: loom checks that nobody writes to it.
        cell.with(|value| unsafe { *value })
    }

    /// # Safety
    ///
    /// As for `get`.
    pub(crate) unsafe fn set(this: *mut Self, new: T) {
        // SAFETY: as the caller promises.
        let cell = unsafe { &(*this).0 };
        // SAFETY: loom checks that nobody else is at it.
        cell.with_mut(|value| unsafe { *value = new });
    }
}

/// Waits a little for another thread.
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn pause(turn: u32) {
    // After a while the other thread has probably lost its processor: then let it have ours.
    #[cfg(not(target_family = "wasm"))]
    if turn.is_multiple_of(128) {
        extern crate std;
        std::thread::yield_now();
        return;
    }
    let _ = turn;
    core::hint::spin_loop();
}

/// Waits a little for another thread.
#[cfg(loom)]
pub(crate) fn pause(_: u32) {
    loom::thread::yield_now();
}

/// Waits a little for another thread.
#[cfg(shuttle)]
pub(crate) fn pause(_: u32) {
    shuttle::thread::yield_now();
}

/// A `const fn`; under a model checker, whose atomics are made at run time, just a function.
macro_rules! constant {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)*) => {
        #[cfg(not(any(loom, shuttle)))]
        $(#[$attribute])*
        $visibility const fn $($rest)*

        #[cfg(any(loom, shuttle))]
        $(#[$attribute])*
        $visibility fn $($rest)*
    };
}
pub(crate) use constant;
