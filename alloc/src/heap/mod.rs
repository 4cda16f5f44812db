//! The coalescing heap under the free lists and the arena: boundary tags, and lists of gaps by
//! size.
//!
//! A block is followed by a tag of one word: whether a gap comes after it. A gap ends with its
//! size, where a block has its tag. So a free finds both neighbours without a search, and gaps
//! never lie side by side. Gaps of a size, to within a sixteenth, are in one list; a bitmap tells
//! which lists hold any.
//!
//! The list of the very size comes first, so that a hole serves again what left it; then the gap
//! that was cut last, the open one, which spares a search; then the smallest list whose gaps are
//! all large enough. No operation walks what is free: see [`policy::TRIES`].

mod gaps;
mod growth;
pub(crate) mod shape;
#[cfg(test)]
mod tests;

use core::alloc::Layout;
use core::ptr::{copy_nonoverlapping, null_mut};

use crate::policy;
use crate::shape::Shape;
use crate::source::{PAGE, Source};
use crate::strategy::{Strategy, Usage};
use gaps::bin_of;
use shape::{BINS, Gap, Gaps};

/// Bytes of a tag.
pub(crate) const TAG: usize = size_of::<usize>();

/// Sizes and addresses of gaps, and of blocks with their tags, are multiples of this: a gap must
/// have room for its header.
pub(crate) const UNIT: usize = size_of::<Gap>();

/// A tag's bits: the first is always set, so that a tag is told from a gap's size; the second says
/// whether a gap follows. The heap leaves the other bits of a block's tag as they are, for whoever
/// has the block.
pub(crate) const BLOCK: usize = 1;
pub(crate) const GAP_AFTER: usize = 2;

/// Lists for each doubling, as a power of two.
const DIVISIONS: u32 = 4;

/// Gaps of fewer units have a list for each size.
const EXACT: usize = 2 << DIVISIONS;

/// A coalescing heap over a source: any size, any alignment, one word of overhead a block, sizes in
/// steps of four words.
pub struct Heap<S> {
    bins: [*mut Gap; BINS],
    /// Which bins hold any, and which words of that hold any bit.
    filled: [u32; BINS.div_ceil(32)],
    words: u32,
    /// The gap that was cut or widened last, which is in no list, and its bytes; null and zero if
    /// there is none.
    open: *mut Gap,
    room: usize,
    source: S,
    /// The end of the piece acquired last; null before.
    end: *mut u8,
    /// Bytes of all pieces, and those of all gaps in them.
    size: usize,
    free: usize,
    grows: usize,
    /// True if the source had no memory, the last time that it was asked. All of the heap is zeros
    /// at first: so it is no data of the module.
    refused: bool,
}

// SAFETY: the heap's pointers lead into memory that only the heap has (contract of `Source`), so
// they may move with it.
unsafe impl<S: Send> Send for Heap<S> {}

/// Returns the bytes of a block with its tag.
#[inline]
pub(crate) const fn whole(size: usize) -> usize {
    // A layout's size is at most `isize::MAX`: this does not wrap.
    (size + TAG + UNIT - 1) & !(UNIT - 1)
}

/// Where the word before an address is: a block's tag, or a gap's size.
#[inline]
pub(crate) fn tag(end: *mut u8) -> *mut usize {
    end.wrapping_sub(TAG).cast()
}

impl<S: Source> Heap<S> {
    /// Creates an empty heap, which acquires nothing before the first block.
    pub const fn new(source: S) -> Self {
        Self {
            bins: [null_mut(); BINS],
            filled: [0; BINS.div_ceil(32)],
            words: 0,
            open: null_mut(),
            room: 0,
            source,
            end: null_mut(),
            size: 0,
            free: 0,
            grows: 0,
            refused: false,
        }
    }

    /// Returns the gaps, for a report.
    pub(crate) const fn gaps(&self) -> Gaps<'_> {
        Gaps { bins: &self.bins, open: self.open, room: self.room, size: self.size }
    }

    /// Returns the source of the memory. Not for others: with another source in its place, a piece
    /// could seem to continue the last one.
    pub(crate) const fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Returns the bytes that the heap has acquired: the base of every share in [`policy`].
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// Returns whether memory did not grow, the last time that it was to.
    pub(crate) const fn refused(&self) -> bool {
        self.refused
    }

    /// Returns the bytes of all gaps.
    pub(crate) const fn free_bytes(&self) -> usize {
        self.free
    }

    /// Returns the bytes in blocks with their tags, kept ones among them, and a few at the ends of
    /// pieces.
    pub(crate) const fn used(&self) -> usize {
        self.size - self.free
    }

    /// Pages held, grows so far, and the bytes in blocks.
    pub(crate) fn usage(&self) -> Usage {
        Usage { live: self.used(), ..Usage::new(self.source.held() / PAGE, self.grows) }
    }

    /// Makes a gap, which is in no list, the open one; no other may be open.
    ///
    /// # Safety
    ///
    /// As for [`insert`](Self::insert); but the size may be zero, and then there is no gap.
    #[inline]
    unsafe fn open(&mut self, base: *mut u8, size: usize) {
        self.room = size;
        self.open = null_mut();
        if size > 0 {
            self.open = base.cast();
            // SAFETY: the bytes are ours, aligned, and enough for a gap, which the caller promises.
            unsafe { (*self.open).size = size };
            // SAFETY: as above: the last word of the bytes.
            unsafe { tag(base.wrapping_add(size)).write(size) };
        }
    }

    /// Returns a block of so many bytes, its tag included, from what is there; null if no gap fits.
    /// Nobody has written to its tag but the heap.
    ///
    /// # Safety
    ///
    /// The bytes are what [`whole`] gives for a layout's size, and the mask is its alignment less
    /// one; or the mask is zero, for an alignment up to `UNIT`.
    #[inline(never)]
    pub(crate) unsafe fn take(&mut self, need: usize, mask: usize) -> *mut u8 {
        if need < EXACT * UNIT && mask == 0 {
            let gap = self.bins[(need / UNIT) & (EXACT - 1)];
            if !gap.is_null() {
                // SAFETY: the gap is in a list.
                unsafe { self.remove(gap) };
                // SAFETY: the gap has just the size, and is in no list any more.
                return unsafe { self.fill(gap.cast(), need, 0) };
            }
            if need <= self.room
                && (self.room <= policy::NEAR * need || self.filled_from(need / UNIT) >= bin_of(self.room))
            {
                // SAFETY: the open gap fits, as every address is a multiple of the alignment.
                return unsafe { self.cut(need, 0) };
            }
        }
        let (open, room) = (self.open, self.room);
        let fits = self.fits(need, mask);
        if !fits || room / (policy::SPARE + 1) > need {
            // SAFETY: the open gap is in no list.
            unsafe { self.shut() };
            let mut gap = self.find(need, mask);
            if gap.is_null() {
                if !fits {
                    return null_mut();
                }
                gap = open;
            }
            // SAFETY: the gap is in a list: it was found there, or was the open one until now.
            let size = unsafe { self.remove(gap) };
            // SAFETY: the gap is in no list any more, no other is open, and it fits.
            unsafe { self.open(gap.cast(), size) };
        }
        // SAFETY: the open gap fits.
        unsafe { self.cut(need, mask) }
    }

    /// Returns a block like [`take`](Self::take), but from the open gap or not at all: memory has
    /// just grown, so nothing else fits.
    ///
    /// # Safety
    ///
    /// As for [`take`](Self::take).
    pub(crate) unsafe fn take_open(&mut self, need: usize, mask: usize) -> *mut u8 {
        // SAFETY: the open gap fits.
        if self.fits(need, mask) { unsafe { self.cut(need, mask) } } else { null_mut() }
    }

    /// Returns a block like [`take`](Self::take), but from this gap or not at all.
    ///
    /// # Safety
    ///
    /// As for [`take`](Self::take), and there is such a gap, listed or open.
    pub(crate) unsafe fn take_from(&mut self, gap: *mut u8, need: usize, mask: usize) -> *mut u8 {
        if gap != self.open.cast() {
            // SAFETY: the open gap is in no list.
            unsafe { self.shut() };
            // SAFETY: the gap is in a list.
            let size = unsafe { self.remove(gap.cast()) };
            // SAFETY: the gap is in no list any more, and no other is open.
            unsafe { self.open(gap, size) };
        }
        // SAFETY: as the caller promises.
        unsafe { self.take_open(need, mask) }
    }

    /// Returns whether the open gap has room for so many bytes, aligned by the mask.
    #[inline]
    fn fits(&self, need: usize, mask: usize) -> bool {
        // As in `find`, the sum does not wrap.
        need + (self.open.addr().wrapping_neg() & mask) <= self.room
    }

    /// Cuts a block from the open gap.
    ///
    /// # Safety
    ///
    /// The gap fits.
    #[inline(never)]
    unsafe fn cut(&mut self, need: usize, mask: usize) -> *mut u8 {
        let base = self.open.cast::<u8>();
        let padding = base.addr().wrapping_neg() & mask;
        let rest = self.room - padding - need;
        let block = base.wrapping_add(padding);
        if padding > 0 {
            // SAFETY: the gap's first bytes, to the block; an address and an alignment above `UNIT`
            // are multiples of it. Below them is a tag that says that a gap follows.
            unsafe { self.insert(base, padding) };
            // SAFETY: the block's tag lies in what was the gap.
            unsafe { tag(block.wrapping_add(need)).write(BLOCK | if rest > 0 { GAP_AFTER } else { 0 }) };
            self.free -= need;
        } else {
            // SAFETY: the gap is in no list, and has so much room.
            unsafe { self.fill(base, need, rest) };
        }
        // SAFETY: the rest of the gap, which is in no list, and no other gap is open.
        unsafe { self.open(block.wrapping_add(need), rest) };
        block
    }

    /// Makes a block of a gap's first bytes, and returns it; the rest is the caller's to open.
    ///
    /// # Safety
    ///
    /// There was a gap of `need + rest` bytes, which is in no list any more.
    #[inline]
    unsafe fn fill(&mut self, base: *mut u8, need: usize, rest: usize) -> *mut u8 {
        self.free -= need;
        // SAFETY: below a gap is a block or the beginning of a piece, and either ends with a tag.
        unsafe { *tag(base) &= !GAP_AFTER };
        // SAFETY: the block's tag lies in what was the gap.
        unsafe { tag(base.wrapping_add(need)).write(BLOCK | if rest > 0 { GAP_AFTER } else { 0 }) };
        base
    }

    /// Lists the open gap, if there is one.
    ///
    /// # Safety
    ///
    /// The open gap is in no list.
    #[inline]
    unsafe fn shut(&mut self) {
        if self.room > 0 {
            // SAFETY: the open gap is the heap's, and in no list.
            unsafe { self.insert(self.open.cast(), self.room) };
            (self.open, self.room) = (null_mut(), 0);
        }
    }

    /// Makes a gap of a block and its free neighbours, and returns it.
    ///
    /// # Safety
    ///
    /// The block, with its tag, has so many bytes, and nobody uses it any more.
    #[inline(never)]
    pub(crate) unsafe fn free(&mut self, block: *mut u8, mut size: usize) -> *mut u8 {
        self.free += size;
        let mut base = block;
        // SAFETY: the block ends with its tag.
        let own = unsafe { *tag(block.wrapping_add(size)) };
        let open = self.open;
        if own & GAP_AFTER != 0 {
            // SAFETY: the tag says that a gap begins there.
            size += unsafe { self.remove(block.wrapping_add(size).cast()) };
        }
        // SAFETY: below a block is a block, a gap or the beginning of a piece, and each ends with a
        // word of the heap's.
        let below = unsafe { *tag(block) };
        if below & BLOCK == 0 {
            // The word is the size of the gap below.
            base = block.wrapping_sub(below);
            size += below;
            // SAFETY: the gap below begins there.
            unsafe { self.remove(base.cast()) };
        } else {
            // SAFETY: as above.
            unsafe { *tag(block) = below | GAP_AFTER };
        }
        if open != self.open {
            // SAFETY: as below; the gap beside the block was the open one.
            unsafe { self.open(base, size) };
        } else {
            // SAFETY: the bytes of the block and of the gaps beside it, which are in no list any
            // more.
            unsafe { self.insert(base, size) };
        }
        base
    }

    /// Returns the bytes of a gap.
    ///
    /// # Safety
    ///
    /// There is such a gap, listed or open.
    #[inline]
    pub(crate) unsafe fn bytes_of(&self, gap: *mut u8) -> usize {
        // SAFETY: the gap is the heap's, which the caller promises.
        if gap == self.open.cast() { self.room } else { unsafe { (*gap.cast::<Gap>()).size } }
    }

    /// Returns the bytes of the gap that follows a block; zero if a block follows.
    ///
    /// # Safety
    ///
    /// A block of the heap ends there, with its tag.
    unsafe fn gap_after(&self, end: *mut u8) -> usize {
        // SAFETY: the block ends with its tag.
        if unsafe { *tag(end) } & GAP_AFTER == 0 {
            return 0;
        }
        // SAFETY: the tag says that a gap begins there.
        unsafe { self.bytes_of(end) }
    }

    /// Tries to change a block's size where it lies, in bytes that include its tag; a smaller size
    /// always can.
    ///
    /// # Safety
    ///
    /// The block is from this heap, of the old size; both sizes are what [`whole`] gives for a
    /// layout's.
    #[inline(never)]
    pub(crate) unsafe fn resize_in_place(&mut self, block: *mut u8, old: usize, new: usize) -> bool {
        if old == new {
            return true;
        }
        let end = block.wrapping_add(old);
        // SAFETY: the block ends with its tag.
        let follows = unsafe { self.gap_after(end) };
        let room = old + follows;
        if new > room {
            return false;
        }
        if follows > 0 {
            // SAFETY: a gap begins there.
            unsafe { self.remove(end.cast()) };
        }
        let (end, rest) = (block.wrapping_add(new), room - new);
        self.free = self.free + old - new;
        // SAFETY: the block and the gap that followed it are `room` bytes: the tag lies in them.
        unsafe { tag(end).write(BLOCK | if rest > 0 { GAP_AFTER } else { 0 }) };
        if rest > 0 {
            // SAFETY: the bytes between the block and the next one, which are in no list any more.
            unsafe { self.insert(end, rest) };
        }
        true
    }

    /// Returns a block, growing if need be: more than once where someone else took memory in
    /// between.
    ///
    /// # Safety
    ///
    /// As for [`take`](Self::take).
    pub(crate) unsafe fn obtain(&mut self, need: usize, mask: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let mut block = unsafe { self.take(need, mask) };
        // SAFETY: as above.
        while block.is_null() && unsafe { self.grow(need, mask) } {
            // SAFETY: as above.
            block = unsafe { self.take_open(need, mask) };
        }
        block
    }
}

/// Returns the request of [`Heap::take`]: the bytes of a layout's block with its tag, and the mask
/// of its alignment.
#[inline]
pub(crate) const fn needs(layout: Layout) -> (usize, usize) {
    (whole(layout.size()), if layout.align() > UNIT { layout.align() - 1 } else { 0 })
}

// SAFETY: a block is the part of a gap that the layout fits into, of memory that is the heap's
// alone.
unsafe impl<S: Source> Strategy for Heap<S> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let (need, mask) = needs(layout);
        // SAFETY: the need is the layout's.
        unsafe { self.obtain(need, mask) }
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is from `allocate` with this layout, and nobody uses it any more; the
        // caller promises it.
        unsafe { self.free(block, whole(layout.size())) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, new) = (whole(layout.size()), whole(size));
        // SAFETY: the block is from this heap with this layout; the caller promises it.
        if unsafe { self.resize_in_place(block, old, new) } {
            return block;
        }
        let (_, mask) = needs(layout);
        // SAFETY: the need is that of a layout of the new size.
        let mut moved = unsafe { self.take(new, mask) };
        if moved.is_null() {
            // SAFETY: as above.
            match unsafe { self.widen(block, old, new) } {
                Some(true) => return block,
                // SAFETY: as above.
                Some(false) => moved = unsafe { self.obtain(new, mask) },
                None => {}
            }
        }
        if !moved.is_null() {
            // SAFETY: both blocks are live, so they do not overlap, and each has at least the
            // smaller of the two sizes.
            unsafe { copy_nonoverlapping(block, moved, layout.size().min(size)) };
            // SAFETY: as above; nobody uses the block any more.
            unsafe { self.free(block, old) };
        }
        moved
    }

    fn usage(&self) -> Usage {
        self.usage()
    }

    fn shape(&self) -> Option<Shape<'_>> {
        Some(Shape::of(self.gaps()))
    }

    fn limit(&mut self, pages: usize) {
        self.source.limit(pages);
    }
}
