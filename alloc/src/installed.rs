//! The functions that the free functions of this crate call of a global allocator.

use core::ptr::NonNull;

use crate::Global;
use crate::shape::Shape;
use crate::stats::Snapshot;
use crate::strategy::{Strategy, Usage};

/// The functions of the global allocator that the free functions of this crate and
/// [regions](crate::region) call. [`Global`] implements the trait for every strategy.
pub trait Installed: Sync {
    /// Returns the bytes in live blocks.
    fn live(&self) -> usize;

    /// Returns the usage of the allocator's memory.
    fn usage(&self) -> Usage;

    /// Returns all current figures.
    fn snapshot(&self) -> Snapshot;

    /// Sets the largest number of pages that the allocator may hold. Returns whether the allocator
    /// keeps the limit.
    fn limit(&self, pages: usize) -> bool;

    /// Calls `look` with the layout of the allocator's memory: see [`Strategy::shape`]. `look` must
    /// not allocate.
    fn look(&self, look: &mut dyn FnMut(Option<Shape<'_>>)) {
        look(None);
    }

    /// Returns the live blocks by the site that allocated them.
    #[cfg(feature = "profile")]
    fn profile(&self) -> crate::profile::Profile {
        crate::profile::Profile::NEW
    }

    /// Sets the average number of bytes between two samples.
    #[cfg(feature = "profile")]
    fn profile_each(&self, _bytes: usize) {}

    /// Opens a region: see [`Strategy::open_region`].
    fn open_region(&self) -> Option<NonNull<u8>> {
        None
    }

    /// Enters a region, or leaves all regions: see [`Strategy::enter_region`].
    ///
    /// # Safety
    ///
    /// As for [`Strategy::enter_region`].
    unsafe fn enter_region(&self, _region: Option<NonNull<u8>>) -> Option<NonNull<u8>> {
        None
    }

    /// Closes a region: see [`Strategy::close_region`].
    ///
    /// # Safety
    ///
    /// As for [`Strategy::close_region`].
    unsafe fn close_region(&self, _region: NonNull<u8>) {}
}

impl<A: Strategy + Send> Installed for Global<A> {
    fn live(&self) -> usize {
        self.live()
    }

    fn usage(&self) -> Usage {
        self.usage()
    }

    fn snapshot(&self) -> Snapshot {
        self.snapshot()
    }

    fn limit(&self, pages: usize) -> bool {
        self.limit(pages)
    }

    fn look(&self, look: &mut dyn FnMut(Option<Shape<'_>>)) {
        self.strategy(|strategy| look(strategy.shape()));
    }

    #[cfg(feature = "profile")]
    fn profile(&self) -> crate::profile::Profile {
        self.profile()
    }

    #[cfg(feature = "profile")]
    fn profile_each(&self, bytes: usize) {
        self.profile_each(bytes);
    }

    fn open_region(&self) -> Option<NonNull<u8>> {
        self.strategy(Strategy::open_region)
    }

    unsafe fn enter_region(&self, region: Option<NonNull<u8>>) -> Option<NonNull<u8>> {
        // SAFETY: as the caller promises.
        self.strategy(|strategy| unsafe { strategy.enter_region(region) })
    }

    unsafe fn close_region(&self, region: NonNull<u8>) {
        // SAFETY: as the caller promises.
        self.strategy(|strategy| unsafe { strategy.close_region(region) });
    }
}
