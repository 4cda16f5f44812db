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

/// The bins: sixteen for each doubling, where talc's own bins for wasm are two.
///
/// talc takes the first block of the first bin that surely fits. So the width of a bin is the bound
/// of a bad fit. With two bins for each doubling, 256 interleaved buffers of up to 1 MiB took 3,424
/// pages, and rising. dlmalloc, which searches for the best fit, took 1,316.
struct Bins;

/// The bins that have a block. It works like an array of words, but the scan is one loop in one
/// function. talc's scan is unrolled into its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Filled([u64; 8]);

impl BitField for Filled {
    const BITS: u32 = 512;
    const ZEROES: Self = Self([0; 8]);

    #[inline(never)]
    fn bit_scan_forward(&self, b: u32) -> u32 {
        let mut word = b >> 6;
        let mut bits = self.0[word as usize & 7] & (u64::MAX << (b & 63));
        while bits == 0 {
            word += 1;
            if word == 8 {
                return Self::BITS;
            }
            bits = self.0[word as usize & 7];
        }
        (word << 6) + bits.trailing_zeros()
    }

    #[inline]
    fn set_bit(&mut self, b: u32) {
        self.0[(b >> 6) as usize & 7] |= 1 << (b & 63);
    }

    #[inline]
    fn clear_bit(&mut self, b: u32) {
        self.0[(b >> 6) as usize & 7] &= !(1 << (b & 63));
    }

    #[inline]
    fn read_bit(&self, b: u32) -> bool {
        self.0[(b >> 6) as usize & 7] & (1 << (b & 63)) != 0
    }
}

impl Binning for Bins {
    type AvailabilityBitField = Filled;

    /// Enough bins for 4 GiB in steps of 16 bytes. The number is a prime: with 400 bins the
    /// compiler unrolled talc's loop that clears them into 1.7 kB of stores.
    const BIN_COUNT: u32 = 401;

    fn size_to_bin(size: usize) -> u32 {
        linear_extent_then_linearly_divided_exponential_binning::<16, 1>(size)
    }
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
/// tries holes that are up to a sixteenth too short, and for aligned blocks any hole.
#[inline]
const fn reach(layout: Layout) -> usize {
    if layout.align() <= CHUNK_UNIT { layout.size() / 8 } else { layout.size() + layout.align() }
}

/// A heap over a source that joins neighbouring gaps. It has blocks of any size and any alignment,
/// one word of overhead for each block, and sizes in steps of four words.
///
/// **Cost:** an allocation and its free take 450 wasm instructions (dlmalloc: 179) and 1.7 times
/// dlmalloc's time; with many live blocks two thirds of its time. A request that finds no hole
/// takes a search of one bin, and perhaps a `memory.grow`.
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
    /// search could look beyond the end of the address space.
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

    /// Tries to change a block's size in place. This always succeeds for a smaller size.
    ///
    /// # Safety
    ///
    /// The block is from this heap, with this layout. The new size is not zero.
    unsafe fn resize_in_place(&mut self, block: *mut u8, layout: Layout, size: usize) -> bool {
        if !has_end(block.addr(), size) {
            return false;
        }
        // SAFETY: the caller promises what talc asks for: a block of this heap and layout, and a
        // size that is not zero.
        unsafe { self.talc.try_realloc_in_place(block, layout, size) }
    }

    /// Makes room for a layout that did not fit. Returns `false` if the source has no more memory.
    ///
    /// It asks for the need without the free tail, or for a thirty-second of the held memory, up to
    /// 8 pages, if that is more. Larger steps make fewer growths that cost more: V8 takes 2–20 µs
    /// for one page, and 130–160 µs for 16–256 pages.
    ///
    /// If the source tells the start of the next piece, the need is also exact for aligned blocks.
    /// Otherwise the whole alignment is added.
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
        // The bytes before the block, less those that align it.
        let head = match end {
            Some(_) => 0,
            None if self.talc.is_metadata_established() => OVERHEAD,
            None => OVERHEAD + TABLE,
        };
        let padding = match next {
            _ if layout.align() <= CHUNK_UNIT => 0,
            // Wraps only at the end of the address space, where the source has no more.
            Some(next) => next.wrapping_sub(tail).wrapping_add(head).wrapping_neg() & (layout.align() - 1),
            None => layout.align(),
        };
        // A layout's size, rounded up to its alignment, is at most `isize::MAX`: the sum does not
        // wrap.
        let need = head + padding + (layout.size() + TAG).next_multiple_of(CHUNK_UNIT);
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
        // More than one growth only where someone else took memory in between.
        loop {
            // SAFETY: the size is not zero, which the caller promises.
            let block = unsafe { self.take(layout) };
            if !block.is_null() || !self.grow(layout) {
                return block;
            }
        }
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is from `allocate` with this layout, hence from talc.
        unsafe { self.talc.deallocate(block, layout) };
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
