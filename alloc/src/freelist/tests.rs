//! Tests of the kept blocks after a burst, and where memory does not grow.

extern crate std;

use core::ptr::NonNull;
use std::alloc::{alloc, dealloc};
use std::vec::Vec;

use super::*;
use crate::source::PAGE;
use crate::testing::Fixed;

/// Runs a test with free lists over so many pages.
fn with_lists(pages: usize, test: impl FnOnce(&mut Freelist<Fixed>)) {
    let memory = Layout::from_size_align(pages * PAGE, PAGE).unwrap();
    // SAFETY: the size is not zero.
    let start = unsafe { alloc(memory) };
    assert!(!start.is_null());
    // SAFETY: the memory is as large as said, aligned to a page, and the lists' alone until it is
    // freed below.
    test(&mut Freelist::new(unsafe { Fixed::new(start, memory.size()) }));
    // SAFETY: allocated above with this layout; the lists are not used any more.
    unsafe { dealloc(start, memory) };
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

fn obtain(lists: &mut Freelist<Fixed>, size: usize) -> *mut u8 {
    // SAFETY: no test asks for an empty block.
    unsafe { lists.allocate(layout(size)) }
}

fn release(lists: &mut Freelist<Fixed>, block: *mut u8, size: usize) {
    // SAFETY: the block is live, and no test aligns one.
    unsafe { lists.release(block, layout(size)) };
}

/// Numbers that look random, below `most`.
fn draw(seed: &mut u64, most: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 33) as usize % most
}

/// So many bytes in blocks of 16 B to 16 KiB, and all of them freed, in another order.
fn burst(lists: &mut Freelist<Fixed>, bytes: usize) {
    let (mut seed, mut live, mut blocks) = (1, 0, Vec::new());
    while live < bytes {
        let shift = draw(&mut seed, 11);
        let size = 16 + draw(&mut seed, 16 << shift);
        let block = obtain(lists, size);
        assert!(!block.is_null());
        blocks.push((block, size));
        live += size;
    }
    while !blocks.is_empty() {
        let (block, size) = blocks.swap_remove(draw(&mut seed, blocks.len()));
        release(lists, block, size);
    }
}

#[test]
#[cfg(not(miri))]
fn a_large_buffer_fits_into_what_a_burst_left() {
    with_lists(512, |lists| {
        for round in 0..3 {
            burst(lists, 112 * PAGE);
            assert!(lists.lists.kept() * UNIT < PAGE / 8, "{} units after burst {round}", lists.lists.kept());
        }
        let pages = lists.usage().pages;
        let block = obtain(lists, 112 * PAGE);
        assert!(!block.is_null());
        assert_eq!(lists.usage().pages, pages, "the buffer took memory anew");
    });
}

#[test]
fn a_small_heap_keeps_what_it_frees() {
    with_lists(16, |lists| {
        burst(lists, 4 * PAGE);
        assert!(lists.lists.kept() * UNIT >= PAGE / 8, "{} units", lists.lists.kept());
    });
}

#[test]
fn a_request_for_more_than_there_is_gives_nothing_back() {
    with_lists(8, |lists| {
        burst(lists, 4 * PAGE);
        let pages = lists.usage().pages;
        lists.limit(pages);
        // All of it and more is not there; from here on it is known that memory does not grow.
        assert!(obtain(lists, pages * PAGE).is_null());
        let kept = lists.lists.kept();
        assert!(kept > 0);
        for _ in 0..100 {
            assert!(obtain(lists, 100 * PAGE).is_null());
        }
        assert_eq!(lists.lists.kept(), kept);
        // A request that what is kept can serve has it given back, a little each time.
        let served = (0..1_000).any(|_| !obtain(lists, (pages - 1) * PAGE).is_null());
        assert!(served, "{} units are kept", lists.lists.kept());
    });
}

/// A source that counts memory of others as held: on wasm the data and the stack of the module.
struct Crowded(Fixed);

// SAFETY: all but a count is the other source's.
unsafe impl Source for Crowded {
    fn next(&self) -> Option<usize> {
        self.0.next()
    }

    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>> {
        self.0.acquire(least, wish)
    }

    fn held(&self) -> usize {
        self.0.held() + 256 * PAGE
    }

    fn limit(&mut self, pages: usize) {
        self.0.limit(pages);
    }
}

#[test]
fn a_module_with_large_tables_grows_and_keeps_no_more() {
    let memory = Layout::from_size_align(8 * PAGE, PAGE).unwrap();
    // SAFETY: the size is not zero.
    let start = unsafe { alloc(memory) };
    assert!(!start.is_null());
    // SAFETY: as in `with_lists`.
    let mut lists = Freelist::new(Crowded(unsafe { Fixed::new(start, memory.size()) }));
    let blocks = [100; 100].map(|size| {
        // SAFETY: the size is not zero.
        unsafe { lists.allocate(layout(size)) }
    });
    assert_eq!(lists.usage().pages, 257, "more than a page for 10 kB");
    for block in blocks {
        assert!(!block.is_null());
        // SAFETY: the block is live and of this layout.
        unsafe { lists.release(block, layout(100)) };
    }
    assert!(lists.lists.kept() * UNIT <= policy::KEPT_LEAST, "{} units are kept", lists.lists.kept());
    // SAFETY: allocated above with this layout; the lists are not used any more.
    unsafe { dealloc(start, memory) };
}
