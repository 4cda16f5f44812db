//! Any global allocator, with a count of the bytes in live blocks. The pages of a soak are judged
//! against this count. The count would disturb a measurement of time.

use core::alloc::Layout;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sluicegate_traces::block::{Global, Heap};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The global allocator with the count.
#[derive(Clone, Copy)]
pub(crate) struct Counted;

impl Heap for Counted {
    unsafe fn allocate(self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { Global.allocate(layout) }
    }

    unsafe fn release(self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { Global.release(block, layout) };
    }

    unsafe fn resize(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_sub(layout.size(), Relaxed);
        let live = LIVE.fetch_add(size, Relaxed) + size;
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { Global.resize(block, layout, size) }
    }
}

/// Returns the bytes in live blocks.
#[unsafe(no_mangle)]
extern "C" fn held() -> usize {
    LIVE.load(Relaxed)
}

/// Returns the maximum of the bytes in live blocks so far.
#[unsafe(no_mangle)]
extern "C" fn peak() -> usize {
    PEAK.load(Relaxed)
}
