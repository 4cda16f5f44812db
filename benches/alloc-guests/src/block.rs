//! A block from the allocator under test.

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
        block
    }

    pub(crate) fn size(self) -> usize {
        self.size
    }

    pub(crate) fn grow(&mut self, size: usize) {
        // SAFETY: the block is live and of this layout.
        self.at = unsafe { realloc(self.at, Self::layout(self.size), size) };
        self.size = size;
        self.touch();
    }

    /// Frees the block, if there is one.
    pub(crate) fn free(&mut self) {
        if !self.at.is_null() {
            // SAFETY: the block is live and of this layout.
            unsafe { dealloc(self.at, Self::layout(self.size)) };
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
