//! Makes a global allocator of a strategy, with a cell if there is one thread, and with a spin lock
//! if there are more.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::write_bytes;

use crate::lock::Spin;
use crate::profile::Sampler;
use crate::report::HeapReport;
use crate::stats::{Counters, Snapshot};
use crate::strategy::{Strategy, Usage};
use crate::sync::constant;

/// A global allocator over a strategy, with counters.
///
/// On wasm without threads the cell costs nothing. Elsewhere each operation holds a spin lock. The
/// free lists have a form for threads without this lock, `Native`.
///
/// **Cost:** with the feature `live`, an allocation and its free take 12 or 13 more wasm
/// instructions, for the exact count of live bytes. Without the feature there is no cost.
pub struct Global<A> {
    lock: Spin,
    inner: UnsafeCell<Inner<A>>,
}

struct Inner<A> {
    counters: Counters,
    sampler: Sampler,
    strategy: A,
}

// SAFETY: `enter` gives the strategy to one caller at a time: on wasm without threads there is
// only one, elsewhere the lock is held. The strategy may
// be used from any thread, as it is `Send`.
unsafe impl<A: Send> Sync for Global<A> {}

impl<A: Strategy> Global<A> {
    constant! {
        /// Creates a global allocator over the strategy. The function is `const`, for a static.
        pub fn new(strategy: A) -> Self {
            Self { lock: Spin::new(), inner: UnsafeCell::new(Inner { counters: Counters::new(), sampler: Sampler::new(), strategy }) }
        }
    }

    /// Runs `f` on the strategy, for operations of the strategy other than allocation, such as a
    /// trim.
    ///
    /// ```
    /// use sluicegate_alloc::{Freelist, Global, source::Platform};
    ///
    /// static MINE: Global<Freelist<Platform>> = Global::new(Freelist::new(Platform::new()));
    ///
    /// // SAFETY: a trim allocates nothing, and the strategy stays where it is.
    /// unsafe { MINE.with(|lists| lists.trim()) };
    /// ```
    ///
    /// # Safety
    ///
    /// `f` must not allocate or free with this allocator, and must not use anything else of this
    /// value. It must not replace the strategy. It must free only blocks that it has itself
    /// allocated from the strategy. Such blocks do not count as live.
    pub unsafe fn with<T>(&self, f: impl FnOnce(&mut A) -> T) -> T {
        self.strategy(f)
    }

    /// Runs `f`, which is a method of the strategy, on the strategy.
    #[inline]
    pub(crate) fn strategy<T>(&self, f: impl FnOnce(&mut A) -> T) -> T {
        self.enter(|inner| f(&mut inner.strategy))
    }

    /// Returns all current figures.
    pub fn snapshot(&self) -> Snapshot {
        self.enter(|inner| inner.counters.snapshot(inner.strategy.usage()))
    }

    /// Returns the requested bytes of all live blocks. Returns zero without the feature `live`.
    ///
    /// **Cost:** one load.
    pub fn live(&self) -> usize {
        self.enter(|inner| inner.counters.live())
    }

    /// Returns the usage of the strategy's memory.
    pub fn usage(&self) -> Usage {
        self.enter(|inner| inner.strategy.usage())
    }

    /// Returns a report of the strategy's memory: see [`heap_report`](crate::heap_report), which
    /// also has the cost.
    pub fn report(&self) -> HeapReport {
        self.enter(|inner| HeapReport::new(inner.strategy.usage(), inner.counters.live(), inner.strategy.shape()))
    }

    /// Returns the live blocks by the site that allocated them: see [`profile`](crate::profile).
    #[cfg(feature = "profile")]
    pub fn profile(&self) -> crate::profile::Profile {
        self.enter(|inner| inner.sampler.profile())
    }

    /// Sets the average number of bytes between two samples. Removes the existing samples.
    #[cfg(feature = "profile")]
    pub fn profile_each(&self, bytes: usize) {
        self.enter(|inner| inner.sampler.each(bytes));
    }

    /// Sets a limit of pages, over which the allocator returns null. On wasm the limit applies to
    /// the whole linear memory. Pages that the allocator holds already stay.
    ///
    /// Returns whether the strategy keeps the limit: see [`Strategy::LIMITED`].
    pub fn limit(&self, pages: usize) -> bool {
        self.enter(|inner| inner.strategy.limit(pages));
        A::LIMITED
    }

    /// Calls [`Inner::allocate`], and is not inlined.
    #[inline(never)]
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.enter(|inner| unsafe { inner.allocate(layout) })
    }

    /// Calls [`Inner::release`], and is not inlined.
    #[inline(never)]
    unsafe fn release(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        self.enter(|inner| unsafe { inner.release(block, layout) });
    }

    #[inline]
    fn enter<T>(&self, f: impl FnOnce(&mut Inner<A>) -> T) -> T {
        let _held = self.lock.hold();
        // SAFETY: the only reference: strategies neither allocate nor call out (contract
        // of `Strategy`), no `f` of this crate does, that of `with` does not by
        // its contract, and other threads do not exist or wait for the lock.
        f(unsafe { &mut *self.inner.get() })
    }
}

impl<A: Strategy> Inner<A> {
    /// Allocates a block with the strategy, and counts the block.
    ///
    /// # Safety
    ///
    /// As for [`Strategy::allocate`].
    #[inline(always)]
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { self.strategy.allocate(layout) };
        self.counters.made(block, 0, layout.size());
        self.sampler.made(block, layout.size());
        block
    }

    /// Frees a block with the strategy, and counts the free.
    ///
    /// # Safety
    ///
    /// As for [`Strategy::release`].
    #[inline(always)]
    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        self.counters.released(layout.size());
        self.sampler.released(block);
        // SAFETY: as the caller promises.
        unsafe { self.strategy.release(block, layout) };
    }
}

// SAFETY: the strategy's blocks are what `GlobalAlloc` asks for (contract of `Strategy`), and
// nothing here unwinds.
unsafe impl<A: Strategy> GlobalAlloc for Global<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if A::INLINE {
            // SAFETY: the size is not zero, which the caller promises.
            self.enter(|inner| unsafe { inner.allocate(layout) })
        } else {
            // SAFETY: as above.
            unsafe { self.allocate(layout) }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if A::INLINE {
            // SAFETY: the block is live, from here, with this layout; the caller promises it.
            self.enter(|inner| unsafe { inner.release(block, layout) });
        } else {
            // SAFETY: as above.
            unsafe { self.release(block, layout) };
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero, which the caller promises.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // Recycled memory is dirty, and whether a block is fresh is not known
            // here: always clear, outside of the lock.
            // SAFETY: the block is ours and has the layout's size.
            unsafe { write_bytes(block, 0, layout.size()) };
        }
        block
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.enter(|inner| {
            // SAFETY: the block is live, from here, by this layout, and the size
            // valid; the caller promises it.
            let moved = unsafe { inner.strategy.resize(block, layout, size) };
            inner.counters.made(moved, layout.size(), size);
            inner.sampler.resized(block, moved, size);
            moved
        })
    }
}
