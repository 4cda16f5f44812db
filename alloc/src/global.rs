//! From a strategy to a global allocator: a cell where there is one thread, a spin lock where there are more.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{null_mut, write_bytes};

#[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
use crate::lock::Spin;
#[cfg(feature = "budget")]
use crate::reserve::Reserve;
use crate::stats::{Counters, Snapshot};
use crate::strategy::Strategy;
use crate::sync::constant;

/// A strategy as a global allocator.
///
/// On wasm without threads the cell costs nothing. Elsewhere a spin lock is held for the length of one operation; the free lists have a form for threads of
/// their own, `Native`, which does without.
pub struct Global<A> {
    #[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
    lock: Spin,
    inner: UnsafeCell<Inner<A>>,
}

struct Inner<A> {
    strategy: A,
    counters: Counters,
    #[cfg(feature = "budget")]
    reserve: Reserve,
}

impl<A> Inner<A> {
    /// Whether budgets allow that a block of `old` bytes, none if zero, becomes one of `new`.
    #[cfg(feature = "budget")]
    #[inline]
    fn admits(&mut self, old: usize, new: usize) -> bool {
        self.counters.admits(old, new, self.reserve.extra(), self.reserve.is_open())
    }

    #[cfg(not(feature = "budget"))]
    #[inline]
    #[expect(clippy::unused_self, reason = "the twin that counts uses it")]
    const fn admits(&self, _: usize, _: usize) -> bool {
        true
    }
}

// SAFETY: `with` gives the strategy to one caller at a time: on wasm without threads there is only one, elsewhere the lock is held. The strategy may
// be used from any thread, as it is `Send`.
unsafe impl<A: Send> Sync for Global<A> {}

impl<A: Strategy> Global<A> {
    constant! {
        /// A global allocator over the strategy; const, for a static.
        pub fn new(strategy: A) -> Self {
            Self {
                #[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
                lock: Spin::new(),
                inner: UnsafeCell::new(Inner {
                    strategy,
                    counters: Counters::new(),
                    #[cfg(feature = "budget")]
                    reserve: Reserve::new(),
                }),
            }
        }
    }

    /// The strategy itself, for what is not allocation; nothing in `f` may allocate.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut A) -> T) -> T {
        self.enter(|inner| f(&mut inner.strategy))
    }

    /// Live and peak bytes, pages and grows, at this moment.
    pub fn snapshot(&self) -> Snapshot {
        self.enter(|inner| inner.counters.snapshot(inner.strategy.usage()))
    }

    /// Sets the most pages that the allocator may hold, past which it answers null; on wasm that counts the whole linear memory. Held pages stay.
    pub fn limit(&self, pages: usize) {
        self.with(|strategy| strategy.limit(pages));
    }

    /// Sets the most bytes in live blocks, past which it answers null. What lives already stays.
    #[cfg(feature = "budget")]
    pub fn budget(&self, bytes: usize) {
        self.enter(|inner| inner.counters.set_budget(bytes));
    }

    /// Bytes in live blocks at this moment.
    #[cfg(feature = "budget")]
    pub fn live(&self) -> usize {
        self.enter(|inner| inner.counters.live())
    }

    /// Sets so many bytes aside for [`with_reserve`](Self::with_reserve), instead of those before; false if there is no memory for them now.
    #[cfg(feature = "budget")]
    pub fn reserve(&self, bytes: usize) -> bool {
        self.enter(|inner| inner.reserve.set(bytes, &mut inner.strategy))
    }

    /// Sets aside what is missing of the reserve; false if there is no memory for it, or the reserve is open.
    #[cfg(feature = "budget")]
    pub fn refill(&self) -> bool {
        self.enter(|inner| inner.reserve.refill(&mut inner.strategy))
    }

    /// Runs `f` with the reserve open: its memory may be used, by `f` and by other threads, the total budget is larger by as much, and no region's budget counts. Calls nest. Afterwards the reserve is
    /// set aside again, as far as there is memory: [`refill`](Self::refill) tells, and tries again.
    #[cfg(feature = "budget")]
    pub fn with_reserve<T>(&self, f: impl FnOnce() -> T) -> T {
        struct Open<'a, A: Strategy>(&'a Global<A>);

        impl<A: Strategy> Drop for Open<'_, A> {
            fn drop(&mut self) {
                self.0.enter(|inner| inner.reserve.leave(&mut inner.strategy));
            }
        }

        self.enter(|inner| inner.reserve.enter(&mut inner.strategy));
        let _open = Open(self);
        f()
    }

    /// A block whose layout may ask for any alignment.
    #[inline(always)]
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        self.enter(|inner| {
            if !inner.admits(0, layout.size()) {
                return null_mut();
            }
            // SAFETY: the size is not zero, which the caller promises.
            let block = unsafe { inner.strategy.allocate(layout) };
            inner.counters.changed(block, 0, layout.size());
            block
        })
    }

    #[inline(always)]
    unsafe fn release(&self, block: *mut u8, layout: Layout) {
        self.enter(|inner| {
            inner.counters.changed(block, layout.size(), 0);
            // SAFETY: the block is live, from here, with this layout; the caller promises it.
            unsafe { inner.strategy.release(block, layout) };
        });
    }

    /// A block whose layout asks for no more alignment than the strategy always gives.
    #[inline(always)]
    unsafe fn allocate_sized(&self, size: usize) -> *mut u8 {
        // SAFETY: the size is a layout's, so it is valid with alignment 1.
        let layout = unsafe { Layout::from_size_align_unchecked(size, 1) };
        // SAFETY: the size is not zero, which the caller promises.
        unsafe { self.allocate(layout) }
    }

    #[inline(always)]
    unsafe fn release_sized(&self, block: *mut u8, size: usize) {
        // SAFETY: the size is a layout's, so it is valid with alignment 1.
        let layout = unsafe { Layout::from_size_align_unchecked(size, 1) };
        // SAFETY: the block is live and was made with this layout, by `allocate_sized`; the caller promises it.
        unsafe { self.release(block, layout) };
    }

    #[inline(never)]
    unsafe fn allocate_called(&self, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.allocate_sized(size) }
    }

    #[inline(never)]
    unsafe fn release_called(&self, block: *mut u8, size: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.release_sized(block, size) };
    }

    #[cold]
    #[inline(never)]
    unsafe fn allocate_aligned(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.allocate(layout) }
    }

    #[cold]
    #[inline(never)]
    unsafe fn release_aligned(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.release(block, layout) };
    }

    #[inline]
    fn enter<T>(&self, f: impl FnOnce(&mut Inner<A>) -> T) -> T {
        #[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
        let _held = self.lock.hold();
        // SAFETY: the only reference: strategies neither allocate nor call out (contract of `Strategy`), no `f` of this crate does, and other
        // threads do not exist or wait for the lock.
        f(unsafe { &mut *self.inner.get() })
    }
}

// SAFETY: the strategy's blocks are what `GlobalAlloc` asks for (contract of `Strategy`), and nothing here unwinds.
unsafe impl<A: Strategy> GlobalAlloc for Global<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > A::ALIGN {
            // SAFETY: the size is not zero, which the caller promises.
            unsafe { self.allocate_aligned(layout) }
        } else if A::INLINE {
            // SAFETY: as above.
            unsafe { self.allocate_sized(layout.size()) }
        } else {
            // SAFETY: as above.
            unsafe { self.allocate_called(layout.size()) }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.align() > A::ALIGN {
            // SAFETY: the block is live, from here, with this layout; the caller promises it.
            unsafe { self.release_aligned(block, layout) };
        } else if A::INLINE {
            // SAFETY: as above.
            unsafe { self.release_sized(block, layout.size()) };
        } else {
            // SAFETY: as above.
            unsafe { self.release_called(block, layout.size()) };
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero, which the caller promises.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // Recycled memory is dirty, and whether a block is fresh is not known here: always clear, outside of the lock.
            // SAFETY: the block is ours and has the layout's size.
            unsafe { write_bytes(block, 0, layout.size()) };
        }
        block
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The layout that the block was asked of the strategy with.
        let align = if layout.align() > A::ALIGN { layout.align() } else { 1 };
        // SAFETY: the size is a layout's, so it is valid with its own alignment and with 1.
        let layout = unsafe { Layout::from_size_align_unchecked(layout.size(), align) };
        self.enter(|inner| {
            if !inner.admits(layout.size(), size) {
                return null_mut();
            }
            // SAFETY: the block is live, from here, with this layout, and the size valid; the caller promises it.
            let moved = unsafe { inner.strategy.resize(block, layout, size) };
            inner.counters.changed(moved, layout.size(), size);
            moved
        })
    }
}
