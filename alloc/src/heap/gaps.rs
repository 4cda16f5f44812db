//! The lists of gaps, by size.

use core::hint::assert_unchecked;
use core::mem::replace;
use core::ptr::null_mut;

use super::{BINS, DIVISIONS, Gap, Heap, UNIT, tag};
use crate::policy;

/// The list of a size.
#[inline]
pub(super) fn bin_of(size: usize) -> usize {
    let units = size / UNIT;
    let shift = usize::BITS - 1 - DIVISIONS - (units | (1 << DIVISIONS)).leading_zeros();
    let bin = ((shift as usize) << DIVISIONS) + (units >> shift);
    let bin = if usize::BITS > 32 { bin.min(BINS - 1) } else { bin };
    // SAFETY: 32 bits hold fewer than 2²⁸ units, which is a shift of at most 23, and bins up to 23
    // × 16 + 31.
    unsafe { assert_unchecked(bin < BINS) };
    bin
}

impl<S> Heap<S> {
    /// Lists a gap.
    ///
    /// # Safety
    ///
    /// The bytes are the heap's, and no block or gap; their address and size, which is not zero,
    /// are multiples of `UNIT`.
    #[inline(never)]
    pub(super) unsafe fn insert(&mut self, base: *mut u8, size: usize) {
        let bin = bin_of(size);
        let gap = base.cast::<Gap>();
        let next = replace(&mut self.bins[bin], gap);
        if next.is_null() {
            self.filled[bin / 32] |= 1 << (bin % 32);
            self.words |= 1 << (bin / 32);
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
    pub(super) unsafe fn remove(&mut self, gap: *mut Gap) -> usize {
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
                let word = &mut self.filled[bin / 32];
                *word &= !(1 << (bin % 32));
                if *word == 0 {
                    self.words &= !(1 << (bin / 32));
                }
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

    /// The first list from `bin` on that holds any; [`BINS`] or more if there is none.
    #[inline]
    pub(super) fn filled_from(&self, bin: usize) -> usize {
        let word = bin / 32;
        let bits = self.filled.get(word).map_or(0, |filled| filled & u32::MAX << (bin % 32));
        if bits != 0 {
            return word * 32 + bits.trailing_zeros() as usize;
        }
        // There are fewer words than bits of one.
        let word = (self.words & u32::MAX << (word & 31) << 1).trailing_zeros() as usize;
        self.filled.get(word).map_or(BINS, |filled| word * 32 + filled.trailing_zeros() as usize)
    }

    /// Returns a listed gap with room for so many bytes, aligned by the mask; null if there is
    /// none, or none among those that are looked at.
    ///
    /// Every gap of a list above that of `need + mask` is large enough. So only gaps of about the
    /// wanted size are looked at one by one, and of those a few.
    #[inline(never)]
    pub(super) fn find(&self, need: usize, mask: usize) -> *mut Gap {
        // A layout's size, rounded up to its alignment, is at most `isize::MAX`: the sum does not
        // wrap.
        let sure = bin_of(need + mask);
        let mut tries = policy::TRIES;
        let mut bin = bin_of(need);
        loop {
            bin = self.filled_from(bin);
            let Some(&first) = self.bins.get(bin) else { return null_mut() };
            if bin > sure {
                return first;
            }
            let mut gap = first;
            while !gap.is_null() && tries > 0 {
                // SAFETY: every gap in a list is the heap's.
                let size = unsafe { (*gap).size };
                if need + (gap.addr().wrapping_neg() & mask) <= size {
                    return gap;
                }
                tries -= 1;
                // SAFETY: as above.
                gap = unsafe { (*gap).next };
            }
            bin = if tries > 0 { bin + 1 } else { sure + 1 };
        }
    }
}
