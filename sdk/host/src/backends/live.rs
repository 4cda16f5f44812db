//! The number of bytes that filters hold natively.
#![allow(
    unsafe_code,
    reason = "a global allocator is one by an unsafe trait; this one leaves everything to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// A global allocator that counts the allocations of filters in this process, and refuses them on
/// demand.
///
/// If a test's program has this allocator, [`sweep`](crate::sweep()) also checks that filters free
/// every byte, and [`RunningHost::live_bytes`](crate::RunningHost::live_bytes) returns the number
/// of bytes that filters hold. Allocations of the simulated proxy and of the test do not count.
///
/// ```
/// #[global_allocator]
/// static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Counting;

/// The counts of the guest of this thread.
struct Guest {
    /// True while the guest runs. What is allocated then is the guest's.
    inside: Cell<bool>,
    live: Cell<isize>,
    allocations: Cell<usize>,
    /// The range of the numbers of allocations that are refused.
    refused: Cell<(usize, usize)>,
    /// True if `Counting` is the program's global allocator.
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

/// Runs code as the guest's if `inside` is set, or else as the host's.
pub(crate) fn within<R>(inside: bool, run: impl FnOnce() -> R) -> R {
    /// Restores the value before, also when a test panics.
    struct Before(bool);

    impl Drop for Before {
        fn drop(&mut self) {
            GUEST.with(|guest| guest.inside.set(self.0));
        }
    }

    let _before = Before(GUEST.with(|guest| guest.inside.replace(inside)));
    run()
}

/// Returns the bytes that the guests of this thread hold, or `None` if `Counting` is not the global
/// allocator.
pub(crate) fn live() -> Option<isize> {
    GUEST.with(|guest| guest.counts.get().then(|| guest.live.get()))
}

/// Returns the number of allocations of the guests of this thread.
pub(crate) fn allocations() -> usize {
    GUEST.with(|guest| guest.allocations.get())
}

/// Refuses `count` allocations of the guest, after `after` others.
pub(crate) fn refuse(after: usize, count: usize) {
    GUEST.with(|guest| {
        let first = guest.allocations.get().saturating_add(after);
        guest.refused.set((first, first.saturating_add(count)));
    });
}

impl Guest {
    /// Counts an allocation, and returns whether it is granted.
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
// says that there is no block.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !GUEST.with(|guest| guest.allocates(layout.size())) {
            return ptr::null_mut();
        }
        // SAFETY: the caller promises that the layout has a size.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        GUEST.with(|guest| {
            if guest.inside.get() {
                guest.live.set(guest.live.get() - layout.size().cast_signed());
            }
        });
        // SAFETY: the caller promises that the block is one of `alloc`, which is the system
        // allocator's, and has this layout.
        unsafe { System.dealloc(block, layout) };
    }
}
