//! What all threads have in common: the depots, and the free lists of one thread behind a lock.

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use super::depot::Depot;
use crate::freelist::Freelist;
use crate::freelist::class::SMALL;
use crate::freelist::stack::Stack;
use crate::lock::Spin;
use crate::source::Source;
use crate::strategy::{Strategy, Usage};
use crate::sync::constant;

/// The free lists of one thread, behind the lock.
pub(super) type Central<S> = Freelist<Gate<S>>;

/// Free lists that threads share: each works through a [`Worker`](super::Worker) of its own.
///
/// ```
/// use sluicegate_alloc::source::Platform;
/// use sluicegate_alloc::{Shared, Strategy, Worker};
///
/// static LISTS: Shared<Platform> = Shared::new(Platform::new());
///
/// std::thread::scope(|scope| {
///     for _ in 0..2 {
///         scope.spawn(|| {
///             let mut lists = Worker::new(&LISTS);
///             let layout = std::alloc::Layout::new::<[u64; 4]>();
///             // SAFETY: the size is not zero, and the block goes back with its layout.
///             unsafe {
///                 let block = lists.allocate(layout);
///                 lists.release(block, layout);
///             }
///         });
///     }
/// });
/// assert!(LISTS.usage().pages > 0);
/// ```
pub struct Shared<S> {
    depots: [Depot; SMALL],
    lock: Spin,
    central: UnsafeCell<Central<S>>,
    /// Called once in each thread, before it keeps blocks: whether its end will be noticed.
    pub(super) arrive: fn() -> bool,
}

// SAFETY: the depots are made of atomics, and the central lists are touched only under the lock; what they hold may move to any thread.
unsafe impl<S: Send> Sync for Shared<S> {}

impl<S: Source> Shared<S> {
    constant! {
        /// Empty lists over a source.
        #[must_use]
        pub fn new(source: S) -> Self {
            Self::noticing(source, || true)
        }
    }

    constant! {
        /// As [`new`](Shared::new); `arrive` is called once in each thread, before it keeps blocks.
        pub(super) fn noticing(source: S, arrive: fn() -> bool) -> Self {
            Self {
                #[cfg(not(any(loom, shuttle)))]
                depots: [const { Depot::new() }; SMALL],
                #[cfg(any(loom, shuttle))]
                depots: core::array::from_fn(|_| Depot::new()),
                lock: Spin::new(),
                central: UnsafeCell::new(Freelist::new(Gate { source, shut: true })),
                arrive,
            }
        }
    }

    /// Gives what the threads have exchanged and everything cached back to the heap, where it coalesces; what threads keep for themselves stays.
    ///
    /// It happens by itself before memory grows, unless it has just happened. **Cost:** a walk over all free blocks, under the lock.
    pub fn trim(&self) {
        self.central(|central| {
            self.collect(central);
            central.trim();
        });
    }

    /// Where the memory stands.
    pub fn usage(&self) -> Usage {
        self.central(|central| central.usage())
    }

    /// Sets the limit in pages past which the answer is null.
    pub fn limit(&self, pages: usize) {
        self.central(|central| central.limit(pages));
    }

    /// Up to `most` blocks of a small class, and how many they are, or may be: never less. Memory may grow for them if `grow`.
    pub(super) fn batch(&self, class: usize, most: u32, grow: bool) -> (Stack, u32) {
        let batch = self.depots[class & (SMALL - 1)].pop();
        if !batch.is_null() {
            // SAFETY: the top of a list that was taken (contract of `leave`); the depot gave it to us alone.
            return (unsafe { Stack::of(batch) }, most);
        }
        self.trying(grow, |central| central.batch(class, most))
    }

    /// Leaves a batch for whoever needs it.
    pub(super) fn leave(&self, class: usize, mut batch: Stack) {
        let top = batch.take();
        if !top.is_null() {
            // SAFETY: the list is given away.
            unsafe { self.depots[class & (SMALL - 1)].push(top) };
        }
    }

    /// Runs `f` on the lists behind the lock, which do not grow memory meanwhile; nothing in `f` may allocate.
    pub(super) fn central<T>(&self, f: impl FnOnce(&mut Central<S>) -> T) -> T {
        let _held = self.lock.hold();
        // SAFETY: the only reference while the lock is held; `f` neither allocates nor calls out.
        f(unsafe { &mut *self.central.get() })
    }

    /// Runs `f` on the lists behind the lock; memory may grow if `grow`.
    pub(super) fn trying<T>(&self, grow: bool, f: impl FnOnce(&mut Central<S>) -> T) -> T {
        self.central(|central| {
            central.source().shut = !grow;
            let result = f(central);
            central.source().shut = true;
            result
        })
    }

    /// Runs `f` on the lists behind the lock, after all that the threads exchanged went back there; memory may grow now.
    #[cold]
    #[inline(never)]
    pub(super) fn growing<T>(&self, f: impl FnOnce(&mut Central<S>) -> T) -> T {
        self.trying(true, |central| {
            self.collect(central);
            f(central)
        })
    }

    /// Empties the depots.
    fn collect(&self, central: &mut Central<S>) {
        for (class, depot) in self.depots.iter().enumerate() {
            depot.drain(|batch| {
                // SAFETY: the top of a list that was taken (contract of `leave`); the depot gave it to us alone.
                let mut batch = unsafe { Stack::of(batch) };
                loop {
                    let block = batch.pop();
                    if block.is_null() {
                        break;
                    }
                    // SAFETY: a layout's block goes to the class that it came from.
                    unsafe { central.slabs.push(block, class) };
                }
            });
        }
    }
}

/// A source that grows only while it is told to: what other threads have exchanged must come back first.
pub(super) struct Gate<S> {
    source: S,
    shut: bool,
}

// SAFETY: everything is the inner source's.
unsafe impl<S: Source> Source for Gate<S> {
    fn next(&self) -> Option<usize> {
        self.source.next()
    }

    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>> {
        if self.shut { None } else { self.source.acquire(least, wish) }
    }

    fn held(&self) -> usize {
        self.source.held()
    }

    fn limit(&mut self, pages: usize) {
        self.source.limit(pages);
    }
}
