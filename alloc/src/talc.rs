//! talc over a source of this crate: the strategy with the least code.
//!
//! This file uses talc's bare algorithm (`base::Talc`). talc's own source for wasm asks for a whole
//! request even if the top of the heap is free. After a burst that had drained, one buffer of 8 MiB
//! took it from 89 pages to 218. With this source it took 129, and dlmalloc 128.

use core::alloc::Layout;
use core::ptr::{NonNull, null_mut};

use ::talc::base::binning::{Binning, linear_extent_then_linearly_divided_exponential_binning};
use ::talc::base::bitfield::BitField;
use ::talc::base::{self, CHUNK_UNIT};
use ::talc::source::Manual;

use crate::source::{PAGE, Source};
use crate::strategy::{Strategy, Usage, relocate};

/// The tag that talc keeps at the end of each block.
const TAG: usize = size_of::<usize>();

/// The bytes of a new piece that talc may need for itself: a tag and the rounding.
const OVERHEAD: usize = 4 * CHUNK_UNIT;

/// The bytes of the first piece that talc needs in addition, for its table of bins.
const TABLE: usize = Bins::BIN_COUNT as usize * size_of::<usize>();

/// An upper bound of the bytes that talc adds to a size, including the rounding.
const ROUNDING: usize = 4 * CHUNK_UNIT;

/// The largest growth of memory beyond the need.
const STEP_MOST: usize = 8 * PAGE;

/// The bins: sixteen for each doubling, where talc's own bins for wasm are two. talc walks the gaps
/// of a bin only for large requests.
///
/// talc takes the first block of the first bin that surely fits. So the width of a bin is the bound
/// of a bad fit. With two bins for each doubling, 256 interleaved buffers of up to 1 MiB took 3,424
/// pages, and rising. dlmalloc, which searches for the best fit, took 1,316.
///
/// If no gap surely fits, talc walks the bin before the bins that surely fit. One allocation among
/// 20,000 gaps took 400,000 instructions. So the gaps are in bins with even numbers, and the bin
/// before has an odd number and is empty. A request of [`WALKED`] bytes or more begins one number
/// earlier, so talc walks a bin of gaps for this request.
struct Bins;

/// The smallest request for which talc may walk a bin: few gaps are so large. A smaller request
/// leaves less than a sixteenth of its size unused. Bins from this size on are an eighth of a
/// doubling wide.
const WALKED: usize = 4 << 20;

/// The bins that have a block. It works like an array of words, but the scan is one loop in one
/// function. talc's scan is unrolled into its callers. Only bins with even numbers have a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Filled([u64; WORDS]);

const WORDS: usize = 8;

impl Filled {
    /// The word of a bin, and its bit there. All bins have a word, so the mask changes nothing but
    /// what the compiler knows.
    #[inline]
    const fn place(b: u32) -> (usize, u64) {
        ((b >> 7) as usize & (WORDS - 1), 1 << (b >> 1 & 63))
    }
}

impl BitField for Filled {
    const BITS: u32 = 2 * 64 * WORDS as u32;
    const ZEROES: Self = Self([0; WORDS]);

    #[inline(never)]
    fn bit_scan_forward(&self, b: u32) -> u32 {
        let b = (b + 1) >> 1;
        let mut word = b >> 6;
        let mut bits = self.0[word as usize & (WORDS - 1)] & (u64::MAX << (b & 63));
        while bits == 0 {
            word += 1;
            if word == WORDS as u32 {
                return Self::BITS;
            }
            bits = self.0[word as usize & (WORDS - 1)];
        }
        ((word << 6) + bits.trailing_zeros()) << 1
    }

    #[inline]
    fn set_bit(&mut self, b: u32) {
        let (word, bit) = Self::place(b);
        self.0[word] |= bit;
    }

    #[inline]
    fn clear_bit(&mut self, b: u32) {
        let (word, bit) = Self::place(b);
        self.0[word] &= !bit;
    }

    #[inline]
    fn read_bit(&self, b: u32) -> bool {
        let (word, bit) = Self::place(b);
        b & 1 == 0 && self.0[word] & bit != 0
    }
}

impl Binning for Bins {
    type AvailabilityBitField = Filled;

    /// Enough bins for 4 GiB: no gap of a 32-bit memory is in the last bin, in which talc searches
    /// for every larger size. The number is a prime: with 400 bins the compiler unrolled talc's
    /// loop that clears them into 1.7 kB of stores.
    const BIN_COUNT: u32 = 641;

    fn size_to_bin(size: usize) -> u32 {
        (if size < WALKED { fine(size) } else { coarse(size) }) << 1
    }

    #[inline]
    fn size_to_bin_ceil(size: usize) -> u32 {
        Self::size_to_bin(size - 1) + if size < WALKED { 2 } else { 1 }
    }
}

/// The number of a bin among those of a sixteenth of a doubling.
#[inline]
const fn fine(size: usize) -> u32 {
    linear_extent_then_linearly_divided_exponential_binning::<16, 1>(size)
}

/// The number of a bin among those of an eighth of a doubling, which follow.
#[cold]
#[inline(never)]
const fn coarse(size: usize) -> u32 {
    const BEFORE: u32 = fine(WALKED) - eighths(WALKED);
    const fn eighths(size: usize) -> u32 {
        (size.ilog2() << 3) + (size >> (size.ilog2() - 3)) as u32
    }
    BEFORE + eighths(size)
}

/// Returns the fewest bytes of a gap in which a request of so many surely finds a block: where the
/// bins begin that it looks at.
#[inline]
const fn sure(need: usize) -> usize {
    let width = if need < WALKED { 1 << (need | 1).ilog2() >> 4 } else { 0 };
    if width > CHUNK_UNIT { need.next_multiple_of(width) } else { need }
}

/// Where the word before an aligned block is: its offset in the block of talc's that it lies in.
/// talc itself would try one gap after the other for an alignment.
#[inline]
fn offset_of(block: *mut u8) -> *mut usize {
    block.wrapping_sub(TAG).cast()
}

/// Returns the block that talc has under this one, and its layout.
///
/// # Safety
///
/// The block is live and of this layout.
#[inline]
unsafe fn under(block: *mut u8, layout: Layout) -> (*mut u8, Layout) {
    if layout.align() <= CHUNK_UNIT {
        return (block, layout);
    }
    // SAFETY: the word before an aligned block is its offset.
    let offset = unsafe { offset_of(block).read() };
    // SAFETY: the block of talc's has at least so many bytes.
    let layout = unsafe { Layout::from_size_align_unchecked(offset + layout.size(), CHUNK_UNIT) };
    (block.wrapping_sub(offset), layout)
}

/// Returns whether this number of bytes and the rounding fit between an address and the end of the
/// address space.
///
/// talc 5.1.1 compares the ends of blocks without this check. An end beyond the address space wraps
/// to a low address, and seems to fit. Only pointers of 32 bits come near the end, in a memory
/// above 2 GiB.
#[inline]
const fn has_end(address: usize, bytes: usize) -> bool {
    // A layout's size, rounded up to its alignment, is at most `isize::MAX`: the sum does not wrap.
    address.checked_add(bytes + ROUNDING).is_some()
}

/// Returns the number of bytes beyond the end of a hole at which talc's search may look. The search
/// tries holes that are up to an eighth too short.
#[inline]
const fn reach(layout: Layout) -> usize {
    layout.size() / 8
}

/// A heap over a source that joins neighbouring gaps. It has blocks of any size and any alignment,
/// one word of overhead for each block, and sizes in steps of four words.
///
/// **Cost:** an allocation and its free take 490 wasm instructions (dlmalloc: 179) and 1.7 times
/// dlmalloc's time; with many live blocks two thirds of its time. No operation walks the free gaps,
/// except for a request of 4 MiB or more that no gap surely fits. Such a request looks at the gaps
/// of about its size. In 1 GiB of memory there are at most 256 of them.
pub struct Talc<S> {
    talc: base::Talc<Manual, Bins>,
    source: S,
    /// The end of the last piece, if the next one may continue it.
    end: Option<NonNull<u8>>,
    /// The highest end of a piece so far.
    top: usize,
    grows: usize,
}

// SAFETY: the heap's pointers lead into memory that only the heap has (contract of `Source`), so
// they may move with it.
unsafe impl<S: Send> Send for Talc<S> {}

impl<S: Source> Talc<S> {
    /// Creates an empty heap. It acquires no memory before the first block.
    pub const fn new(source: S) -> Self {
        Self { talc: base::Talc::new(Manual), source, end: None, top: 0, grows: 0 }
    }

    /// Allocates a block from the existing memory. Returns null if no hole fits, or if talc's
    /// search could look beyond the end of the address space. The alignment is at most
    /// [`CHUNK_UNIT`].
    ///
    /// # Safety
    ///
    /// The layout's size is not zero.
    unsafe fn take(&mut self, layout: Layout) -> *mut u8 {
        if !has_end(self.top, reach(layout)) {
            return null_mut();
        }
        // SAFETY: the size is not zero, which the caller promises.
        let block = unsafe { self.talc.try_allocate(layout) };
        block.map_or(null_mut(), NonNull::as_ptr)
    }

    /// Allocates a block like [`take`](Self::take), and grows memory if no hole fits. Returns null
    /// if memory does not grow.
    ///
    /// # Safety
    ///
    /// As for [`take`](Self::take).
    #[inline]
    unsafe fn obtain(&mut self, layout: Layout) -> *mut u8 {
        // More than one growth only where someone else took memory in between.
        loop {
            // SAFETY: as the caller promises.
            let block = unsafe { self.take(layout) };
            if !block.is_null() || !self.grow(layout) {
                return block;
            }
        }
    }

    /// Allocates an aligned block within a larger block of talc's.
    ///
    /// # Safety
    ///
    /// As for [`Strategy::allocate`], and the layout is aligned to more than [`CHUNK_UNIT`].
    #[cold]
    #[inline(never)]
    unsafe fn allocate_within(&mut self, layout: Layout) -> *mut u8 {
        // A layout's size, rounded up to its alignment, is at most `isize::MAX`: no wrap.
        let Ok(outer) = Layout::from_size_align(layout.size() + layout.align(), CHUNK_UNIT) else {
            return null_mut();
        };
        // SAFETY: the size is not zero, which the caller promises.
        let whole = unsafe { self.obtain(outer) };
        if whole.is_null() {
            return whole;
        }
        // A multiple of `CHUNK_UNIT`, as both addresses are; and a unit at least, for the word.
        let offset = layout.align() - (whole.addr() & (layout.align() - 1));
        let block = whole.wrapping_add(offset);
        // SAFETY: the block of talc's is larger by the alignment, so the aligned one lies in it,
        // and so does the word before that, which is aligned as the block is.
        unsafe { offset_of(block).write(offset) };
        // SAFETY: the block is talc's, of this layout, and the size is not larger.
        unsafe { self.talc.shrink(whole, outer, offset + layout.size()) };
        block
    }

    /// Tries to change a block's size in place. This always succeeds for a smaller size.
    ///
    /// # Safety
    ///
    /// The block is from this heap, with this layout. The new size is not zero.
    unsafe fn resize_in_place(&mut self, block: *mut u8, layout: Layout, size: usize) -> bool {
        // SAFETY: the block is live and of this layout, which the caller promises.
        let (whole, own) = unsafe { under(block, layout) };
        let size = own.size() - layout.size() + size;
        if !has_end(whole.addr(), size) {
            return false;
        }
        // SAFETY: the caller promises what talc asks for: a block of this heap and layout, and a
        // size that is not zero.
        unsafe { self.talc.try_realloc_in_place(whole, own, size) }
    }

    /// Makes room for a layout that did not fit. Returns `false` if the source has no more memory.
    /// The alignment is at most [`CHUNK_UNIT`].
    ///
    /// It asks for the need without the free tail, or for a thirty-second of the held memory, up to
    /// 8 pages, if that is more. Larger steps make fewer growths that cost more: V8 takes 2–20 µs
    /// for one page, and 130–160 µs for 16–256 pages.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, layout: Layout) -> bool {
        let next = self.source.next();
        let end = self.end.filter(|end| next == Some(end.as_ptr().addr()));
        let tail = end.map_or(0, |end| {
            // SAFETY: `end` is the end of talc's last heap: set below from what `claim` and
            // `extend` return, and never truncated.
            let reserved = unsafe { self.talc.reserved(end) };
            end.as_ptr().addr() - reserved.up_to.as_ptr().addr()
        });
        // The bytes before the block.
        let head = match end {
            Some(_) => 0,
            None if self.talc.is_metadata_established() => OVERHEAD,
            None => OVERHEAD + TABLE,
        };
        // A layout's size is at most `isize::MAX`: the sum does not wrap.
        let need = head + sure((layout.size() + TAG).next_multiple_of(CHUNK_UNIT));
        let least = need.saturating_sub(tail).max(1);
        let wish = least.max((self.source.held() / 32).min(STEP_MOST));
        // Memory does not grow for a request that `take` would refuse.
        let top = next.unwrap_or(self.top).saturating_add(wish).saturating_add(PAGE);
        if !has_end(top, reach(layout)) {
            return false;
        }
        let Some(piece) = self.source.acquire(least, wish) else {
            return false;
        };
        self.grows += 1;
        let base = piece.cast::<u8>().as_ptr();
        self.top = self.top.max(base.addr() + piece.len());
        self.end = match end {
            Some(end) if end.as_ptr().addr() == base.addr() => {
                // SAFETY: the piece begins where talc's last heap ends, and is the same allocation
                // (contract of `Source`), unused so far.
                Some(unsafe { self.talc.extend(end, end.as_ptr().wrapping_add(piece.len())) })
            }
            // SAFETY: the piece is valid, ours alone (contract of `Source`), and no part of it was
            // claimed before.
            _ => unsafe { self.talc.claim(base, piece.len()) },
        };
        true
    }
}

// SAFETY: talc hands out disjoint blocks of the layout asked for, from memory that is the heap's
// alone, and takes them back with the same layout.
unsafe impl<S: Source> Strategy for Talc<S> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        if layout.align() > CHUNK_UNIT {
            // SAFETY: as the caller promises.
            return unsafe { self.allocate_within(layout) };
        }
        // SAFETY: the size is not zero, which the caller promises.
        unsafe { self.obtain(layout) }
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is live until here and of this layout, which the caller promises.
        let (whole, layout) = unsafe { under(block, layout) };
        // SAFETY: the block under it is talc's, with this layout.
        unsafe { self.talc.deallocate(whole, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the block is from this heap with this layout, and the size is not zero; the
        // caller promises both.
        if unsafe { self.resize_in_place(block, layout, size) } {
            return block;
        }
        // SAFETY: as above.
        unsafe { relocate(self, block, layout, size) }
    }

    fn usage(&self) -> Usage {
        Usage::new(self.source.held() / PAGE, self.grows)
    }

    fn limit(&mut self, pages: usize) {
        self.source.limit(pages);
    }
}
