//! Regions of the picked allocator: what a dispatcher says about whose callback runs.
//!
//! ```
//! use sluicegate_alloc::region::{Region, outside};
//!
//! let stream = Region::new();
//! let kept = stream.within(|| {
//!     // The filter's callback: what it allocates lies in the stream's region.
//!     let scratch = vec![1, 2, 3];
//!     // The dispatcher's own tables do not.
//!     outside(|| scratch.clone())
//! });
//! drop(stream);
//! // What a callback left behind is as good as ever: it holds its chunk.
//! assert_eq!(kept, [1, 2, 3]);
//! ```
//!
//! Only the arena has chunks for regions, and only on wasm without threads, where one callback runs at a time. Elsewhere a region has its budget, with the feature `budget`; without it all this does nothing
//! and costs nothing.

use crate::account::{Account, enter};

pub use crate::account::RegionSnapshot;

#[cfg(all(feature = "arena", target_family = "wasm", not(target_feature = "atomics")))]
use routed as how;
#[cfg(not(all(feature = "arena", target_family = "wasm", not(target_feature = "atomics"))))]
use unrouted as how;

/// The largest block that the arena puts into a region when it is made, in bytes: a larger one never holds a chunk.
///
/// What escapes its region holds a chunk, so the smaller this is, the fewer do: of a cache's entries of 32–1,000 bytes a tenth, and with 512 half.
pub const LARGEST: usize = 128;

/// A stream's region. Dropping it closes it: its live blocks stay valid, and hold their chunks.
///
/// **Cost:** with the arena, 32 bytes when opened; from its first small block on, a chunk of 1 KiB.
#[derive(Debug)]
pub struct Region {
    how: how::Region,
    account: Account,
}

impl Region {
    /// Opens a region. If there is no memory for it, its blocks go to the free lists.
    #[must_use]
    pub fn new() -> Self {
        Self { how: how::Region::new(), account: Account::new() }
    }

    /// Runs `f` with this region entered, and enters again what was entered before. Calls nest.
    ///
    /// **Cost:** a few loads and stores at either end.
    #[inline]
    pub fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        let _charged = enter(Some(&self.account));
        how::within(Some(&self.how), f)
    }
}

/// Budgets, with every strategy, on wasm and natively, where each thread has its own entered region.
#[cfg(feature = "budget")]
impl Region {
    /// Opens a region that may hold so many bytes: see [`set_budget`](Self::set_budget).
    #[must_use]
    pub fn with_budget(bytes: usize) -> Self {
        let region = Self::new();
        region.set_budget(bytes);
        region
    }

    /// Sets the most bytes that may live of what is made while the region is entered, past which the allocator answers null; `usize::MAX` is no budget. What lives already stays.
    ///
    /// A block counts for the region that is entered when it is made, and is taken off the one that is entered when it is freed. What is made within [`outside`] counts for none.
    pub fn set_budget(&self, bytes: usize) {
        self.account.set_budget(bytes);
    }

    /// The budget in bytes; `usize::MAX` if there is none.
    #[must_use]
    pub fn budget(&self) -> usize {
        self.account.budget()
    }

    /// Bytes made less bytes freed while the region was entered.
    #[must_use]
    pub fn live(&self) -> usize {
        self.snapshot().live
    }

    /// How many blocks and growths its budget has refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.snapshot().refused
    }

    /// All of its figures.
    #[must_use]
    pub fn snapshot(&self) -> RegionSnapshot {
        self.account.snapshot()
    }
}

impl Default for Region {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs `f` outside of every region: for tables and caches that outlive the stream whose callback runs. Without it they work as well, and
/// hold a chunk for each entry that is no larger than [`LARGEST`].
#[inline]
pub fn outside<T>(f: impl FnOnce() -> T) -> T {
    let _charged = enter(None);
    how::within(None, f)
}

#[cfg(all(feature = "arena", target_family = "wasm", not(target_feature = "atomics")))]
mod routed {
    use crate::arena::{Arena, Entered, Handle};
    use crate::picked::HEAP;

    /// None only between the drop and the end, or if there was no memory.
    #[derive(Debug)]
    pub(super) struct Region(Option<Handle>);

    impl Region {
        pub(super) fn new() -> Self {
            Self(HEAP.with(Arena::open))
        }
    }

    impl Drop for Region {
        fn drop(&mut self) {
            if let Some(handle) = self.0.take() {
                // SAFETY: the handle is of the one arena there is. `within` borrows the region for as long as it is entered or waits to be entered
                // again, so it is neither.
                HEAP.with(|arena| unsafe { arena.close(handle) });
            }
        }
    }

    #[inline]
    pub(super) fn within<T>(region: Option<&Region>, f: impl FnOnce() -> T) -> T {
        let handle = region.and_then(|region| region.0.as_ref());
        // SAFETY: the handle is of the one arena there is; the region is borrowed until `restore` below has run, so it stays open.
        let before = HEAP.with(|arena| unsafe { arena.enter(handle) });
        let _restore = Restore(Some(before));
        f()
    }

    /// Restores also if `f` unwinds.
    struct Restore(Option<Entered>);

    impl Drop for Restore {
        fn drop(&mut self) {
            if let Some(before) = self.0.take() {
                // SAFETY: what was entered before is borrowed by the call of `within` around this one.
                HEAP.with(|arena| unsafe { arena.restore(before) });
            }
        }
    }
}

#[cfg(not(all(feature = "arena", target_family = "wasm", not(target_feature = "atomics"))))]
mod unrouted {
    #[derive(Debug)]
    pub(super) struct Region(());

    impl Region {
        pub(super) const fn new() -> Self {
            Self(())
        }
    }

    #[inline]
    pub(super) fn within<T>(_: Option<&Region>, f: impl FnOnce() -> T) -> T {
        f()
    }
}
