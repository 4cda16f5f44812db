//! An allocator that no feature picks, announced: the free functions speak of it, and of no
//! other after it.
#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::Layout;
use std::ptr::NonNull;

use sluicegate_alloc::source::Platform;
use sluicegate_alloc::{Global, Heap, Installed, Strategy, Usage, announce, limit, live, snapshot, usage};

#[global_allocator]
static MINE: Global<Mine> = Global::new(Mine { heap: Heap::new(Platform::new()), entered: None });

static OTHER: Global<Heap<Platform>> = Global::new(Heap::new(Platform::new()));

/// The crate's heap, with a region of its own.
struct Mine {
    heap: Heap<Platform>,
    entered: Option<NonNull<u8>>,
}

// SAFETY: the pointers lead into the heap's memory, and move with it.
unsafe impl Send for Mine {}

// SAFETY: all blocks are the heap's.
unsafe impl Strategy for Mine {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.heap.allocate(layout) }
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.heap.release(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.heap.resize(block, layout, size) }
    }

    fn usage(&self) -> Usage {
        self.heap.usage()
    }

    fn limit(&mut self, pages: usize) {
        self.heap.limit(pages);
    }

    fn open_region(&mut self) -> Option<NonNull<u8>> {
        Some(NonNull::dangling())
    }

    unsafe fn enter_region(&mut self, region: Option<NonNull<u8>>) -> Option<NonNull<u8>> {
        std::mem::replace(&mut self.entered, region)
    }

    unsafe fn close_region(&mut self, region: NonNull<u8>) {
        assert_ne!(self.entered, Some(region));
    }
}

/// One test, as the allocator is one for all threads of the process.
#[test]
fn the_announced_allocator_is_asked() {
    assert!(announce!(MINE));
    assert!(!announce!(OTHER), "there is one already");

    let before = live();
    let kept = vec![1_u8; 10_000_000];
    if cfg!(feature = "live") {
        assert!((10_000_000..10_100_000).contains(&(live() - before)));
        assert!(snapshot().live >= 10_000_000 && snapshot().peak >= snapshot().live);
    } else {
        assert_eq!((live(), snapshot().live), (0, 0));
    }
    drop(kept);
    assert!(usage().pages > 100 && usage().grows > 0);
    assert_eq!((snapshot().pages, snapshot().grows), (usage().pages, usage().grows));

    assert!(limit(usage().pages));
    assert!(Vec::<u8>::new().try_reserve(1 << 30).is_err());
    assert!(limit(usize::MAX));
    // SAFETY: nothing is allocated or freed.
    assert!(unsafe { MINE.with(|mine| mine.usage()) }.pages > 100);

    let region = MINE.open_region().unwrap();
    // SAFETY: the region is of this allocator and open.
    let outside = unsafe { MINE.enter_region(Some(region)) };
    // SAFETY: nothing was entered.
    let inside = unsafe { MINE.enter_region(outside) };
    // SAFETY: the region is of this allocator, and was left.
    unsafe { MINE.close_region(region) };
    assert_eq!((outside, inside), (None, Some(region)));
}
