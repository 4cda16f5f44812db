//! The heap by itself: growth, search, widening, and sizes at the end of what there is.

extern crate std;

use std::alloc::{alloc, dealloc};

use super::*;
use crate::testing::Fixed;

/// Runs a test with a heap over so many pages.
fn with_heap(pages: usize, test: impl FnOnce(&mut Heap<Fixed>)) {
    let layout = Layout::from_size_align(pages * PAGE, PAGE).unwrap();
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc(layout) };
    assert!(!memory.is_null());
    // SAFETY: the memory is as large as said, aligned to a page, and the heap's alone until it is
    // freed below.
    test(&mut Heap::new(unsafe { Fixed::new(memory, layout.size()) }));
    // SAFETY: allocated above with this layout; the heap is not used any more.
    unsafe { dealloc(memory, layout) };
}

fn obtain(heap: &mut Heap<Fixed>, size: usize, align: usize) -> *mut u8 {
    // SAFETY: no test asks for an empty block.
    unsafe { heap.allocate(Layout::from_size_align(size, align).unwrap()) }
}

fn release(heap: &mut Heap<Fixed>, block: *mut u8, size: usize) {
    // SAFETY: the block is live, and tests with it speak of alignments up to a unit only.
    unsafe { heap.release(block, Layout::from_size_align(size, 8).unwrap()) };
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
                    let block = obtain(heap, size, align);
                    assert!(!block.is_null(), "{size}, {align} in {before:?}, {after:?}");
                }
                assert!(heap.grows <= 2);
            });
        }
    }
}

#[test]
fn an_aligned_block_takes_no_page_for_its_alignment() {
    with_heap(16, |heap| {
        assert!(!obtain(heap, 32 * 1024 - 2 * TAG, 32 * 1024).is_null());
        assert_eq!(heap.usage().pages, 1);
    });
}

/// Many gaps of the very list: one that fits is found, and none that is not aligned so. That the
/// search does not look at all of them is for the benches to count.
#[test]
fn a_search_among_gaps_of_one_list_finds_what_fits() {
    let (gaps, asked) = (if cfg!(miri) { 100 } else { 2_000 }, 5_000 / UNIT * UNIT);
    with_heap(512, |heap| {
        let blocks: std::vec::Vec<_> = (0..gaps).map(|_| (obtain(heap, asked - TAG, 8), obtain(heap, 8, 8))).collect();
        assert!(blocks.iter().all(|(large, small)| !large.is_null() && !small.is_null()));
        for (large, _) in blocks {
            release(heap, large, asked - TAG);
        }
        let pages = heap.usage().pages;
        heap.limit(pages);
        // The heap has nothing larger than these gaps but its tail: use that up.
        while !obtain(heap, asked + UNIT, 8).is_null() {}
        // As large as a gap, but none is aligned so.
        assert!(obtain(heap, asked - TAG, 1 << 20).is_null());
        assert!(!obtain(heap, asked - TAG, 8).is_null());
    });
}

#[test]
fn a_block_that_ends_the_heap_grows_where_it_lies() {
    with_heap(600, |heap| {
        let below = obtain(heap, 100, 8);
        let mut size = PAGE;
        let block = obtain(heap, size, 8);
        while size < 256 * PAGE {
            let layout = Layout::from_size_align(size, 8).unwrap();
            size *= 2;
            // SAFETY: the block is live and of this layout.
            assert_eq!(unsafe { heap.resize(block, layout, size) }, block, "to {size}");
        }
        assert!(heap.usage().pages <= 256 + 256 / 16, "{} pages", heap.usage().pages);
        release(heap, block, size);
        release(heap, below, 100);
    });
}

#[test]
fn no_size_or_alignment_wraps() {
    const MOST: usize = isize::MAX as usize;
    with_heap(4, |heap| {
        let small = obtain(heap, 1_000, 8);
        for (size, align) in [(MOST, 1), (MOST & !4_095, 4_096), (1 << 20, 1 << 30), (1 << 30, 1 << 30), (1, 1 << 30)] {
            assert!(obtain(heap, size, align).is_null(), "{size}, {align}");
        }
        for size in [MOST & !7, MOST / 2, PAGE * 5] {
            // SAFETY: the block is live and of this layout.
            assert!(unsafe { heap.resize(small, Layout::from_size_align(1_000, 8).unwrap(), size) }.is_null());
        }
        release(heap, small, 1_000);
    });
}
