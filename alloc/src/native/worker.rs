//! One thread's side of shared lists, as a strategy.

use core::alloc::Layout;

use super::magazines::Magazines;
use super::shared::Shared;
use crate::source::Source;
use crate::strategy::{Strategy, Usage};

/// One thread's side of [`Shared`] lists. Blocks may be released through any worker of the same
/// lists; when it is dropped, what it kept goes to the others.
///
/// **Cost:** a pair of small blocks is a push and a pop on lists of its own; one in up to 64 goes
/// to the shared ones, with one to three atomic operations. It keeps up to 128 blocks of each small
/// class, at most 32 KiB of each, and 4 MiB of larger ones, which are rounded up by at most a
/// quarter. Above 64 KiB, and where it has none, it takes a lock.
pub struct Worker<'a, S: Source> {
    shared: &'a Shared<S>,
    magazines: Magazines,
}

impl<'a, S: Source> Worker<'a, S> {
    /// Creates a worker that keeps nothing.
    pub const fn new(shared: &'a Shared<S>) -> Self {
        Self { shared, magazines: Magazines::NEW }
    }

    /// Gives all that it keeps to the others, and trims them: [`Shared::trim`].
    pub fn trim(&mut self) {
        self.magazines.give(self.shared, false);
        self.shared.trim();
    }
}

impl<S: Source> Drop for Worker<'_, S> {
    fn drop(&mut self) {
        self.magazines.give(self.shared, true);
    }
}

// SAFETY: blocks come from the free lists behind the lock, each goes to one list of one thread at a
// time, and returns to the class of its layout.
unsafe impl<S: Source> Strategy for Worker<'_, S> {
    #[inline]
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.magazines.allocate(self.shared, layout) }
    }

    #[inline]
    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.magazines.release(self.shared, block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.magazines.resize(self.shared, block, layout, size) }
    }

    fn usage(&self) -> Usage {
        self.shared.usage()
    }

    fn limit(&mut self, pages: usize) {
        self.shared.limit(pages);
    }
}
