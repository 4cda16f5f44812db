//! Regions of the program's allocator, by which a dispatcher tells the allocator whose callback
//! runs.
//!
//! ```
//! use sluicegate_alloc::region::{Region, outside};
//!
//! let stream = Region::new();
//! let kept = stream.within(|| {
//!     // The filter's callback: what it allocates lies in the stream's region.
//!     let scratch = vec![1, 2, 3];
//!     // The dispatcher's own tables do not.
//!     outside(|| scratch.clone())
//! });
//! drop(stream);
//! // What a callback left behind is as good as ever: it is counted as retained.
//! assert_eq!(kept, [1, 2, 3]);
//! ```
//!
//! Regions have an effect only with a strategy that supports them
//! ([`Strategy::open_region`](crate::Strategy::open_region)). In this crate this is the arena, and
//! only on wasm without threads, where one callback runs at a time. Elsewhere the functions here do
//! nothing and cost nothing.

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::NonNull;

pub use crate::arena::LARGEST;
use crate::installed::Installed;
use crate::program::{installed, settle};
use crate::sync::SINGLE_THREADED;

/// A stream's region. Dropping the value closes the region. Its live blocks stay valid, and count
/// as retained.
///
/// A region belongs to one thread: it is `Send` and not `Sync`, with every feature.
///
/// **Cost:** with the arena, four bytes.
#[derive(Debug)]
pub struct Region {
    /// The allocator's handle of the region. `None` if there was no memory, or if the allocator has
    /// no regions.
    key: Option<NonNull<u8>>,
    _of_one_thread: PhantomData<Cell<()>>,
}

// SAFETY: where there are threads, there is no key.
unsafe impl Send for Region {}

impl Region {
    /// Opens a region. If there is no memory for the region, its blocks are allocated outside of
    /// all regions.
    #[must_use]
    pub fn new() -> Self {
        let key = heap().and_then(|heap| {
            settle();
            heap.open_region()
        });
        Self { key, _of_one_thread: PhantomData }
    }

    /// Runs `f` in this region, and then enters the previous region again. Calls may nest.
    ///
    /// **Cost:** with the arena, a few loads and stores.
    #[inline]
    pub fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        within(self.key, f)
    }
}

impl Default for Region {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let (Some(heap), Some(key)) = (heap(), self.key.take()) {
            // SAFETY: the key is of this heap, which is the installed one from the
            // first region on. `within` borrows the region for as long as it is
            // entered or waits to be entered again, so it is neither.
            unsafe { heap.close_region(key) };
        }
    }
}

/// Runs `f` outside of all regions. Use it for tables and caches that outlive the stream whose
/// callback runs. Without it they also work, but their blocks count as retained when the stream has
/// ended.
#[inline]
pub fn outside<T>(f: impl FnOnce() -> T) -> T {
    within(None, f)
}

/// Returns the heap that provides the regions, or `None` if there are threads.
#[inline]
fn heap() -> Option<&'static dyn Installed> {
    if SINGLE_THREADED { installed() } else { None }
}

#[inline]
fn within<T>(region: Option<NonNull<u8>>, f: impl FnOnce() -> T) -> T {
    let Some(heap) = heap() else { return f() };
    // SAFETY: the key is of this heap, which is the installed one from the first region on;
    // the region is borrowed until `_restore` has run, so it stays open.
    let before = unsafe { heap.enter_region(region) };
    let _restore = Restore(before);
    f()
}

/// Enters the previous region again, also if a callback unwinds.
struct Restore(Option<NonNull<u8>>);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(heap) = heap() {
            // SAFETY: what was entered before is borrowed by the call of `within` around this one.
            unsafe { heap.enter_region(self.0) };
        }
    }
}
