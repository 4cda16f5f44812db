//! From a strategy to a global allocator: a cell where there is one thread, a spin lock where
//! there are more.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::write_bytes;

use crate::lock::Spin;
use crate::profile::Sampler;
use crate::report::HeapReport;
use crate::stats::{Counters, Snapshot};
use crate::strategy::{Strategy, Usage};
use crate::sync::constant;

/// A strategy as a global allocator, with what it has handed out.
///
/// On wasm without threads the cell costs nothing. Elsewhere a spin lock is held for the length
/// of one operation; the free lists have a form for threads of
/// their own, `Native`, which does without.
///
/// **Cost:** with the feature `live`, twelve or thirteen wasm instructions a pair of blocks, to
/// keep live bytes exact; without it, nothing.
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
        /// Returns a global allocator over the strategy; const, for a static.
        pub fn new(strategy: A) -> Self {
            Self { lock: Spin::new(), inner: UnsafeCell::new(Inner { counters: Counters::new(), sampler: Sampler::new(), strategy }) }
        }
    }

    /// Runs `f` on the strategy: for what a strategy can do beside allocation, such as to trim.
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
    /// `f` uses this allocator neither to allocate nor to free, nor anything else of this
    /// value. It puts no other strategy in the place of this one, and frees
    /// only what it has itself allocated from the strategy: such blocks are not counted as live.
    pub unsafe fn with<T>(&self, f: impl FnOnce(&mut A) -> T) -> T {
        self.strategy(f)
    }

    /// Runs `f`, which is one of the strategy's own methods, on the strategy.
    #[inline]
    pub(crate) fn strategy<T>(&self, f: impl FnOnce(&mut A) -> T) -> T {
        self.enter(|inner| f(&mut inner.strategy))
    }

    /// Returns all figures of this moment.
    pub fn snapshot(&self) -> Snapshot {
        self.enter(|inner| inner.counters.snapshot(inner.strategy.usage()))
    }

    /// Returns the bytes in live blocks, as they were asked for; zero without the feature `live`.
    ///
    /// **Cost:** a load.
    pub fn live(&self) -> usize {
        self.enter(|inner| inner.counters.live())
    }

    /// Returns where the strategy's memory stands.
    pub fn usage(&self) -> Usage {
        self.enter(|inner| inner.strategy.usage())
    }

    /// Returns where the strategy's memory is: see [`heap_report`](crate::heap_report), which has
    /// the cost too.
    pub fn report(&self) -> HeapReport {
        self.enter(|inner| HeapReport::new(inner.strategy.usage(), inner.counters.live(), inner.strategy.shape()))
    }

    /// Returns what lives, by the site that allocated it: see [`profile`](crate::profile).
    #[cfg(feature = "profile")]
    pub fn profile(&self) -> crate::profile::Profile {
        self.enter(|inner| inner.sampler.profile())
    }

    /// Sets how many bytes pass from one sample to the next, on average. Samples that there are go.
    #[cfg(feature = "profile")]
    pub fn profile_each(&self, bytes: usize) {
        self.enter(|inner| inner.sampler.each(bytes));
    }

    /// Sets the most pages that the allocator may hold, past which it answers null; on wasm
    /// that counts the whole linear memory. Pages that it holds stay.
    ///
    /// Returns whether the strategy keeps the limit: see [`Strategy::LIMITED`].
    pub fn limit(&self, pages: usize) -> bool {
        self.enter(|inner| inner.strategy.limit(pages));
        A::LIMITED
    }

    /// Does [`Inner::allocate`], behind a call.
    #[inline(never)]
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.enter(|inner| unsafe { inner.allocate(layout) })
    }

    /// Does [`Inner::release`], behind a call.
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
    /// Has the strategy make a block, and counts it.
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

    /// Counts that a block is gone, and gives it back to the strategy.
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
