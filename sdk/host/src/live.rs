//! How many bytes the filter holds, natively.
#![allow(
    unsafe_code,
    reason = "a global allocator is one by an unsafe trait; this one leaves everything to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// A global allocator that counts what filters allocate natively, and refuses it on demand.
///
/// With it in a test's program, [`sweep`](crate::sweep()) also wants every byte back, and
/// [`Running::live_bytes`](crate::Running::live_bytes) tells what the filter holds. What the
/// simulated proxy and the test allocate does not count.
///
/// ```
/// #[global_allocator]
/// static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Counting;

/// What is known of the guest of this thread.
struct Guest {
    /// Whether it runs: what is allocated now is its.
    inside: Cell<bool>,
    live: Cell<isize>,
    allocations: Cell<usize>,
    /// The allocations that are refused, by number.
    refused: Cell<(usize, usize)>,
    /// Whether the allocator is the program's.
    counts: Cell<bool>,
}

thread_local! {
    static GUEST: Guest = const {
        Guest {
            inside: Cell::new(false),
            live: Cell::new(0),
            allocations: Cell::new(0),
            refused: Cell::new((0, 0)),
            counts: Cell::new(false),
        }
    };
}

/// Runs the guest, or what is not it while it waits.
pub(crate) fn within<R>(inside: bool, run: impl FnOnce() -> R) -> R {
    /// Also when a test panics.
    struct Before(bool);

    impl Drop for Before {
        fn drop(&mut self) {
            GUEST.with(|guest| guest.inside.set(self.0));
        }
    }

    let _before = Before(GUEST.with(|guest| guest.inside.replace(inside)));
    run()
}

/// What the guests of this thread hold; none if nobody counts.
pub(crate) fn live() -> Option<isize> {
    GUEST.with(|guest| guest.counts.get().then(|| guest.live.get()))
}

/// How often the guests of this thread allocated.
pub(crate) fn allocations() -> usize {
    GUEST.with(|guest| guest.allocations.get())
}

/// Refuses so many allocations of the guest after so many others.
pub(crate) fn refuse(after: usize, count: usize) {
    GUEST.with(|guest| {
        let first = guest.allocations.get().saturating_add(after);
        guest.refused.set((first, first.saturating_add(count)));
    });
}

impl Guest {
    /// Whether the guest gets a block of this size.
    fn allocates(&self, size: usize) -> bool {
        self.counts.set(true);
        if !self.inside.get() {
            return true;
        }
        let number = self.allocations.get();
        self.allocations.set(number + 1);
        let (from, to) = self.refused.get();
        if (from..to).contains(&number) {
            return false;
        }
        self.live.set(self.live.get() + size.cast_signed());
        true
    }
}

// SAFETY: every block is the system allocator's, with the layout that was asked for, or null, which
// says that there is none.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !GUEST.with(|guest| guest.allocates(layout.size())) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise: the layout has a size.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        GUEST.with(|guest| {
            if guest.inside.get() {
                guest.live.set(guest.live.get() - layout.size().cast_signed());
            }
        });
        // SAFETY: the caller's promise: the block is one of `alloc`, which is the system
        // allocator's, and has this layout.
        unsafe { System.dealloc(block, layout) };
    }
}
