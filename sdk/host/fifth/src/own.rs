//! The strategy: the crate's heap, with regions that do nothing but count what is allocated in
//! them.
#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::Layout;
use std::ptr::NonNull;

use sluicegate_alloc::source::Platform;
use sluicegate_alloc::{Heap, Strategy, Usage};

pub(crate) struct Own {
    heap: Heap<Platform>,
    /// The region that is entered.
    entered: Option<NonNull<u8>>,
    /// Blocks that were allocated in a region, less those of regions that ended.
    counted: usize,
}

/// The handle of a region: the blocks that were allocated in it.
type Record = usize;

impl Own {
    pub(crate) const fn new() -> Self {
        Self { heap: Heap::new(Platform::new()), entered: None, counted: 0 }
    }

    fn record(&mut self, region: NonNull<u8>) -> &mut Record {
        // SAFETY: the region is open, so its record is a live block, which only this
        // strategy reads.
        unsafe { region.cast().as_mut() }
    }
}

// SAFETY: the pointers lead into the heap's blocks, and move with it.
unsafe impl Send for Own {}

// SAFETY: all blocks are the heap's.
unsafe impl Strategy for Own {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        if let Some(region) = self.entered {
            *self.record(region) += 1;
            self.counted += 1;
        }
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
        let mut usage = self.heap.usage();
        usage.retained = self.counted;
        usage
    }

    fn limit(&mut self, pages: usize) {
        self.heap.limit(pages);
    }

    fn open_region(&mut self) -> Option<NonNull<u8>> {
        // SAFETY: a record's size is not zero.
        let record = NonNull::new(unsafe { self.heap.allocate(Layout::new::<Record>()) })?;
        // SAFETY: the block is as large and as aligned as a record, and ours.
        unsafe { record.cast::<Record>().write(0) };
        Some(record)
    }

    unsafe fn enter_region(&mut self, region: Option<NonNull<u8>>) -> Option<NonNull<u8>> {
        std::mem::replace(&mut self.entered, region)
    }

    unsafe fn close_region(&mut self, region: NonNull<u8>) {
        self.counted -= *self.record(region);
        // SAFETY: the record was allocated from the heap with this layout, and the
        // region is not used any more.
        unsafe { self.heap.release(region.as_ptr(), Layout::new::<Record>()) };
    }
}
