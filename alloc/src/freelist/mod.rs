//! Segregated free lists: a size class for every block up to 64 KiB, the coalescing heap above and below.
//!
//! | size | from | rounded up by at most, with the heap's tag |
//! |---|---|---|
//! | 1 B – 1 KiB | slabs of 8 KiB, cut lazily from spans | 15 B up to 256 B, a seventh above |
//! | 1 KiB – 64 KiB | the heap, kept in a bounded cache when freed | a sixteenth, and 16 B (32 B where pointers are of 64 bits): at most 79 B of 1,025 |
//! | above, or aligned to more than 16 | the heap | 19 B (39 B) |
//!
//! The class follows from the layout alone, so small blocks have no header and a free looks nothing up. A pair is a push and a pop.
//!
//! **Trim before grow**: memory grows only after every cached block and every empty slab went back to the heap. Growth is for ever, a trim is not; so what
//! the caches hold never shows in the page count. Which slabs are empty is found out then, by a walk over the free blocks, and costs the
//! fast path nothing.

mod cache;
pub(crate) mod class;
pub(crate) mod slabs;
pub(crate) mod stack;

use core::alloc::Layout;
use core::ptr::null_mut;

use crate::heap::Heap;
use crate::source::Source;
use crate::strategy::{Strategy, Usage, relocate};
use cache::Cache;
use slabs::Slabs;
#[cfg(not(target_family = "wasm"))]
use stack::Stack;

/// Alignments up to this one come for free: every class is a multiple of it.
pub(crate) const ALIGN: usize = 16;

/// Counting makes the path too long for every caller to have its own.
pub(crate) const INLINE: bool = cfg!(feature = "inline") && !cfg!(feature = "budget");

/// Free lists by size class over a coalescing heap.
///
/// **Cost:** a pair of small blocks is 35 wasm instructions in its caller, 57 when called (dlmalloc: 179): a quarter of dlmalloc's time, a half when called. Cached blocks are at most an eighth of what is held, less four pages, and from 8 KiB to 512 KiB.
pub struct Freelist<S> {
    pub(crate) slabs: Slabs,
    cache: Cache,
    heap: Heap<S>,
}

impl<S: Source> Freelist<S> {
    /// Empty lists over a source.
    pub const fn new(source: S) -> Self {
        Self { slabs: Slabs::new(), cache: Cache::new(), heap: Heap::new(source) }
    }

    /// Gives every cached block and every empty slab back to the heap, where they coalesce; true if any went.
    ///
    /// It happens by itself before memory grows. **Cost:** a walk over all free blocks.
    pub fn trim(&mut self) -> bool {
        let flushed = self.cache.flush(&mut self.heap);
        self.slabs.sweep(&mut self.heap) || flushed
    }

    /// Where the memory comes from.
    pub(crate) const fn source(&mut self) -> &mut S {
        self.heap.source()
    }

    /// A block that no list serves and no gap of the heap; trims before it grows. If it is to be a span, and the trim frees a slab, the answer is null.
    ///
    /// # Safety
    ///
    /// The layout's size is not zero.
    #[cold]
    #[inline(never)]
    unsafe fn obtain(&mut self, layout: Layout, span: bool) -> *mut u8 {
        // The cheap remedy first: a flush costs what the frees before it saved, a sweep walks over all that is free.
        let mut sweeps = u32::from(!(span && self.slabs.cramped()));
        let mut more = self.cache.flush(&mut self.heap);
        loop {
            if more {
                // SAFETY: the size is not zero, which the caller promises.
                let block = unsafe { self.heap.take(layout) };
                if !block.is_null() {
                    return block;
                }
            }
            if sweeps == 1 {
                more = self.slabs.sweep(&mut self.heap);
                if span && self.slabs.open() {
                    return null_mut();
                }
            } else {
                // Where someone else took memory in between, one growth may be too little.
                more = self.heap.grow(layout);
                if !more && sweeps > 1 {
                    return null_mut();
                }
                if more {
                    continue;
                }
            }
            sweeps += 1;
        }
    }

    /// A block of a small class that was never used; null if there is no memory.
    #[cold]
    #[inline(never)]
    pub(crate) fn carve(&mut self, class: usize) -> *mut u8 {
        loop {
            let block = self.slabs.carve(class);
            if !block.is_null() {
                return block;
            }
            if self.slabs.refill(class) {
                continue;
            }
            // SAFETY: a span's size is not zero.
            let mut span = unsafe { self.heap.take(slabs::SPAN_LAYOUT) };
            if span.is_null() {
                // SAFETY: as above.
                span = unsafe { self.obtain(slabs::SPAN_LAYOUT, true) };
            }
            if !span.is_null() {
                // SAFETY: the span is fresh from the heap, with its layout.
                unsafe { self.slabs.adopt(span) };
            } else if !self.slabs.open() {
                return span;
            }
        }
    }

    /// Up to `most` blocks of a small class, as a list; only for the first is memory cleared or acquired. Says how many there are.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn batch(&mut self, class: usize, most: u32) -> (Stack, u32) {
        let mut batch = Stack::EMPTY;
        for count in 0..most {
            let mut block = self.slabs.pop(class);
            if block.is_null() {
                block = if count == 0 { self.carve(class) } else { self.slabs.carve(class) };
            }
            if block.is_null() {
                return (batch, count);
            }
            // SAFETY: a block of a class is at least 16 bytes, aligned to 16, and was just handed out to us.
            unsafe { batch.push(block) };
        }
        (batch, most)
    }

    /// # Safety
    ///
    /// As for [`Strategy::allocate`], and the layout is none of a small class.
    #[inline(never)]
    pub(crate) unsafe fn allocate_large(&mut self, layout: Layout) -> *mut u8 {
        if class::cached(layout) {
            let block = self.cache.pop(layout.size());
            if !block.is_null() {
                return block;
            }
        }
        let layout = class::backing(layout);
        // SAFETY: rounding up keeps the size above zero, which the caller promises.
        let block = unsafe { self.heap.take(layout) };
        if !block.is_null() {
            return block;
        }
        // SAFETY: as above.
        unsafe { self.obtain(layout, false) }
    }

    /// # Safety
    ///
    /// As for [`Strategy::release`], and the layout is none of a small class.
    #[inline(never)]
    pub(crate) unsafe fn release_large(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `allocate_large`, so it has the size of its class, and nobody uses it any more.
        if class::cached(layout) && unsafe { self.cache.push(block, layout.size()) } {
            return;
        }
        // SAFETY: the block came from the heap with the backing layout, directly or by way of the cache.
        unsafe { self.heap.give(block, class::backing(layout)) };
    }

    /// Tries to resize a block where it lies.
    ///
    /// # Safety
    ///
    /// As for [`Strategy::resize`], and neither layout is one of a small class.
    pub(crate) unsafe fn resize_large(&mut self, block: *mut u8, layout: Layout, new: Layout) -> bool {
        // SAFETY: the block is one of the heap's with the backing layout of its own, and no class is empty.
        unsafe { self.heap.resize_in_place(block, class::backing(layout), class::backing(new).size()) }
    }
}

// SAFETY: a class's blocks are disjoint cuts of its slabs, or blocks of the heap with the class's size; every class is a multiple of 16 at a
// multiple of 16, and what is aligned to more comes from the heap directly. A block returns to where its layout says it came from.
unsafe impl<S: Source> Strategy for Freelist<S> {
    const ALIGN: usize = ALIGN;
    const INLINE: bool = INLINE;

    #[inline]
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        if class::small(layout) {
            // SAFETY: a small layout's size is at most `SMALL_MOST`.
            let block = unsafe { self.slabs.list(layout.size()) }.pop();
            if !block.is_null() {
                return block;
            }
            return self.carve(class::small_of(layout.size()));
        }
        // SAFETY: the layout is none of a small class, and its size not zero, which the caller promises.
        unsafe { self.allocate_large(layout) }
    }

    #[inline]
    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        if class::small(layout) {
            // SAFETY: a small layout's size is at most `SMALL_MOST`.
            let list = unsafe { self.slabs.list(layout.size()) };
            // SAFETY: a block of this layout was cut from a slab of this class, at least 16 bytes and aligned to 16, and nobody uses it any more.
            return unsafe { list.push(block) };
        }
        // SAFETY: as the caller promises, and the layout is none of a small class.
        unsafe { self.release_large(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the alignment is that of a layout, and the caller promises that the rounded size is at most `isize::MAX`.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class::small(layout), class::small(new)) {
            (true, true) if class::small_of(layout.size()) == class::small_of(size) => return block,
            // SAFETY: as the caller promises, and neither layout is one of a small class.
            (false, false) if unsafe { self.resize_large(block, layout, new) } => return block,
            _ => {}
        }
        // SAFETY: as the caller promises.
        unsafe { relocate(self, block, layout, size) }
    }

    fn usage(&self) -> Usage {
        self.heap.usage()
    }

    fn limit(&mut self, pages: usize) {
        self.source().limit(pages);
    }
}
