//! Segregated free lists: a size class for every block up to 64 KiB, kept in lists over the
//! coalescing heap.
//!
//! Every block is one of the heap's, with its tag: so it can go back there, alone, at any time. A
//! list keeps what was freed for the next of its size, and all lists together keep a small share of
//! the heap. What finds no room coalesces at once, as with std; no operation walks what is free.
//!
//! The class follows from the layout alone, so a free looks nothing up: [`class`] has the table.
//!
//! **Give back before memory grows**: a kept block that is large enough serves at once, by way of
//! the heap. Otherwise a few kept blocks go back, and the next operation gives back the next few.

pub(crate) mod class;
pub(crate) mod lists;
pub(crate) mod stack;
#[cfg(test)]
mod tests;

use core::alloc::Layout;
use core::ptr::{copy_nonoverlapping, null_mut};

use crate::heap::{self, Heap, UNIT, whole};
use crate::policy;
use crate::shape::Shape;
use crate::source::Source;
use crate::strategy::{Strategy, Usage, relocate};
use lists::Lists;
#[cfg(not(target_family = "wasm"))]
use stack::Stack;

/// Alignments up to this one come for free: every block is aligned so.
pub(crate) const ALIGN: usize = 16;

/// `true` if the fast path is in every caller. Live bytes are counted there too; all statistics
/// would make it too long.
pub(crate) const INLINE: bool = cfg!(feature = "inline") && !cfg!(feature = "stats");

/// Free lists by size class over a coalescing heap.
///
/// **Cost:** a pair of small blocks is a pop and a push. What the lists keep is at most an eighth
/// of the heap, and from 8 KiB to 512 KiB. No operation depends on how much is free.
pub struct Freelist<S> {
    lists: Lists,
    pub(crate) heap: Heap<S>,
}

impl<S: Source> Freelist<S> {
    /// Creates empty lists over a source.
    pub const fn new(source: S) -> Self {
        Self { lists: Lists::new(), heap: Heap::new(source) }
    }

    /// Gives every kept block back to the heap, where they coalesce; true if any went.
    ///
    /// **Cost:** one free of the heap for each kept block, of which there are some thousands at
    /// most.
    pub fn trim(&mut self) -> bool {
        self.lists.flush(&mut self.heap)
    }

    /// Returns the source of the memory.
    pub(crate) const fn source(&mut self) -> &mut S {
        self.heap.source()
    }

    /// Returns a block that neither a list nor a gap of the heap serves: gives a little back, and
    /// grows memory if that is not enough.
    ///
    /// # Safety
    ///
    /// As for [`Heap::take`], which has answered null.
    #[cold]
    #[inline(never)]
    unsafe fn obtain(&mut self, need: usize, mask: usize) -> *mut u8 {
        let wanted = need + mask;
        // Nothing is given back for more than could come of it.
        let reach = self.heap.free_bytes() + self.lists.kept() * UNIT;
        if self.lists.any() && wanted <= reach {
            let (block, bytes) = self.lists.pop_at_least(wanted);
            let gap = if block.is_null() {
                self.give_back()
            } else {
                // SAFETY: the block is one of the heap's, of this size, and nobody uses it.
                unsafe { self.heap.free(block, bytes) }
            };
            // SAFETY: the gap is there since just now.
            if !gap.is_null() && unsafe { self.heap.bytes_of(gap) } >= wanted {
                // SAFETY: as above, and it is large enough; the caller promises the rest.
                return unsafe { self.heap.take_from(gap, need, mask) };
            }
        }
        loop {
            // SAFETY: as the caller promises.
            if !unsafe { self.heap.grow(need, mask) } {
                self.lists.narrow();
                return null_mut();
            }
            self.lists.widen(&self.heap);
            // SAFETY: as above.
            let block = unsafe { self.heap.take_open(need, mask) };
            // Where someone else took memory in between, one growth may be too little.
            if !block.is_null() {
                if self.lists.any() {
                    self.lists.evict(&mut self.heap, policy::GROWN, policy::GROWN_LISTS);
                }
                return block;
            }
        }
    }

    /// Gives a few kept blocks back to the heap, fewer while memory does not grow, and no block if
    /// full lists have just given way. Returns the largest gap that came of it, or null.
    #[inline(never)]
    fn give_back(&mut self) -> *mut u8 {
        let (blocks, lists) = match (self.lists.squeezed(), self.heap.refused()) {
            (true, _) => return null_mut(),
            (_, true) => (policy::REFUSED, policy::REFUSED_LISTS),
            _ => (policy::WANTED, policy::WANTED_LISTS),
        };
        self.lists.evict(&mut self.heap, blocks, lists)
    }

    /// A block of a small class whose list is empty.
    ///
    /// # Safety
    ///
    /// The slot is one of a small class.
    #[inline(never)]
    unsafe fn refill(&mut self, slot: usize) -> *mut u8 {
        self.lists.missed(&mut self.heap);
        let need = class::small_need(slot);
        // SAFETY: the need is that of a layout.
        let block = unsafe { self.heap.take(need, 0) };
        if !block.is_null() {
            return block;
        }
        // SAFETY: as above.
        unsafe { self.obtain(need, 0) }
    }

    /// Up to `most` blocks of a small class, as a list, and how many there are. Only if `grow`, and
    /// only for the first, is anything given back, or memory acquired.
    ///
    /// # Safety
    ///
    /// The slot is one of a small class.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) unsafe fn batch(&mut self, slot: usize, most: u32, grow: bool) -> (Stack, u32) {
        let mut batch = Stack::EMPTY;
        for count in 0..most {
            // SAFETY: the slot is one of a small class.
            let mut block = unsafe { self.heap.take(class::small_need(slot), 0) };
            if block.is_null() && count == 0 && grow {
                // SAFETY: as above.
                block = unsafe { self.obtain(class::small_need(slot), 0) };
            }
            if block.is_null() {
                return (batch, count);
            }
            // SAFETY: a block of the heap is larger than a pointer, aligned to 16, and was just
            // handed out to us.
            unsafe { batch.push(block) };
        }
        (batch, most)
    }

    /// A block that is there: kept, or in a gap of the heap; null if there is none.
    ///
    /// # Safety
    ///
    /// The layout is none of a small class, and its size not zero.
    #[inline(never)]
    pub(crate) unsafe fn find_large(&mut self, layout: Layout) -> *mut u8 {
        if class::classed(layout) {
            let (slot, size) = class::large(layout.size());
            // SAFETY: the slot is that of a class.
            let block = unsafe { self.lists.pop(slot, class::charge_of(whole(size))) };
            if !block.is_null() {
                return block;
            }
            self.lists.missed(&mut self.heap);
        }
        let (need, mask) = heap::needs(class::backing(layout));
        // SAFETY: the need is that of a layout.
        unsafe { self.heap.take(need, mask) }
    }

    /// # Safety
    ///
    /// As for [`Strategy::allocate`], and the layout is none of a small class.
    #[inline(never)]
    pub(crate) unsafe fn allocate_large(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { self.find_large(layout) };
        if !block.is_null() {
            return block;
        }
        let (need, mask) = heap::needs(class::backing(layout));
        // SAFETY: the need is that of a layout.
        unsafe { self.obtain(need, mask) }
    }

    /// # Safety
    ///
    /// As for [`Strategy::release`], and the layout is none of a small class.
    #[inline(never)]
    pub(crate) unsafe fn release_large(&mut self, block: *mut u8, layout: Layout) {
        if class::classed(layout) {
            let (slot, size) = class::large(layout.size());
            let charge = class::charge_of(whole(size));
            // SAFETY: the block came from `allocate_large`, so it has the size of its class, and
            // nobody uses it any more.
            if !self.lists.roomy(charge) || !unsafe { self.lists.push(block, slot, charge) } {
                // SAFETY: as above.
                unsafe { self.return_to_heap(block, whole(size)) };
            }
            return;
        }
        // SAFETY: the block came from the heap with this layout.
        unsafe { self.return_to_heap(block, whole(layout.size())) };
    }

    /// Gives back a block for which the lists have no room; and, after a burst, a few that they
    /// keep.
    ///
    /// # Safety
    ///
    /// As for [`Heap::free`].
    #[inline(never)]
    unsafe fn return_to_heap(&mut self, block: *mut u8, bytes: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.heap.free(block, bytes) };
        if policy::drained(self.heap.size(), self.heap.used()) {
            self.lists.shrink(&mut self.heap);
        }
    }

    /// Tries to resize a block where it lies.
    ///
    /// # Safety
    ///
    /// As for [`Strategy::resize`], and neither layout is one of a small class.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) unsafe fn resize_in_place(&mut self, block: *mut u8, layout: Layout, new: Layout) -> bool {
        // SAFETY: the block is one of the heap's with the backing layout of its own.
        unsafe {
            self.heap.resize_in_place(block, whole(class::backing(layout).size()), whole(class::backing(new).size()))
        }
    }

    /// Resizes a block: where it lies if it can, growing memory under it if nothing else there is
    /// has room for it.
    ///
    /// # Safety
    ///
    /// As for [`Strategy::resize`], and neither layout is one of a small class.
    #[inline(never)]
    pub(crate) unsafe fn resize_large(&mut self, block: *mut u8, layout: Layout, new: Layout) -> *mut u8 {
        let (old_bytes, new_bytes) = (whole(class::backing(layout).size()), whole(class::backing(new).size()));
        // SAFETY: the block is one of the heap's, of this size.
        if unsafe { self.heap.resize_in_place(block, old_bytes, new_bytes) } {
            return block;
        }
        // SAFETY: the size is not zero, which the caller promises.
        let mut moved = unsafe { self.find_large(new) };
        if moved.is_null() {
            // SAFETY: as above.
            match unsafe { self.heap.widen(block, old_bytes, new_bytes) } {
                Some(true) => {
                    self.lists.widen(&self.heap);
                    return block;
                }
                Some(false) => {
                    let (need, mask) = heap::needs(class::backing(new));
                    // SAFETY: the need is that of a layout.
                    moved = unsafe { self.obtain(need, mask) };
                }
                None => {
                    self.lists.narrow();
                    self.give_back();
                }
            }
        }
        if !moved.is_null() {
            // SAFETY: both blocks are live, so they do not overlap, and each has at least the
            // smaller of the two sizes.
            unsafe { copy_nonoverlapping(block, moved, layout.size().min(new.size())) };
            // SAFETY: the block is live and of this layout, which the caller promises, and is not
            // used any more.
            unsafe { self.release_large(block, layout) };
        }
        moved
    }
}

// SAFETY: every block is one of the heap's with the size of its class, or of its layout where that
// has none; blocks of the heap are aligned to 16 at least, and to what the layout asks for. A block
// returns to the list that its layout names, and to the heap with the size that it was taken with.
unsafe impl<S: Source> Strategy for Freelist<S> {
    const INLINE: bool = INLINE;

    #[inline]
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        if class::small(layout) {
            let slot = class::slot_of(layout.size());
            // SAFETY: the slot is that of a class, whose blocks count for as much.
            let block = unsafe { self.lists.pop(slot, slot) };
            if !block.is_null() {
                return block;
            }
            // SAFETY: the slot is one of a small class.
            return unsafe { self.refill(slot) };
        }
        // SAFETY: the layout is none of a small class, and its size not zero, which the caller
        // promises.
        unsafe { self.allocate_large(layout) }
    }

    #[inline]
    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        if class::small(layout) {
            let slot = class::slot_of(layout.size());
            // SAFETY: the slot is that of a class, whose blocks count for as much; a block of this
            // layout is one of them, and nobody uses it any more.
            if !unsafe { self.lists.push(block, slot, slot) } {
                // SAFETY: as above.
                unsafe { self.return_to_heap(block, class::small_need(slot)) };
            }
            return;
        }
        // SAFETY: as the caller promises, and the layout is none of a small class.
        unsafe { self.release_large(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the alignment is that of a layout, and the caller promises that the rounded size
        // is at most `isize::MAX`.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class::small(layout), class::small(new)) {
            (true, true) if class::slot_of(layout.size()) == class::slot_of(size) => block,
            // SAFETY: as the caller promises, and neither layout is one of a small class.
            (false, false) => unsafe { self.resize_large(block, layout, new) },
            // SAFETY: as the caller promises.
            _ => unsafe { relocate(self, block, layout, size) },
        }
    }

    fn usage(&self) -> Usage {
        let usage = self.heap.usage();
        Usage { live: usage.live.saturating_sub(self.lists.kept_bytes()), ..usage }
    }

    fn shape(&self) -> Option<Shape<'_>> {
        Some(Shape { kept: self.lists.kept_lists(), ..Shape::of(self.heap.gaps()) })
    }

    fn limit(&mut self, pages: usize) {
        self.source().limit(pages);
    }
}
