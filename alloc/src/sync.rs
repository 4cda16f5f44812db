//! The atomics of what threads share: core's, or those of a model checker, which tries the orders in which threads may run.
//!
//! `--cfg loom` and `--cfg shuttle` choose a checker; see `native/schedules.rs`.

#[cfg(all(not(target_family = "wasm"), not(any(loom, shuttle))))]
pub(crate) use core::sync::atomic::AtomicPtr;
#[cfg(not(any(loom, shuttle, all(target_family = "wasm", not(target_feature = "atomics")))))]
pub(crate) use core::sync::atomic::{AtomicBool, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Waits a little for another thread.
#[cfg(not(any(loom, shuttle, all(target_family = "wasm", not(target_feature = "atomics")))))]
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
