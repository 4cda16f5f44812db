//! Allocation traces as exports of a module. The feature selects the allocator that they run on.
//!
//! Each trace keeps its open requests between calls, so a host can watch the pages while the trace
//! goes on. The tables of the requests are static, and no trace allocates for itself. Each trace
//! has a random generator with a fixed seed, so all allocators get the same requests.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the traces speak to the allocator directly, and exports have fixed names")]

mod allocator;
#[cfg(all(feature = "count", not(any(feature = "tiny", feature = "hostile"))))]
mod count;
#[cfg(not(any(feature = "tiny", feature = "hostile")))]
mod exports;
#[cfg(all(feature = "hostile", not(feature = "tiny")))]
mod hostile;
#[cfg(not(any(feature = "tiny", feature = "hostile")))]
mod soak;
#[cfg(feature = "tiny")]
mod tiny;

#[cfg(not(feature = "tiny"))]
use core::cell::RefCell;

#[cfg(all(feature = "count", not(any(feature = "tiny", feature = "hostile"))))]
use count::Counted as Tested;
#[cfg(not(any(feature = "count", feature = "tiny", feature = "hostile")))]
use sluicegate_traces::block::Global as Tested;

/// State that outlives a call. A module has one thread.
#[cfg(not(feature = "tiny"))]
struct Kept<T>(RefCell<T>);

// SAFETY: the module has one thread.
#[cfg(not(feature = "tiny"))]
unsafe impl<T> Sync for Kept<T> {}

#[cfg(not(feature = "tiny"))]
impl<T> Kept<T> {
    const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }
}
