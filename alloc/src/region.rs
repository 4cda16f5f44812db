//! Regions of the program's allocator: what a dispatcher says about whose callback runs.
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
//! Only a strategy with regions does anything about them
//! ([`Strategy::open_region`](crate::Strategy::open_region)), of this crate's the arena, and
//! only on wasm
//! without threads, where one callback runs at a time. Elsewhere all this does nothing and
//! costs nothing.

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::installed::{Installed, installed, settle};
use crate::sync::SINGLE_THREADED;

/// The largest block that the arena counts for a region, in bytes.
pub const LARGEST: usize = 128;

/// A stream's region. Dropping it closes it: its live blocks stay valid, and are counted as
/// retained.
///
/// A region is used on one thread: it is `Send` and not `Sync`, with every feature.
///
/// **Cost:** with the arena, four bytes.
#[derive(Debug)]
pub struct Region {
    /// The allocator's handle of the region. `None` if there was no memory, or the allocator has no
    /// regions.
    key: Option<NonNull<u8>>,
    _of_one_thread: PhantomData<Cell<()>>,
}

// SAFETY: where there are threads, there is no key.
unsafe impl Send for Region {}

impl Region {
    /// Opens a region. If there is no memory for it, its blocks go where those outside of
    /// regions go.
    #[must_use]
    pub fn new() -> Self {
        let key = heap().and_then(|heap| {
            settle();
            heap.open_region()
        });
        Self { key, _of_one_thread: PhantomData }
    }

    /// Runs `f` with this region entered, and enters again what was entered before. Calls nest.
    ///
    /// **Cost:** a few loads and stores with the arena.
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

/// Runs `f` outside of every region: for tables and caches that outlive the stream whose callback
/// runs. Without it they work as well, and their blocks are counted as retained when the stream is
/// gone.
#[inline]
pub fn outside<T>(f: impl FnOnce() -> T) -> T {
    within(None, f)
}

/// Returns the heap that is asked for regions; none where there are threads.
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

/// Enters again what was entered before, also if a callback unwinds.
struct Restore(Option<NonNull<u8>>);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(heap) = heap() {
            // SAFETY: what was entered before is borrowed by the call of `within` around this one.
            unsafe { heap.enter_region(self.0) };
        }
    }
}
