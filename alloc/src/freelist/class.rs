//! The one table of size classes: which class a layout belongs to, and how large its blocks are.
//!
//! | size | classes | rounded up by at most, with the heap's tag |
//! |---|---|---|
//! | 1 B – 1 KiB | one for each number of units: as the heap would cut them | 15 B and the tag (where pointers are of 64 bits, 31 B) |
//! | 1 KiB – 64 KiB | sixteen for each doubling | a sixteenth, and a unit |
//! | above, or aligned to more than 16 | none: the heap's, as they are | 15 B and the tag (31 B) |

use core::alloc::Layout;

use super::ALIGN;
use crate::heap::{TAG, UNIT, whole};

/// The largest small size in bytes.
pub(crate) const SMALL_MOST: usize = 1024;

/// The largest size in bytes that has a class.
pub(crate) const LARGE_MOST: usize = 64 * 1024;

/// The units that a kept block counts for beyond its own: so there is a bound on how many are kept,
/// and not only on their bytes.
const EXTRA: usize = 64 / UNIT - 1;

/// Large classes for each doubling, as a power of two.
const DIVISIONS: u32 = 4;

/// Large classes.
const LARGE: usize = ((LARGE_MOST / SMALL_MOST).ilog2() as usize) << DIVISIONS;

/// The first slot that is used, and the first of a large class.
pub(crate) const FIRST: usize = EXTRA + 1;
const FIRST_LARGE: usize = slot_of(SMALL_MOST) + 1;

/// Slots, one for each class; the slot of a small class is what its blocks count for, so the first
/// ones are of no class.
pub(crate) const SLOTS: usize = FIRST_LARGE + LARGE;

/// Returns whether a layout is one of a small class.
#[inline]
pub(crate) const fn small(layout: Layout) -> bool {
    layout.size() <= SMALL_MOST && layout.align() <= ALIGN
}

/// Returns the slot of a small size, and the units that its blocks count for.
#[inline]
pub(crate) const fn slot_of(size: usize) -> usize {
    (size + TAG + UNIT * FIRST - 1) / UNIT
}

/// Returns whether a layout that is not small has a class.
#[inline]
pub(crate) const fn classed(layout: Layout) -> bool {
    layout.size() <= LARGE_MOST && layout.align() <= ALIGN
}

/// Returns the class of a size above [`SMALL_MOST`] and up to [`LARGE_MOST`], with so many classes
/// for each doubling, as a power of two; and the size of its blocks.
#[inline]
pub(crate) const fn divided(size: usize, divisions: u32) -> (usize, usize) {
    let last = size - 1;
    // As `ilog2`, but with no case for zero.
    let shift = usize::BITS - 1 - divisions - (last | 1).leading_zeros();
    let units = (last >> shift) + 1;
    let first = (SMALL_MOST.ilog2() as usize + 1 - divisions as usize) << divisions;
    (((shift as usize) << divisions) + units - 1 - first, units << shift)
}

/// Returns the slot of a size above [`SMALL_MOST`] and up to [`LARGE_MOST`], and the size of its
/// blocks.
#[inline]
pub(crate) const fn large(size: usize) -> (usize, usize) {
    let (class, size) = divided(size, DIVISIONS);
    (FIRST_LARGE + class % LARGE, size)
}

/// Returns the size that a layout's block is asked of the heap with, if the layout is not small:
/// its class's, or its own if it has no class.
#[inline]
pub(crate) const fn backing(layout: Layout) -> Layout {
    if !classed(layout) {
        return layout;
    }
    // SAFETY: 16 is a power of two, and no class's size is larger than `LARGE_MOST`.
    unsafe { Layout::from_size_align_unchecked(large(layout.size()).1, ALIGN) }
}

/// Returns the bytes of the blocks of a small class's slot, with the heap's tag.
#[inline]
pub(crate) const fn small_need(slot: usize) -> usize {
    (slot - EXTRA) * UNIT
}

/// Returns the bytes of a slot's blocks, with the heap's tag.
#[inline]
pub(crate) const fn need(slot: usize) -> usize {
    if slot < FIRST_LARGE {
        return small_need(slot);
    }
    let class = slot - FIRST_LARGE;
    let units = (1 << DIVISIONS) + 1 + class % (1 << DIVISIONS);
    whole(units << (SMALL_MOST.ilog2() as usize - DIVISIONS as usize + (class >> DIVISIONS)))
}

/// Returns the units that a block of so many bytes counts for.
#[inline]
pub(crate) const fn charge_of(need: usize) -> usize {
    need / UNIT + EXTRA
}

/// Returns the first slot whose blocks, with their tags, have at least so many bytes; [`SLOTS`] if
/// there is none.
pub(crate) const fn at_least(bytes: usize) -> usize {
    if bytes <= need(FIRST_LARGE - 1) {
        return bytes.div_ceil(UNIT) + EXTRA;
    }
    if bytes > need(SLOTS - 1) {
        return SLOTS;
    }
    // Sizes of large classes are multiples of a unit, so their blocks have another for the tag.
    large(bytes - UNIT).0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every size, and under miri some.
    const STEP: usize = if cfg!(miri) { 501 } else { 1 };

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    /// The bytes of a size's block with its tag, and its slot.
    fn held(size: usize) -> (usize, usize) {
        if small(layout(size)) {
            (need(slot_of(size)), slot_of(size))
        } else {
            (whole(backing(layout(size)).size()), large(size).0)
        }
    }

    #[test]
    fn the_waste_of_every_size_is_bounded() {
        for size in (1..=LARGE_MOST).step_by(STEP) {
            let (held, slot) = held(size);
            assert!(held >= size + TAG && held.is_multiple_of(UNIT), "{size} -> {held}");
            assert_eq!(held, need(slot), "{size}");
            let waste = held - size - TAG;
            if size <= SMALL_MOST {
                assert!(waste < UNIT, "{size} -> {held}");
                assert_eq!(held, whole(size));
            } else {
                assert!(waste < size.div_ceil(16) + UNIT, "{size} -> {held}");
            }
        }
        for size in LARGE_MOST + 1..LARGE_MOST + 100 {
            assert!(whole(size) - size < UNIT + TAG, "{size}");
        }
    }

    #[test]
    fn slots_rise_with_the_size_and_are_all_used() {
        let (mut last, mut slots) = (FIRST - 1, 0);
        for size in 1..=LARGE_MOST {
            let (_, slot) = held(size);
            assert!(slot == last || slot == last + 1, "{size}: {slot} after {last}");
            slots += usize::from(slot != last);
            last = slot;
        }
        assert_eq!((last, slots), (SLOTS - 1, SLOTS - FIRST));
    }

    #[test]
    fn a_class_has_the_size_that_its_layout_says() {
        for size in (SMALL_MOST + 1..=LARGE_MOST).step_by(STEP) {
            let (slot, held) = large(size);
            assert_eq!(whole(held), need(slot));
            assert_eq!(charge_of(need(slot)) * UNIT, need(slot) + EXTRA * UNIT);
            assert_eq!(large(held), (slot, held));
        }
    }

    #[test]
    fn the_first_slot_that_is_large_enough_is_found() {
        for bytes in (UNIT..need(SLOTS - 1) + 10 * UNIT).step_by(UNIT) {
            let slot = at_least(bytes);
            assert!(slot == SLOTS || need(slot) >= bytes, "{bytes}");
            assert!(need(slot - 1) < bytes || slot == FIRST, "{bytes}: {slot}");
        }
    }

    /// The contract forbids a size of zero. A program that breaks it gets a block.
    #[test]
    fn a_size_of_zero_is_of_the_first_class() {
        assert_eq!(held(0), (UNIT, FIRST));
        assert!(small(layout(0)));
    }

    #[test]
    fn powers_of_two_waste_a_unit_at_most() {
        for shift in 5..=16 {
            assert_eq!(held(1 << shift).0, (1 << shift) + UNIT);
        }
    }

    #[test]
    fn what_has_no_class_stays_as_it_is() {
        for (size, align) in [(LARGE_MOST + 1, 1), (100, 32), (3000, 4096)] {
            let layout = Layout::from_size_align(size, align).unwrap();
            assert_eq!(backing(layout), layout);
        }
    }
}
