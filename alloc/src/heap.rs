//! The coalescing heap under the free lists and the arena: boundary tags, and lists of gaps by size.
//!
//! A block is followed by a tag of one word: whether a gap comes after it. A gap ends with its size, where a block has its tag. So a free finds both
//! neighbours without a search, and gaps never lie side by side. Gaps of a size, to within a sixteenth, are in one list; a bitmap tells which lists hold any.
//!
//! talc, which was here before, takes the first list whose gaps are all large enough. This one looks into the list of the very size first, so that a hole serves
//! again what left it; and it cuts from the gap that was cut last while that is of about the right size, which spares a search. With talc in its place the free
//! lists were 8.2 kB of module, and are 5.0.

use core::alloc::Layout;
use core::hint::assert_unchecked;
use core::mem::replace;
use core::ptr::null_mut;

use crate::source::{PAGE, Source};
use crate::strategy::{Usage, coalescing};

/// Bytes of a tag.
const TAG: usize = size_of::<usize>();

/// Sizes and addresses of gaps, and of blocks with their tags, are multiples of this: what a gap must have room for.
pub(crate) const UNIT: usize = size_of::<Gap>();

/// A tag's bits: always set, so that it is told from a gap's size; and whether a gap follows.
const BLOCK: usize = 1;
const GAP_AFTER: usize = 2;

/// Lists for each doubling, as a power of two.
const DIVISIONS: u32 = 4;

/// Enough for all of a 32-bit memory; where there is more, the last list has the rest.
const BINS: usize = 400;

/// How many gaps of nearly the wanted size are looked at before one that is surely large enough is taken.
const TRIES: usize = 8;

/// Blocks are cut from the open gap unless what is left is so many times as large: that spares a search, and a large gap is kept whole for what is large.
/// Any factor from 1 to 8 takes the same pages to within a few; without a bound, the trace of 256 requests took 68 instead of 59.
const SPARE: usize = 2;

/// The most that memory grows by beyond the need.
const STEP_MOST: usize = 8 * PAGE;

/// What a gap begins with; its last word is its size too.
#[repr(C)]
struct Gap {
    next: *mut Gap,
    /// Null for the first of its list.
    before: *mut Gap,
    bin: usize,
    size: usize,
}

/// A coalescing heap over a source: any size, any alignment, one word of overhead a block, sizes in steps of four words.
pub struct Heap<S> {
    bins: [*mut Gap; BINS],
    /// Which bins hold any.
    filled: [u32; BINS.div_ceil(32)],
    /// The gap that was cut or widened last, which is in no list, and its bytes; null and zero if there is none.
    open: *mut Gap,
    room: usize,
    source: S,
    /// The end of the piece acquired last; null before.
    end: *mut u8,
    grows: usize,
}

// SAFETY: the heap's pointers lead into memory that only the heap has (contract of `Source`), so they may move with it.
unsafe impl<S: Send> Send for Heap<S> {}

/// The bytes of a block with its tag.
#[inline]
pub(crate) const fn whole(size: usize) -> usize {
    // A layout's size is at most `isize::MAX`: this does not wrap.
    (size + TAG + UNIT - 1) & !(UNIT - 1)
}

/// The list of a size.
#[inline]
fn bin_of(size: usize) -> usize {
    let units = size / UNIT;
    let shift = usize::BITS - 1 - DIVISIONS - (units | (1 << DIVISIONS)).leading_zeros();
    let bin = ((shift as usize) << DIVISIONS) + (units >> shift);
    let bin = if usize::BITS > 32 { bin.min(BINS - 1) } else { bin };
    // SAFETY: 32 bits hold fewer than 2²⁸ units, which is a shift of at most 23, and bins up to 23 × 16 + 31.
    unsafe { assert_unchecked(bin < BINS) };
    bin
}

/// Where the word before an address is: a block's tag, or a gap's size.
#[inline]
fn tag(end: *mut u8) -> *mut usize {
    end.wrapping_sub(TAG).cast()
}

impl<S: Source> Heap<S> {
    /// An empty heap: nothing is acquired before the first block.
    pub const fn new(source: S) -> Self {
        Self {
            bins: [null_mut(); BINS],
            filled: [0; BINS.div_ceil(32)],
            open: null_mut(),
            room: 0,
            source,
            end: null_mut(),
            grows: 0,
        }
    }

    /// Where the memory comes from. Not for others: with another source in its place, a piece could seem to continue the last one.
    pub(crate) const fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Pages held, and grows so far.
    pub(crate) fn usage(&self) -> Usage {
        Usage { pages: self.source.held() / PAGE, grows: self.grows, pinned: 0 }
    }

    /// Lists a gap.
    ///
    /// # Safety
    ///
    /// The bytes are the heap's, and no block or gap; their address and size, which is not zero, are multiples of `UNIT`.
    #[inline(never)]
    unsafe fn insert(&mut self, base: *mut u8, size: usize) {
        let bin = bin_of(size);
        let gap = base.cast::<Gap>();
        let next = replace(&mut self.bins[bin], gap);
        if next.is_null() {
            self.filled[bin / 32] |= 1 << (bin % 32);
        } else {
            // SAFETY: every gap in a list is the heap's, and this is the only reference.
            unsafe { (*next).before = gap };
        }
        // SAFETY: the bytes are ours, aligned, and enough for a gap, which the caller promises.
        unsafe { gap.write(Gap { next, before: null_mut(), bin, size }) };
        // SAFETY: as above: the last word of the bytes.
        unsafe { tag(base.wrapping_add(size)).write(size) };
    }

    /// Takes a gap off its list, or from where it is open; its size.
    ///
    /// # Safety
    ///
    /// There is a gap, and it is in its list or open.
    #[inline(never)]
    unsafe fn remove(&mut self, gap: *mut Gap) -> usize {
        if gap == self.open {
            self.open = null_mut();
            return replace(&mut self.room, 0);
        }
        // SAFETY: the gap is the heap's, which the caller promises.
        let Gap { next, before, bin, size } = unsafe { gap.read() };
        if before.is_null() {
            // SAFETY: `insert` wrote what `bin_of` gave.
            unsafe { assert_unchecked(bin < BINS) };
            self.bins[bin] = next;
            if next.is_null() {
                self.filled[bin / 32] &= !(1 << (bin % 32));
                return size;
            }
        } else {
            // SAFETY: every gap in a list is the heap's, and this is the only reference.
            unsafe { (*before).next = next };
        }
        if !next.is_null() {
            // SAFETY: as above.
            unsafe { (*next).before = before };
        }
        size
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

    /// The first list from `bin` on that holds any; [`BINS`] or more if there is none.
    #[inline]
    fn filled_from(&self, bin: usize) -> usize {
        let mut word = bin / 32;
        let mut bits = u32::MAX << (bin % 32);
        while let Some(filled) = self.filled.get(word) {
            bits &= filled;
            if bits != 0 {
                return word * 32 + bits.trailing_zeros() as usize;
            }
            bits = u32::MAX;
            word += 1;
        }
        BINS
    }

    /// A listed gap with room for so many bytes, aligned by the mask; null if there is none.
    #[inline]
    fn find(&self, need: usize, mask: usize) -> *mut Gap {
        let own = bin_of(need);
        let mut tries = TRIES;
        let mut bin = own;
        loop {
            bin = self.filled_from(bin);
            let Some(&first) = self.bins.get(bin) else {
                if tries > 0 {
                    return null_mut();
                }
                // The list of the very size was left too early.
                (tries, bin) = (usize::MAX, own);
                continue;
            };
            let mut gap = first;
            while !gap.is_null() {
                // SAFETY: every gap in a list is the heap's.
                let size = unsafe { (*gap).size };
                // A layout's size, rounded up to its alignment, is at most `isize::MAX`: the sum does not wrap.
                if need + (gap.addr().wrapping_neg() & mask) <= size {
                    return gap;
                }
                if bin == own {
                    tries -= 1;
                    if tries == 0 {
                        break;
                    }
                }
                // SAFETY: as above.
                gap = unsafe { (*gap).next };
            }
            bin += 1;
        }
    }

    /// A block from what is there; null if no gap fits.
    ///
    /// # Safety
    ///
    /// The layout's size is not zero.
    #[inline(never)]
    pub(crate) unsafe fn take(&mut self, layout: Layout) -> *mut u8 {
        let need = whole(layout.size());
        let mask = layout.align() - 1;
        let mut gap = self.open;
        let mut padding = gap.addr().wrapping_neg() & mask;
        let mut rest = self.room.wrapping_sub(padding + need);
        if rest > self.room || rest / SPARE > need {
            if self.room > 0 {
                // SAFETY: the open gap is in no list.
                unsafe { self.insert(gap.cast(), self.room) };
                (self.open, self.room) = (null_mut(), 0);
            }
            gap = self.find(need, mask);
            if gap.is_null() {
                return null_mut();
            }
            padding = gap.addr().wrapping_neg() & mask;
            // SAFETY: the gap was found in a list.
            rest = unsafe { self.remove(gap) } - padding - need;
        }
        let base = gap.cast::<u8>();
        if padding == 0 {
            // SAFETY: below a gap is a block or the beginning of a piece, and either ends with a tag.
            unsafe { tag(base).write(BLOCK) };
        } else {
            // SAFETY: the gap's first bytes, to the block; an address and an alignment above `UNIT` are multiples of it.
            unsafe { self.insert(base, padding) };
        }
        let block = base.wrapping_add(padding);
        let end = block.wrapping_add(need);
        // SAFETY: the block's tag lies in what was the gap.
        unsafe { tag(end).write(BLOCK | if rest > 0 { GAP_AFTER } else { 0 }) };
        // SAFETY: the rest of the gap, which is in no list any more, and no gap is open.
        unsafe { self.open(end, rest) };
        block
    }

    /// Gives a block back.
    ///
    /// # Safety
    ///
    /// The block is from this heap, of this layout, and not used any more.
    pub(crate) unsafe fn give(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.free(block, whole(layout.size())) };
    }

    /// Makes a gap of a block and its free neighbours.
    ///
    /// # Safety
    ///
    /// The block, with its tag, has so many bytes, and nobody uses it any more.
    #[inline(never)]
    unsafe fn free(&mut self, block: *mut u8, mut size: usize) {
        let mut base = block;
        // SAFETY: the block ends with its tag.
        let own = unsafe { *tag(block.wrapping_add(size)) };
        let open = self.open;
        if own & GAP_AFTER != 0 {
            // SAFETY: the tag says that a gap begins there.
            size += unsafe { self.remove(block.wrapping_add(size).cast()) };
        }
        // SAFETY: below a block is a block, a gap or the beginning of a piece, and each ends with a word of the heap's.
        let below = unsafe { *tag(block) };
        if below & BLOCK == 0 {
            // The word is the size of the gap below.
            base = block.wrapping_sub(below);
            size += below;
            // SAFETY: the gap below begins there.
            unsafe { self.remove(base.cast()) };
        } else {
            // SAFETY: as above.
            unsafe { *tag(block) = BLOCK | GAP_AFTER };
        }
        if open != self.open {
            // SAFETY: as below; the gap beside the block was the open one.
            return unsafe { self.open(base, size) };
        }
        // SAFETY: the bytes of the block and of the gaps beside it, which are in no list any more.
        unsafe { self.insert(base, size) };
    }

    /// Tries to change a block's size where it lies; a smaller size always can.
    ///
    /// # Safety
    ///
    /// The block is from this heap, of this layout; the new size is not zero.
    pub(crate) unsafe fn resize_in_place(&mut self, block: *mut u8, layout: Layout, size: usize) -> bool {
        let (old, new) = (whole(layout.size()), whole(size));
        if old == new {
            return true;
        }
        let end = block.wrapping_add(old);
        let mut room = old;
        // SAFETY: the block ends with its tag.
        let follows = unsafe { *tag(end) } & GAP_AFTER != 0;
        if follows {
            // SAFETY: the tag says that a gap begins there.
            room += unsafe { (*end.cast::<Gap>()).size };
        }
        if new > room {
            return false;
        }
        if follows {
            // SAFETY: as above.
            unsafe { self.remove(end.cast()) };
        }
        let (end, rest) = (block.wrapping_add(new), room - new);
        // SAFETY: the block and the gap that followed it are `room` bytes: the tag lies in them.
        unsafe { tag(end).write(BLOCK | if rest > 0 { GAP_AFTER } else { 0 }) };
        if rest > 0 {
            // SAFETY: the bytes between the block and the next one, which are in no list any more.
            unsafe { self.insert(end, rest) };
        }
        true
    }

    /// Makes room for a layout that did not fit; false if the source has no more. Where someone else grew memory between `next`
    /// and `acquire`, it may be too little: then call again.
    ///
    /// Asks for the need less the free tail, or a thirty-second of what is held, up to 8 pages, if that is more. Larger steps make fewer grows, and
    /// dearer ones: V8 takes 2–20 µs for one page and 130–160 µs for 16–256. With an eighth, up to 16 pages, the trace of 256 requests took 75 pages instead
    /// of 68, where dlmalloc takes 63.
    ///
    /// Where the source tells where the next piece begins, the need is exact. Counted with the whole alignment besides, the first span of the free lists (32 KiB, aligned to it)
    /// took two pages instead of one.
    #[cold]
    #[inline(never)]
    pub(crate) fn grow(&mut self, layout: Layout) -> bool {
        let mask = layout.align() - 1;
        // Where the piece will begin, and the gap with it.
        let next = self.source.next();
        let (from, begin) = match next {
            Some(next) if next == self.end.addr() => {
                // SAFETY: the last piece ends with a tag, or with the size of the gap there.
                let word = unsafe { *tag(self.end) };
                (next, if word & BLOCK == 0 { next - word } else { next })
            }
            Some(next) => (next, begin_of(next)),
            None => (0, 3 * UNIT),
        };
        let padding = if next.is_some() { begin.wrapping_neg() & mask } else { mask };
        // A piece that does not lie where it was foreseen loses a unit at its beginning and must have another to be a gap.
        let least = begin.wrapping_sub(from).wrapping_add(padding + whole(layout.size())).max(2 * UNIT);
        let Some(piece) = self.source.acquire(least, least.max((self.source.held() / 32).min(STEP_MOST))) else {
            return false;
        };
        self.grows += 1;
        let base = piece.cast::<u8>().as_ptr();
        let end = base.wrapping_add(piece.len()).map_addr(|addr| addr & !(UNIT - 1));
        let mut begin = base;
        if next != Some(base.addr()) || base != self.end {
            begin = base.map_addr(begin_of);
            // SAFETY: the word lies in the piece, which is ours alone (contract of `Source`).
            unsafe { tag(begin).write(BLOCK) };
        }
        self.end = end;
        // SAFETY: as above: the piece has two units at least, of which `begin` skips one at most, or none if it continues the last piece; so `end` is a unit or more beyond `begin`.
        unsafe { tag(end).write(BLOCK) };
        // SAFETY: the piece is like a block of at least a unit that ends with its tag, and before it is a tag or, if it continues the last one, what that ends with.
        unsafe { self.free(begin, end.addr() - begin.addr()) };
        true
    }
}

/// Where the first gap of a piece may begin: behind a word that stands for a block.
const fn begin_of(piece: usize) -> usize {
    (piece + TAG + UNIT - 1) & !(UNIT - 1)
}

// A block is the part of a gap that the layout fits into, of memory that is the heap's alone.
coalescing!(Heap, UNIT);

#[cfg(test)]
mod tests {
    extern crate std;

    use std::alloc::{alloc, dealloc};

    use super::*;
    use crate::source::Fixed;

    /// Runs a test with a heap over so many pages.
    fn with_heap(pages: usize, test: impl FnOnce(&mut Heap<Fixed>)) {
        let layout = Layout::from_size_align(pages * PAGE, PAGE).unwrap();
        // SAFETY: the size is not zero.
        let memory = unsafe { alloc(layout) };
        assert!(!memory.is_null());
        // SAFETY: the memory is as large as said, aligned to a page, and the heap's alone until it is freed below.
        test(&mut Heap::new(unsafe { Fixed::new(memory, layout.size()) }));
        // SAFETY: allocated above with this layout; the heap is not used any more.
        unsafe { dealloc(memory, layout) };
    }

    #[test]
    fn a_growth_is_enough_for_every_layout_after_every_other() {
        let sizes = [1, 24, 1_000, 4_088, 16_384, 32_752, 32_768, 65_520, 65_536, 100_000];
        let layouts = || sizes.iter().flat_map(|&size| [1, 16, 64, 4_096, 32_768].map(move |align| (size, align)));
        let step = if cfg!(miri) { 17 } else { 1 };
        for before in core::iter::once(None).chain(layouts().map(Some)).step_by(step) {
            for after in layouts().step_by(step) {
                with_heap(16, |heap| {
                    for (size, align) in before.into_iter().chain([after]) {
                        let layout = Layout::from_size_align(size, align).unwrap();
                        // SAFETY: the size is not zero.
                        let block = unsafe { heap.obtain(layout) };
                        assert!(!block.is_null(), "{layout:?} in {before:?}, {after:?}");
                    }
                });
            }
        }
    }

    #[test]
    fn the_first_span_takes_one_page() {
        with_heap(16, |heap| {
            // SAFETY: the size is not zero.
            let span = unsafe { heap.obtain(crate::freelist::slabs::SPAN_LAYOUT) };
            assert!(!span.is_null());
            assert_eq!(heap.usage().pages, 1);
        });
    }
}
