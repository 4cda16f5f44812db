//! From a strategy to a global allocator: a cell where there is one thread, a spin lock where there are more.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::write_bytes;

#[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
use crate::lock::Spin;
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
                inner: UnsafeCell::new(Inner { strategy, counters: Counters::new() }),
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

    #[inline]
    fn enter<T>(&self, f: impl FnOnce(&mut Inner<A>) -> T) -> T {
        #[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
        let _held = self.lock.hold();
        // SAFETY: the only reference: strategies neither allocate nor call out (contract of `Strategy`), no `f` of this crate does, and other
        // threads do not exist or wait for the lock.
        f(unsafe { &mut *self.inner.get() })
    }
}

// Not inlined: that made traces 8–12 % faster and ordinary code 3–5 %, for 10 kB of a module of 50.
// SAFETY: the strategy's blocks are what `GlobalAlloc` asks for (contract of `Strategy`), and nothing here unwinds.
unsafe impl<A: Strategy> GlobalAlloc for Global<A> {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.enter(|inner| {
            // SAFETY: the size is not zero, which the caller promises.
            let block = unsafe { inner.strategy.allocate(layout) };
            inner.counters.allocated(block, layout.size());
            block
        })
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.enter(|inner| {
            inner.counters.released(layout.size());
            // SAFETY: the block is live, from here, with this layout; the caller promises it.
            unsafe { inner.strategy.release(block, layout) };
        });
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
        self.enter(|inner| {
            // SAFETY: the block is live, from here, with this layout, and the size valid; the caller promises it.
            let moved = unsafe { inner.strategy.resize(block, layout, size) };
            inner.counters.resized(moved, layout.size(), size);
            moved
        })
    }
}
