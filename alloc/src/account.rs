//! What a region holds in bytes, and how much it may: kept behind the feature `budget`, nothing when it is off.
//!
//! A block counts for the region that is entered when it is made, and is taken off the region that is entered when it is freed. So it costs an addition, whatever the strategy, and no header; what it cannot
//! tell is who made a block that another region frees: a region that frees what others made has so much more room, never less than none.

use core::fmt;

/// A region's figures at a moment; bytes are as asked for, without rounding and overhead.
///
/// ```
/// let snapshot = sluicegate_alloc::region::RegionSnapshot::default();
/// assert_eq!(snapshot.to_string(), "0 B live, 0 B peak, 0 allocations, 0 frees, 0 refused");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegionSnapshot {
    /// Bytes made less bytes freed while the region was entered. Zero without the feature `budget`.
    pub live: usize,
    /// The most that `live` ever was. Zero without the feature `stats`.
    pub peak: usize,
    /// Blocks made while it was entered. Zero without the feature `stats`.
    pub allocations: u64,
    /// Blocks freed while it was entered. Zero without the feature `stats`.
    pub frees: u64,
    /// Blocks and growths that its budget refused. Zero without the feature `budget`.
    pub refused: u64,
}

impl fmt::Display for RegionSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, peak, allocations, frees, refused } = self;
        write!(f, "{live} B live, {peak} B peak, {allocations} allocations, {frees} frees, {refused} refused")
    }
}

#[cfg(feature = "budget")]
pub(crate) use kept::{Account, current, enter};
#[cfg(not(feature = "budget"))]
pub(crate) use unkept::{Account, enter};

#[cfg(feature = "budget")]
mod kept {
    use core::cell::Cell;
    use core::ptr::null;

    use super::RegionSnapshot;

    #[derive(Debug)]
    pub(crate) struct Account {
        counted: Cell<RegionSnapshot>,
        budget: Cell<usize>,
    }

    impl Account {
        pub(crate) const fn new() -> Self {
            let counted = RegionSnapshot { live: 0, peak: 0, allocations: 0, frees: 0, refused: 0 };
            Self { counted: Cell::new(counted), budget: Cell::new(usize::MAX) }
        }

        pub(crate) fn set_budget(&self, bytes: usize) {
            self.budget.set(bytes);
        }

        pub(crate) fn budget(&self) -> usize {
            self.budget.get()
        }

        pub(crate) fn snapshot(&self) -> RegionSnapshot {
            self.counted.get()
        }

        /// Whether there is room for so many bytes more; counted if not.
        pub(crate) fn admits(&self, more: usize) -> bool {
            let mut counted = self.counted.get();
            let room = counted.live.saturating_add(more) <= self.budget.get();
            if !room {
                counted.refused += 1;
                self.counted.set(counted);
            }
            room
        }

        /// A block of `old` bytes, none if zero, has become one of `new`, none if zero.
        #[inline]
        pub(crate) fn changed(&self, old: usize, new: usize) {
            let mut counted = self.counted.get();
            counted.live = counted.live.saturating_add(new).saturating_sub(old);
            #[cfg(feature = "stats")]
            {
                counted.peak = counted.peak.max(counted.live);
                counted.allocations += u64::from(old == 0);
                counted.frees += u64::from(new == 0);
            }
            self.counted.set(counted);
        }
    }

    /// The account of the region that is entered in this thread; null outside of regions.
    struct Current(Cell<*const Account>);

    // SAFETY: without the atomics feature a wasm module has one thread, so a shared reference never reaches a second one.
    #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
    unsafe impl Sync for Current {}

    #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
    fn with<R>(f: impl FnOnce(&Current) -> R) -> R {
        static CURRENT: Current = Current(Cell::new(null()));
        f(&CURRENT)
    }

    #[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
    fn with<R>(f: impl FnOnce(&Current) -> R) -> R {
        extern crate std;
        std::thread_local! {
            // Without a destructor: it allocates nothing, and is there to the end of its thread.
            static CURRENT: Current = const { Current(Cell::new(null())) };
        }
        CURRENT.with(f)
    }

    /// Shows the account of the entered region to `f`.
    #[inline]
    pub(crate) fn current<R>(f: impl FnOnce(&Account) -> R) -> Option<R> {
        let account = with(|current| current.0.get());
        // SAFETY: the account was borrowed by `enter`, whose guard borrows it until it has put another in its place.
        unsafe { account.as_ref() }.map(f)
    }

    /// Makes an account the current one until the guard is dropped.
    pub(crate) fn enter(account: Option<&Account>) -> Charged<'_> {
        let pointer = account.map_or(null(), core::ptr::from_ref);
        Charged { before: with(|current| current.0.replace(pointer)), _account: account }
    }

    pub(crate) struct Charged<'a> {
        before: *const Account,
        _account: Option<&'a Account>,
    }

    impl Drop for Charged<'_> {
        fn drop(&mut self) {
            with(|current| current.0.set(self.before));
        }
    }
}

#[cfg(not(feature = "budget"))]
mod unkept {
    #[derive(Debug)]
    pub(crate) struct Account;

    impl Account {
        pub(crate) const fn new() -> Self {
            Self
        }
    }

    pub(crate) struct Charged;

    #[inline]
    pub(crate) const fn enter(_: Option<&Account>) -> Charged {
        Charged
    }
}
