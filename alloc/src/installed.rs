//! The allocator that the program runs on: the selected one, or another that the program announces.

use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::Global;
use crate::report::Shape;
use crate::selected;
use crate::stats::Snapshot;
use crate::strategy::{Strategy, Usage};
use crate::sync::SINGLE_THREADED;

/// The questions that the free functions of this crate and [regions](crate::region) ask of the
/// global allocator. [`Global`] has it, whatever its strategy.
pub trait Installed: Sync {
    /// Returns the bytes in live blocks.
    fn live(&self) -> usize;

    /// Returns where its memory stands.
    fn usage(&self) -> Usage;

    /// Returns all figures of this moment.
    fn snapshot(&self) -> Snapshot;

    /// Sets the most pages that it may hold; returns whether it keeps the limit.
    fn limit(&self, pages: usize) -> bool;

    /// Calls `look` with what the allocator shows of its memory: see [`Strategy::shape`]. `look`
    /// allocates nothing.
    fn look(&self, look: &mut dyn FnMut(Option<Shape<'_>>)) {
        look(None);
    }

    /// Returns what lives, by the site that allocated it.
    #[cfg(feature = "profile")]
    fn profile(&self) -> crate::profile::Profile {
        crate::profile::Profile::NEW
    }

    /// Sets how many bytes pass from one sample to the next, on average.
    #[cfg(feature = "profile")]
    fn profile_each(&self, _bytes: usize) {}

    /// Opens a region: see [`Strategy::open_region`].
    fn open_region(&self) -> Option<NonNull<u8>> {
        None
    }

    /// Enters a region, or none: see [`Strategy::enter_region`].
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

/// The announced allocator; null if there is none.
static ANNOUNCED: AtomicPtr<&'static dyn Installed> = AtomicPtr::new(null_mut());

/// `true` if the installed allocator was asked for a region: then it stays the installed one, as
/// it must close what it opened.
static SETTLED: AtomicBool = AtomicBool::new(false);

/// Makes an allocator the one that the free functions speak of: what
/// [`announce!`](crate::announce) does.
#[doc(hidden)]
pub fn __announce(heap: &'static &'static dyn Installed) -> bool {
    if SETTLED.load(Ordering::Relaxed) {
        return false;
    }
    let heap = core::ptr::from_ref(heap).cast_mut();
    ANNOUNCED.compare_exchange(null_mut(), heap, Ordering::Release, Ordering::Relaxed).is_ok()
}

/// Returns the allocator that the program runs on, as far as this crate knows it.
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

/// Keeps the installed allocator the installed one from here on: it opens a region.
#[inline]
pub(crate) fn settle() {
    if SINGLE_THREADED {
        // SAFETY: there is no other thread that could look meanwhile.
        unsafe { *SETTLED.as_ptr() = true };
    } else {
        SETTLED.store(true, Ordering::Relaxed);
    }
}

/// Returns all figures of the program's allocator at this moment; zeros if this crate does not
/// know it. It allocates nothing.
#[must_use]
pub fn snapshot() -> Snapshot {
    installed().map(Installed::snapshot).unwrap_or_default()
}

/// Returns the bytes in live blocks of the program's allocator, as they were asked for. Zero
/// without the feature `live`, and if this crate does not know the allocator.
///
/// **Cost:** a load.
#[must_use]
pub fn live() -> usize {
    installed().map_or(0, Installed::live)
}

/// Returns where the memory of the program's allocator stands; zeros if this crate does not
/// know it.
#[must_use]
pub fn usage() -> Usage {
    installed().map(Installed::usage).unwrap_or_default()
}

/// Sets the most pages of 64 KiB that the program's allocator may hold, past which it answers
/// null. On wasm that counts the whole
/// linear memory, data and stack included. Pages that it holds stay.
///
/// Returns false if nothing came of it: `system` grows memory by itself and takes no limit, and
/// an allocator that this crate does not know takes none either.
///
/// **Cost:** nothing on any allocation: the limit is looked at where memory grows.
pub fn limit(pages: usize) -> bool {
    installed().is_some_and(|heap| heap.limit(pages))
}
