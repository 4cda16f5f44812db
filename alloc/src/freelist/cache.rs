//! Freed blocks of 1–64 KiB, kept for the next of their class.
//!
//! The heap takes three times as many instructions over a block, and touches both ends of it and what lies beside, which is memory that nobody looked at for a while. The
//! price is memory that nobody uses; so the cache is bounded by what is held, and emptied before memory grows. Even so a cached block is a hole that others are
//! placed around, and a small heap cannot afford it: a cache of 64 KiB takes the trace of 64 requests from 23 pages to 28.

use super::class::{self, LARGE};
use super::stack::Stack;
use crate::heap::Heap;
use crate::source::{PAGE, Source};

/// What may be cached in any case, in bytes: the host's buffers.
const LEAST: usize = 8 * 1024;

/// What is cached at most, in bytes.
const MOST: usize = 512 * 1024;

pub(crate) struct Cache {
    free: [Stack; LARGE],
    /// How many bytes more it takes: none before the first flush, which the first growth brings.
    room: usize,
}

impl Cache {
    pub(crate) const fn new() -> Self {
        Self { free: [const { Stack::EMPTY }; LARGE], room: 0 }
    }

    /// A cached block for a size of a large class; null if there is none.
    #[inline]
    pub(crate) fn pop(&mut self, size: usize) -> *mut u8 {
        let (class, size) = class::large(size);
        let block = self.free[class].pop();
        if !block.is_null() {
            self.room += size;
        }
        block
    }

    /// Keeps a block; false if that would exceed the budget: an eighth of what was held at the last flush, less four pages, within the bounds above.
    ///
    /// # Safety
    ///
    /// The block is one of the heap's with the layout of the size's class, and the cache's from here on if the answer is true.
    #[inline]
    pub(crate) unsafe fn push(&mut self, block: *mut u8, size: usize) -> bool {
        let (class, size) = class::large(size);
        if size > self.room {
            return false;
        }
        self.room -= size;
        // SAFETY: the block is larger than a pointer, aligned to 16, and given away, which the caller promises.
        unsafe { self.free[class].push(block) };
        true
    }

    /// Gives all blocks back to the heap; true if there were any.
    #[cold]
    #[inline(never)]
    pub(crate) fn flush<S: Source>(&mut self, heap: &mut Heap<S>) -> bool {
        let mut any = false;
        for (class, free) in self.free.iter_mut().enumerate() {
            loop {
                let block = free.pop();
                if block.is_null() {
                    break;
                }
                any = true;
                // SAFETY: the block is one of the heap's with this layout (contract of `push`).
                unsafe { heap.give(block, class::large_layout(class)) };
            }
        }
        self.room = (heap.source().held() / 8).saturating_sub(4 * PAGE).clamp(LEAST, MOST);
        any
    }
}
