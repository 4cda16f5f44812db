//! The shared state of all threads: the depots, and the free lists of one thread behind a lock.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::depot::Depot;
use super::magazines::CLASSES;
use crate::freelist::Freelist;
use crate::freelist::class;
use crate::freelist::stack::Stack;
use crate::lock::Spin;
use crate::policy;
use crate::source::Source;
use crate::strategy::{Strategy, Usage};
use crate::sync::constant;

/// Free lists that threads share: each works through a [`Worker`](super::Worker) of its own.
///
/// ```
/// use sluicegate_alloc::source::Platform;
/// use sluicegate_alloc::Strategy;
/// use sluicegate_alloc::testing::{Shared, Worker};
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
    depots: [Depot; CLASSES],
    /// About how many batches each depot has. It decides no order of steps, so no model checker
    /// need see it.
    batches: [AtomicUsize; CLASSES],
    /// The depot that gave a batch back last.
    hand: AtomicUsize,
    lock: Spin,
    central: UnsafeCell<Freelist<S>>,
    /// Called once in each thread, before it keeps blocks: whether its end will be noticed.
    pub(super) arrive: fn() -> bool,
}

// SAFETY: the depots are made of atomics, and the central lists are touched only under the lock;
// what they hold may move to any thread.
unsafe impl<S: Send> Sync for Shared<S> {}

impl<S: Source> Shared<S> {
    constant! {
        /// Creates empty lists over a source.
        #[must_use]
        pub fn new(source: S) -> Self {
            Self::noticing(source, || true)
        }
    }

    constant! {
        /// Creates empty lists as [`new`](Shared::new) does. `arrive` is called once in each
        /// thread, before it keeps blocks.
        pub(super) fn noticing(source: S, arrive: fn() -> bool) -> Self {
            Self {
                #[cfg(not(any(loom, shuttle)))]
                depots: [const { Depot::new() }; CLASSES],
                #[cfg(any(loom, shuttle))]
                depots: core::array::from_fn(|_| Depot::new()),
                batches: [const { AtomicUsize::new(0) }; CLASSES],
                hand: AtomicUsize::new(0),
                lock: Spin::new(),
                central: UnsafeCell::new(Freelist::new(source)),
                arrive,
            }
        }
    }

    /// Gives what the threads have exchanged and everything kept back to the heap, where it
    /// coalesces; what threads keep for themselves stays.
    ///
    /// Before memory grows a little of it happens by itself. **Cost:** a free of the heap for each
    /// block, a batch at a time under the lock.
    pub fn trim(&self) {
        for class in 0..CLASSES {
            while self.collect(class) {}
        }
        self.central(Freelist::trim);
    }

    /// Returns the use of memory.
    pub fn usage(&self) -> Usage {
        self.central(|central| central.usage())
    }

    /// Sets the limit in pages past which the answer is null.
    pub fn limit(&self, pages: usize) {
        self.central(|central| central.limit(pages));
    }

    /// Up to `most` blocks of a small class, and how many they are, or may be: never less. Memory
    /// may grow for them if `grow`.
    pub(super) fn batch(&self, class: usize, most: u32, grow: bool) -> (Stack, u32) {
        let batch = self.pop(class);
        if !batch.is_empty() {
            return (batch, most);
        }
        // SAFETY: the slot is one of a small class.
        self.central(|central| unsafe { central.batch(class::FIRST + class, most, grow) })
    }

    /// A batch from a depot; empty if there is none.
    fn pop(&self, class: usize) -> Stack {
        let Some((depot, batches)) = self.depots.get(class).zip(self.batches.get(class)) else {
            return Stack::EMPTY;
        };
        let batch = depot.pop();
        if !batch.is_null() {
            batches.fetch_sub(1, Ordering::Relaxed);
        }
        // SAFETY: the top of a list that was taken (contract of `leave`), if any; the depot gave it
        // to us alone.
        unsafe { Stack::of(batch) }
    }

    /// Leaves a batch for whoever needs it; one that the depot has no room for goes to the heap.
    pub(super) fn leave(&self, class: usize, mut batch: Stack) {
        let Some((depot, batches)) = self.depots.get(class).zip(self.batches.get(class)) else { return };
        let top = batch.take();
        if top.is_null() {
            return;
        }
        if batches.load(Ordering::Relaxed) >= policy::DEPOT {
            // SAFETY: the list was just taken, and is ours.
            return self.give(class, unsafe { Stack::of(top) });
        }
        batches.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the list is given away.
        unsafe { depot.push(top) };
    }

    /// Runs `f` on the lists behind the lock; nothing in `f` may allocate.
    pub(super) fn central<T>(&self, f: impl FnOnce(&mut Freelist<S>) -> T) -> T {
        let _held = self.lock.hold();
        // SAFETY: the only reference while the lock is held; `f` neither allocates nor calls out.
        f(unsafe { &mut *self.central.get() })
    }

    /// Gives a batch from the next depot that has one back to the heap, before memory grows.
    #[cold]
    #[inline(never)]
    pub(super) fn collect_some(&self) {
        for _ in 0..CLASSES {
            if self.collect(self.hand.fetch_add(1, Ordering::Relaxed) % CLASSES) {
                return;
            }
        }
    }

    /// Gives a batch of a depot back to the heap; false if it has none.
    fn collect(&self, class: usize) -> bool {
        let batch = self.pop(class);
        let any = !batch.is_empty();
        self.give(class, batch);
        any
    }

    /// Gives the blocks of a batch back to the heap.
    fn give(&self, class: usize, mut batch: Stack) {
        if batch.is_empty() {
            return;
        }
        let need = class::small_need(class::FIRST + class);
        self.central(|central| {
            loop {
                let block = batch.pop();
                if block.is_null() {
                    break;
                }
                // SAFETY: the blocks of a batch are the heap's, of its class's size, and the batch
                // is ours.
                unsafe { central.heap.free(block, need) };
            }
        });
    }
}
