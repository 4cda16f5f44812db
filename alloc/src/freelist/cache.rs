//! Freed blocks of 1–64 KiB, kept for the next of their class.
//!
//! Half of what free lists gain on request-shaped loads is here: bodies and host buffers come and go, and the heap takes ten times as long over them. The
//! price is memory that nobody uses; so the cache is bounded by the peak, and emptied before memory grows. Even so a cached block is a hole that
//! others are placed around: with a quarter of the peak the trace of 64 requests takes 28 pages, with an eighth 26, with none 23 (dlmalloc: 22). With an eighth
//! of *any* peak, 128 growing buffers took 987 pages and crept on, and the trace of 1,024 requests 207; with at most 256 KiB they take 947 and stand still, and 193
//! (dlmalloc: 948, 203). A bigger cache saves 3 % of the trace's instructions.

use super::class::{LARGE, large_layout};
use super::stack::Stack;
use crate::heap::Heap;
use crate::source::Source;

/// What may be cached in any case, in bytes: enough for a few bodies while the heap is young.
const LEAST_BUDGET: usize = 64 * 1024;

/// What is cached at most, in bytes.
const MOST_BUDGET: usize = 256 * 1024;

pub(crate) struct Cache {
    free: [Stack; LARGE],
    bytes: usize,
}

impl Cache {
    pub(crate) const fn new() -> Self {
        Self { free: [const { Stack::EMPTY }; LARGE], bytes: 0 }
    }

    /// A cached block of the class; null if there is none.
    #[inline]
    pub(crate) fn pop(&mut self, class: usize) -> *mut u8 {
        let block = self.free[class & (LARGE - 1)].pop();
        if !block.is_null() {
            self.bytes -= large_layout(class).size();
        }
        block
    }

    /// Keeps a block; false if that would exceed the budget: an eighth of the peak, within the bounds above.
    ///
    /// # Safety
    ///
    /// The block is one of the heap's with the class's layout, and the cache's from here on if the answer is true.
    #[inline]
    pub(crate) unsafe fn push(&mut self, block: *mut u8, class: usize, peak: usize) -> bool {
        let bytes = self.bytes + large_layout(class).size();
        if bytes > (peak / 8).clamp(LEAST_BUDGET, MOST_BUDGET) {
            return false;
        }
        self.bytes = bytes;
        // SAFETY: the block is larger than a pointer, aligned to 16, and given away, which the caller promises.
        unsafe { self.free[class & (LARGE - 1)].push(block) };
        true
    }

    /// Gives all blocks back to the heap; true if there were any.
    #[cold]
    #[inline(never)]
    pub(crate) fn flush<S: Source>(&mut self, heap: &mut Heap<S>) -> bool {
        if self.bytes == 0 {
            return false;
        }
        self.bytes = 0;
        for (class, free) in self.free.iter_mut().enumerate() {
            loop {
                let block = free.pop();
                if block.is_null() {
                    break;
                }
                // SAFETY: the block is one of the heap's with this layout (contract of `push`).
                unsafe { heap.give(block, large_layout(class)) };
            }
        }
        true
    }
}
