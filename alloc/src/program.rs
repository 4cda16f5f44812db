//! The allocator of the program: the selected one, or another one that the program announces.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::installed::Installed;
use crate::report::HeapReport;
use crate::selected;
use crate::stats::Snapshot;
use crate::strategy::Usage;
use crate::sync::SINGLE_THREADED;

/// The announced allocator, or null if there is none.
static ANNOUNCED: AtomicPtr<&'static dyn Installed> = AtomicPtr::new(null_mut());

/// `true` if the installed allocator has opened a region. Then it stays the installed one, because
/// it must close the region.
static SETTLED: AtomicBool = AtomicBool::new(false);

/// Makes an allocator the one that the free functions use. [`announce!`](crate::announce) calls
/// this function.
#[doc(hidden)]
pub fn __announce(heap: &'static &'static dyn Installed) -> bool {
    if SETTLED.load(Ordering::Relaxed) {
        return false;
    }
    let heap = core::ptr::from_ref(heap).cast_mut();
    ANNOUNCED.compare_exchange(null_mut(), heap, Ordering::Release, Ordering::Relaxed).is_ok()
}

/// Returns the allocator of the program, if this crate knows it.
#[inline]
pub(crate) fn installed() -> Option<&'static dyn Installed> {
    let announced = if SINGLE_THREADED {
        // A plain load, which the compiler can do without in a module that announces nothing.
        // SAFETY: there is no other thread that could write meanwhile.
        unsafe { *ANNOUNCED.as_ptr() }
    } else {
        ANNOUNCED.load(Ordering::Acquire)
    };
    // SAFETY: what is there, `__announce` made of a reference to a static.
    let announced: Option<&&'static dyn Installed> = unsafe { announced.as_ref() };
    announced.copied().or(selected::INSTALLED)
}

/// Keeps the installed allocator the installed one from here on, because it opens a region.
#[inline]
pub(crate) fn settle() {
    if SINGLE_THREADED {
        // SAFETY: there is no other thread that could look meanwhile.
        unsafe { *SETTLED.as_ptr() = true };
    } else {
        SETTLED.store(true, Ordering::Relaxed);
    }
}

/// Returns all current figures of the program's allocator. Returns zeros if this crate does not
/// know the allocator. The function does not allocate.
#[must_use]
pub fn snapshot() -> Snapshot {
    installed().map(Installed::snapshot).unwrap_or_default()
}

/// Returns the requested bytes of all live blocks of the program's allocator. Returns zero without
/// the feature `live`, and if this crate does not know the allocator.
///
/// **Cost:** one load.
#[must_use]
pub fn live() -> usize {
    installed().map_or(0, Installed::live)
}

/// Returns the usage of the memory of the program's allocator. Returns zeros if this crate does not
/// know the allocator.
#[must_use]
pub fn usage() -> Usage {
    installed().map(Installed::usage).unwrap_or_default()
}

/// Sets a limit of pages of 64 KiB, over which the program's allocator returns null. On wasm the
/// limit applies to the whole linear memory, including data and stack. Pages that the allocator
/// holds already stay.
///
/// Returns `false` if the limit has no effect: `system` grows memory by itself and has no limit,
/// and an allocator that this crate does not know has none either.
///
/// **Cost:** none for an allocation, because the limit is checked only where memory grows.
pub fn limit(pages: usize) -> bool {
    installed().is_some_and(|heap| heap.limit(pages))
}

/// Returns a report of the memory of the program's allocator. Figures that the allocator does not
/// show are zero, and so are all figures if this crate does not know the allocator. The function
/// does not allocate, and needs 5 KiB of stack.
///
/// **Cost:** some 160 instructions for each gap and each kept block, and 60 more for each 128 MiB
/// of heap above the first. The walk visits at most 262,144 of them, which takes 42 million
/// instructions. So make a report on demand, and not for every request.
#[must_use]
pub fn heap_report() -> HeapReport {
    let mut report = HeapReport::default();
    if let Some(heap) = installed() {
        let (usage, asked) = (heap.usage(), heap.live());
        heap.look(&mut |shape| report = HeapReport::new(usage, asked, shape));
    }
    report
}
