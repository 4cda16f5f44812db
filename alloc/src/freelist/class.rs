//! Which class a layout belongs to, and how large its blocks are.

use core::alloc::Layout;

use super::ALIGN;
use super::stack::Stack;

/// The largest block that is cut from a slab, in bytes.
pub(crate) const SMALL_MOST: usize = 1024;

/// The largest block that is cached when freed, in bytes.
pub(crate) const LARGE_MOST: usize = 64 * 1024;

/// Slots for small classes: 31, and one for the chunks of the arena; a power of two, so that an index is masked rather than checked.
pub(crate) const SMALL: usize = 32;

/// The class of the arena's chunks, which no layout has.
pub(crate) const CHUNKS: usize = SMALL - 1;

/// Bytes of a chunk of the arena, and its alignment.
pub(crate) const CHUNK: usize = 1024;

/// Large classes for each doubling, as a power of two.
const DIVISIONS: u32 = 4;

/// Slots for large classes: 96 are used.
pub(crate) const LARGE: usize = 128;

/// What the arithmetic of [`large`] gives for the first large class.
const FIRST: usize = ((10 - DIVISIONS as usize) << DIVISIONS) + (1 << DIVISIONS) + 1;

/// The sizes of the small classes: steps of 16 to 256, then what divides a slab of 8 KiB into 8 to 28 blocks without much of a rest.
///
/// Four classes for each doubling, in slabs of 4 KiB, took 112 pages for 10,000 live blocks of 8–1,000 bytes; these took 98 (dlmalloc: 82).
pub(crate) const SIZES: [u16; SMALL] = [
    16,
    32,
    48,
    64,
    80,
    96,
    112,
    128,
    144,
    160,
    176,
    192,
    208,
    224,
    240,
    256,
    288,
    304,
    336,
    368,
    400,
    448,
    512,
    544,
    576,
    624,
    672,
    736,
    816,
    896,
    1024,
    CHUNK as u16,
];

/// Bytes of a class's list: the table below holds offsets, so that the lists are indexed without a shift.
const LIST: usize = size_of::<Stack>();

/// The class of each number of 16-byte units, times [`LIST`]: a load where the arithmetic would take a dozen instructions.
const CLASSES: [u8; 65] = {
    let mut classes = [0; 65];
    let (mut units, mut class) = (1, 0);
    while units < 65 {
        if units * 16 > SIZES[class as usize] as usize {
            class += 1;
        }
        classes[units] = class * LIST as u8;
        units += 1;
    }
    classes
};

/// Whether a layout's blocks are cut from slabs.
#[inline]
pub(crate) const fn small(layout: Layout) -> bool {
    layout.size() <= SMALL_MOST && layout.align() <= ALIGN
}

/// Where the list of a size is among the lists of all small classes, in bytes.
///
/// # Safety
///
/// The size is at most [`SMALL_MOST`].
#[inline]
pub(crate) unsafe fn list_of(size: usize) -> usize {
    // SAFETY: the table has an entry for each number of units up to `SMALL_MOST`, which the caller promises.
    usize::from(unsafe { *CLASSES.get_unchecked((size + 15) >> 4) })
}

/// The class of a size up to [`SMALL_MOST`].
#[inline]
pub(crate) fn small_of(size: usize) -> usize {
    usize::from(CLASSES.get((size + 15) >> 4).copied().unwrap_or(0)) / LIST
}

/// Whether a layout's blocks, which are not small, are kept in the cache.
#[inline]
pub(crate) const fn cached(layout: Layout) -> bool {
    layout.size() <= LARGE_MOST && layout.align() <= ALIGN
}

/// The class of a size above [`SMALL_MOST`] and up to [`LARGE_MOST`], sixteen for each doubling; and the size of its blocks.
#[inline]
pub(crate) fn large(size: usize) -> (usize, usize) {
    let last = size - 1;
    // As `ilog2`, but with no case for zero.
    let shift = usize::BITS - 1 - DIVISIONS - (last | 1).leading_zeros();
    let units = (last >> shift) + 1;
    let class = ((shift as usize) << DIVISIONS) + units - FIRST;
    (class & (LARGE - 1), units << shift)
}

/// The layout of a large class's blocks.
#[inline]
pub(crate) const fn large_layout(class: usize) -> Layout {
    let class = class & (LARGE - 1);
    let size =
        ((1 << DIVISIONS) + 1 + (class & ((1 << DIVISIONS) - 1))) << (10 - DIVISIONS as usize + (class >> DIVISIONS));
    // SAFETY: 16 is a power of two, and no slot's size is larger than 2¹⁸ bytes.
    unsafe { Layout::from_size_align_unchecked(size, ALIGN) }
}

/// The layout that a block which is not small really has: its class's, or its own if it has no class.
#[inline]
pub(crate) fn backing(layout: Layout) -> Layout {
    if !cached(layout) {
        return layout;
    }
    // SAFETY: 16 is a power of two, and no class's size is larger than `LARGE_MOST`.
    unsafe { Layout::from_size_align_unchecked(large(layout.size()).1, ALIGN) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap;

    /// Every size, and under miri some.
    const STEP: usize = if cfg!(miri) { 501 } else { 1 };

    fn rounded(size: usize) -> usize {
        let layout = Layout::from_size_align(size, 8).unwrap();
        if small(layout) { usize::from(SIZES[small_of(size)]) } else { backing(layout).size() }
    }

    #[test]
    fn the_waste_of_every_size_is_bounded() {
        for size in (1..=LARGE_MOST).step_by(STEP) {
            let held = rounded(size);
            assert!(held >= size && held.is_multiple_of(16), "{size} -> {held}");
            let waste = held - size;
            match size {
                0..=256 => assert!(waste < 16, "{size} -> {held}"),
                257..=SMALL_MOST => assert!(waste * 7 < size, "{size} -> {held}"),
                _ => assert!(waste * 16 < size, "{size} -> {held}"),
            }
        }
    }

    /// With its tag, a block of the heap takes a unit more than its class, whose sizes are multiples of one; without a class, less than two words and a unit.
    #[test]
    fn what_the_heap_adds_is_bounded() {
        for size in (SMALL_MOST + 1..=LARGE_MOST).step_by(STEP) {
            let waste = heap::whole(rounded(size)) - size;
            assert!(waste < size.div_ceil(16) + heap::UNIT, "{size}: {waste}");
        }
        assert_eq!(heap::whole(rounded(SMALL_MOST + 1)) - (SMALL_MOST + 1), 63 + heap::UNIT);
        for size in LARGE_MOST + 1..LARGE_MOST + 100 {
            assert!(heap::whole(size) - size < heap::UNIT + size_of::<usize>(), "{size}");
        }
    }

    #[test]
    fn classes_rise_with_the_size_and_a_class_is_its_own() {
        for size in (1..LARGE_MOST).step_by(STEP) {
            assert!(rounded(size) <= rounded(size + 1));
            assert_eq!(rounded(rounded(size)), rounded(size));
        }
    }

    #[test]
    fn a_class_has_the_size_that_its_layout_says() {
        for size in (SMALL_MOST + 1..=LARGE_MOST).step_by(STEP) {
            let (class, held) = large(size);
            assert_eq!(large_layout(class).size(), held);
        }
    }

    #[test]
    fn powers_of_two_waste_nothing() {
        for shift in 4..=16 {
            assert_eq!(rounded(1 << shift), 1 << shift);
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
