//! The global allocator of the suites: std's, but in a closure that names another.
//!
//! Each call goes through a thread-local and a pointer, whatever the allocator: a nanosecond or two
//! that all pay.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static GLOBAL: Switch = Switch;

thread_local! {
    static SELECTED: Cell<&'static dyn GlobalAlloc> = const { Cell::new(&System) };
}

struct Switch;

/// Runs `f` with another global allocator in this thread. What `f` leaves behind must be freed in
/// such a closure again.
pub fn with<T>(heap: &'static dyn GlobalAlloc, f: impl FnOnce() -> T) -> T {
    let before = SELECTED.replace(heap);
    let result = f();
    SELECTED.set(before);
    result
}

// SAFETY: everything is the picked allocator's; a block returns to the one that it is from, which
// the user of `with` sees to.
unsafe impl GlobalAlloc for Switch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { SELECTED.get().alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { SELECTED.get().dealloc(block, layout) };
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { SELECTED.get().alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { SELECTED.get().realloc(block, layout, size) }
    }
}
