//! The free lists for threads as a global allocator: one static, and magazines in each thread.

extern crate std;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::write_bytes;
use std::thread_local;

use super::counters::Counters;
use super::magazines::Magazines;
use super::shared::Shared;
use crate::installed::Installed;
use crate::shape::Shape;
use crate::source::Pages;
use crate::stats::Snapshot;
use crate::strategy::{Strategy, Usage};

/// The free lists as a global allocator for any number of threads: [`Freelist`](crate::Freelist)'s
/// classes, with magazines in each thread.
///
/// ```
/// #[global_allocator]
/// static GLOBAL: sluicegate_alloc::Native = sluicegate_alloc::Native;
///
/// # fn main() {
/// let worker = std::thread::spawn(|| vec![1; 1000]);
/// assert_eq!(worker.join().unwrap().len(), 1000);
/// # }
/// ```
///
/// All values share one state, so a block may be freed through another value and on another thread.
/// A thread that ends leaves its blocks to the other threads. Blocks that its last destructors free
/// go to them one by one. The allocator never gives memory back to the system.
///
/// The feature `freelist` selects it, unless `live` is on, which `stats` includes. Live bytes are
/// counted in one place, so the selected allocator is then [`Freelist`](crate::Freelist) behind the
/// spin lock of [`Global`](crate::Global). `Native` itself counts with `stats` alone.
///
/// **After a fork** of a process with more than one thread, the child may only replace itself
/// (`exec`) or end (`_exit`). Another thread may have held the lock, and then the child finds it
/// held.
///
/// **Cost:** that of a [`Worker`](super::Worker), and the access to a thread-local.
#[derive(Debug, Clone, Copy, Default)]
pub struct Native;

static SHARED: Shared<Pages> = Shared::noticing(Pages::new(), arrive);
static COUNTERS: Counters = Counters::new();

thread_local! {
    /// Has no destructor, so it is there before and after those of others ran.
    static MAGAZINES: UnsafeCell<Magazines> = const { UnsafeCell::new(Magazines::NEW) };
    static END: End = const { End };
}

/// Leaves the thread's blocks to the others when the thread ends.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        with(|magazines| magazines.give(&SHARED, true));
    }
}

/// Notes that the thread's end is to be noticed, while the thread's magazines are in use: see
/// [`with`]. The standard library hands the destructor to libc, or keeps it in a list whose memory
/// is the system's allocator's, which it has for the sake of global allocators: neither comes back
/// here.
fn arrive() -> bool {
    END.try_with(|_| ()).is_ok()
}

/// Runs `f` on this thread's magazines; it must not come back here on the same thread.
#[inline]
fn with<T>(f: impl FnOnce(&mut Magazines) -> T) -> T {
    MAGAZINES.with(|magazines| {
        // SAFETY: the only reference: other threads have their own, and no `f` of this file comes
        // back. All that one calls beyond this crate is the system's allocator, for pages, the
        // yield of a waiting lock, and `arrive`; none of them uses the global allocator. A signal
        // handler may not allocate, here as everywhere.
        f(unsafe { &mut *magazines.get() })
    })
}

impl Native {
    /// Returns the current live and peak bytes, pages and growths.
    pub fn snapshot(&self) -> Snapshot {
        COUNTERS.snapshot(SHARED.usage())
    }

    /// Returns the bytes in live blocks of all threads. Returns zero without the feature `stats`.
    pub fn live(&self) -> usize {
        COUNTERS.live()
    }

    /// Returns the usage of the memory.
    pub fn usage(&self) -> Usage {
        SHARED.usage()
    }

    /// Sets a limit of pages of 64 KiB, over which the allocator returns null. Pages that it holds
    /// already stay.
    pub fn limit(&self, pages: usize) {
        SHARED.limit(pages);
    }

    /// Leaves the kept blocks of this thread to the other threads, and gives every block that no
    /// thread keeps back to the heap, where it joins its neighbours.
    pub fn trim(&self) {
        with(|magazines| magazines.give(&SHARED, false));
        SHARED.trim();
    }
}

// SAFETY: as for `Worker`; every thread's magazines are sides of the one static, and nothing here
// unwinds.
unsafe impl GlobalAlloc for Native {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = with(|magazines| unsafe { magazines.allocate(&SHARED, layout) });
        COUNTERS.allocated(block, layout.size());
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        COUNTERS.released(layout.size());
        // SAFETY: as the caller promises.
        with(|magazines| unsafe { magazines.release(&SHARED, block, layout) });
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: the block is ours and has the layout's size.
            unsafe { write_bytes(block, 0, layout.size()) };
        }
        block
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let moved = with(|magazines| unsafe { magazines.resize(&SHARED, block, layout, size) });
        COUNTERS.resized(moved, layout.size(), size);
        moved
    }
}

impl Installed for Native {
    fn live(&self) -> usize {
        self.live()
    }

    fn usage(&self) -> Usage {
        self.usage()
    }

    fn snapshot(&self) -> Snapshot {
        self.snapshot()
    }

    fn limit(&self, pages: usize) -> bool {
        self.limit(pages);
        true
    }

    /// Shows the heap that the threads share: what a thread keeps for itself, and what threads left
    /// for each other, counts as live.
    fn look(&self, look: &mut dyn FnMut(Option<Shape<'_>>)) {
        SHARED.central(|central| look(central.shape()));
    }
}
