//! A block from the allocator under test, and how many bytes of blocks live.

use core::alloc::Layout;
use std::alloc::{alloc, dealloc, realloc};

/// A block, or none.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    at: *mut u8,
    size: usize,
}

impl Block {
    pub(crate) const NONE: Self = Self { at: core::ptr::null_mut(), size: 0 };

    pub(crate) fn new(size: usize) -> Self {
        // SAFETY: no trace asks for an empty block, and 8 is an alignment.
        let at = unsafe { alloc(Self::layout(size)) };
        let block = Self { at, size };
        block.touch();
        count::more(size);
        block
    }

    pub(crate) fn size(self) -> usize {
        self.size
    }

    pub(crate) fn grow(&mut self, size: usize) {
        // SAFETY: the block is live and of this layout.
        self.at = unsafe { realloc(self.at, Self::layout(self.size), size) };
        count::less(self.size);
        count::more(size);
        self.size = size;
        self.touch();
    }

    /// Frees the block, if there is one.
    pub(crate) fn free(&mut self) {
        if !self.at.is_null() {
            // SAFETY: the block is live and of this layout.
            unsafe { dealloc(self.at, Self::layout(self.size)) };
            count::less(self.size);
            *self = Self::NONE;
        }
    }

    /// Writes one word, as a first use does. A refused block ends the trace: out of memory is no measurement.
    fn touch(self) {
        assert!(!self.at.is_null(), "out of memory");
        // SAFETY: the block has at least a word.
        unsafe { self.at.cast::<u32>().write_volatile(self.size as u32) };
    }

    fn layout(size: usize) -> Layout {
        // SAFETY: 8 is an alignment, and no trace asks for more than a few MiB.
        unsafe { Layout::from_size_align_unchecked(size, 8) }
    }
}

/// The blocks' own count, whatever the allocator: what a soak's pages are judged against. It would be in the way of a measurement of time.
#[cfg(feature = "count")]
mod count {
    use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    static LIVE: AtomicUsize = AtomicUsize::new(0);
    static PEAK: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn more(size: usize) {
        let live = LIVE.fetch_add(size, Relaxed) + size;
        PEAK.fetch_max(live, Relaxed);
    }

    pub(super) fn less(size: usize) {
        LIVE.fetch_sub(size, Relaxed);
    }

    /// Bytes in live blocks.
    #[unsafe(no_mangle)]
    extern "C" fn held() -> usize {
        LIVE.load(Relaxed)
    }

    /// Bytes in live blocks at most so far.
    #[unsafe(no_mangle)]
    extern "C" fn peak() -> usize {
        PEAK.load(Relaxed)
    }
}

#[cfg(not(feature = "count"))]
mod count {
    pub(super) const fn more(_: usize) {}

    pub(super) const fn less(_: usize) {}
}
