//! The allocator that the features pick. Their rank is in the conditions here and in [`choice`], and nowhere else.

/// The name of the picked allocator; none if no feature picks one.
pub const PICKED: Option<&str> = choice::NAME;

/// A line about the picked allocator, for a log.
pub const PICKED_LINE: Option<&str> = choice::LINE;

#[cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]
pub use installed::{ALLOCATOR, Allocator, limit, snapshot};
#[cfg(all(
    feature = "budget",
    any(feature = "arena", feature = "freelist", feature = "talc", feature = "system")
))]
pub use installed::{budget, live, refill, reserve, with_reserve};

#[cfg(all(feature = "arena", target_family = "wasm", not(target_feature = "atomics")))]
pub(crate) use choice::HEAP;

#[cfg(feature = "arena")]
mod choice {
    use crate::source::Platform;

    pub(super) const NAME: Option<&str> = Some("arena");
    pub(super) const LINE: Option<&str> = Some("sluicegate: allocator arena");
    pub(crate) static HEAP: crate::Global<crate::Arena<Platform>> =
        crate::Global::new(crate::Arena::new(Platform::new()));
}

#[cfg(all(feature = "freelist", not(feature = "arena")))]
mod choice {
    #[cfg(any(target_family = "wasm", feature = "budget"))]
    use crate::source::Platform;

    pub(super) const NAME: Option<&str> = Some("freelist");
    pub(super) const LINE: Option<&str> = Some("sluicegate: allocator freelist");
    #[cfg(any(target_family = "wasm", feature = "budget"))]
    pub(crate) static HEAP: crate::Global<crate::Freelist<Platform>> =
        crate::Global::new(crate::Freelist::new(Platform::new()));
    // Budgets count bytes in one place, which the free lists for threads do not have.
    #[cfg(not(any(target_family = "wasm", feature = "budget")))]
    pub(crate) static HEAP: crate::Native = crate::Native;
}

#[cfg(all(feature = "talc", not(any(feature = "arena", feature = "freelist"))))]
mod choice {
    use crate::source::Platform;

    pub(super) const NAME: Option<&str> = Some("talc");
    pub(super) const LINE: Option<&str> = Some("sluicegate: allocator talc");
    pub(crate) static HEAP: crate::Global<crate::Talc<Platform>> =
        crate::Global::new(crate::Talc::new(Platform::new()));
}

#[cfg(all(feature = "system", not(any(feature = "arena", feature = "freelist", feature = "talc"))))]
mod choice {
    pub(super) const NAME: Option<&str> = Some("system");
    pub(super) const LINE: Option<&str> = Some("sluicegate: allocator system");
    pub(crate) static HEAP: crate::Global<crate::system::System> = crate::Global::new(crate::system::System::new());
}

#[cfg(not(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system")))]
mod choice {
    pub(super) const NAME: Option<&str> = None;
    pub(super) const LINE: Option<&str> = None;
}

#[cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]
mod installed {
    use core::alloc::{GlobalAlloc, Layout};

    use super::choice::HEAP;
    use crate::Snapshot;

    /// The picked allocator: what [`install!`](crate::install) makes the global one.
    ///
    /// Its state is one static of this crate, so [`snapshot`] and [`limit`] speak of the same heap wherever they are called.
    #[derive(Debug, Clone, Copy)]
    pub struct Allocator;

    /// The allocator, as a value for a static.
    pub const ALLOCATOR: Allocator = Allocator;

    /// The picked allocator's figures at this moment; they allocate nothing.
    pub fn snapshot() -> Snapshot {
        HEAP.snapshot()
    }

    /// Sets the most pages of 64 KiB that the picked allocator may hold, past which it answers null. On wasm that counts the whole
    /// linear memory, data and stack included. What is held already stays.
    ///
    /// False if nothing came of it: `system` grows memory by itself and takes no limit.
    pub fn limit(pages: usize) -> bool {
        HEAP.limit(pages);
        cfg!(any(feature = "arena", feature = "freelist", feature = "talc"))
    }

    /// Sets the most bytes in live blocks, as they were asked for, past which the picked allocator answers null. What lives already stays; `usize::MAX` is no budget.
    ///
    /// Beside [`limit`]: that one bounds what the VM takes from the proxy, this one what the filter holds of it.
    #[cfg(feature = "budget")]
    pub fn budget(bytes: usize) {
        HEAP.budget(bytes);
    }

    /// Bytes in live blocks of the picked allocator at this moment.
    #[cfg(feature = "budget")]
    #[must_use]
    pub fn live() -> usize {
        HEAP.live()
    }

    /// Sets so many bytes aside for [`with_reserve`], instead of those before; zero gives them back. False if there is no memory for them now.
    ///
    /// Take 64 KiB at least: a small block may need a span of the free lists, which is 32 KiB aligned to its size.
    #[cfg(feature = "budget")]
    pub fn reserve(bytes: usize) -> bool {
        HEAP.reserve(bytes)
    }

    /// Sets aside what is missing of the reserve; false if there is no memory for it, or the reserve is open.
    ///
    /// **Cost:** a comparison if nothing is missing.
    #[cfg(feature = "budget")]
    pub fn refill() -> bool {
        HEAP.refill()
    }

    /// Runs `f` with the reserve open: what handles exhaustion runs in it, and can allocate.
    ///
    /// The memory that was set aside may be used, the total [`budget`] is larger by as much, and no region's budget counts. Calls nest. Afterwards the reserve is set aside again, as far as there is
    /// memory: [`refill`] tells, and tries again.
    ///
    /// ```
    /// # #[global_allocator]
    /// # static GLOBAL: sluicegate_alloc::Allocator = sluicegate_alloc::ALLOCATOR;
    /// sluicegate_alloc::reserve(64 * 1024);
    /// sluicegate_alloc::budget(sluicegate_alloc::live()); // not a byte more
    /// let mut line = String::new();
    /// assert!(line.try_reserve(100).is_err());
    /// sluicegate_alloc::with_reserve(|| assert!(line.try_reserve(100).is_ok()));
    /// # sluicegate_alloc::budget(usize::MAX);
    /// ```
    #[cfg(feature = "budget")]
    pub fn with_reserve<T>(f: impl FnOnce() -> T) -> T {
        HEAP.with_reserve(f)
    }

    // SAFETY: all four are those of `Global`, which is one.
    unsafe impl GlobalAlloc for Allocator {
        #[inline]
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { HEAP.alloc(layout) }
        }

        #[inline]
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: as the caller promises.
            unsafe { HEAP.dealloc(block, layout) };
        }

        #[inline]
        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { HEAP.alloc_zeroed(layout) }
        }

        #[inline]
        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { HEAP.realloc(block, layout, size) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_feature_of_the_rank_wins() {
        let expected = if cfg!(feature = "arena") {
            Some("arena")
        } else if cfg!(feature = "freelist") {
            Some("freelist")
        } else if cfg!(feature = "talc") {
            Some("talc")
        } else if cfg!(feature = "system") {
            Some("system")
        } else {
            None
        };
        assert_eq!(PICKED, expected);
        assert_eq!(PICKED_LINE.is_some(), expected.is_some());
    }
}
