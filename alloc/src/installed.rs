//! The allocator of the program: the selected one, or another one that the program announces.

use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::Global;
use crate::report::Shape;
use crate::selected;
use crate::stats::Snapshot;
use crate::strategy::{Strategy, Usage};
use crate::sync::SINGLE_THREADED;

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
