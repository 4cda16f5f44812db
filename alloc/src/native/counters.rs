//! The counters of the feature `stats`, for many threads; without it they have no fields and do
//! nothing.

use crate::stats::Snapshot;
#[cfg(feature = "stats")]
use crate::stats::{CLASSES, Class, class_of};
use crate::strategy::Usage;

#[cfg(feature = "stats")]
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Counts of all threads. They are exact, but not of one moment: a block may be counted live a
/// little before or after it is.
pub(super) struct Counters {
    #[cfg(feature = "stats")]
    live: AtomicUsize,
    #[cfg(feature = "stats")]
    peak: AtomicUsize,
    #[cfg(feature = "stats")]
    allocations: AtomicU64,
    #[cfg(feature = "stats")]
    frees: AtomicU64,
    #[cfg(feature = "stats")]
    refused: AtomicU64,
    #[cfg(feature = "stats")]
    classes: [OfClass; CLASSES],
}

#[cfg(not(feature = "stats"))]
const _: () = assert!(size_of::<Counters>() == 0, "free when off");

/// The counts of one size class.
#[cfg(feature = "stats")]
struct OfClass {
    live: AtomicUsize,
    allocations: AtomicU64,
    frees: AtomicU64,
}

#[cfg(feature = "stats")]
impl Counters {
    pub(super) const fn new() -> Self {
        Self {
            live: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            allocations: AtomicU64::new(0),
            frees: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            classes: [const {
                OfClass { live: AtomicUsize::new(0), allocations: AtomicU64::new(0), frees: AtomicU64::new(0) }
            }; CLASSES],
        }
    }

    pub(super) fn snapshot(&self, usage: Usage) -> Snapshot {
        Snapshot {
            live: self.live.load(Relaxed),
            peak: self.peak.load(Relaxed),
            allocations: self.allocations.load(Relaxed),
            frees: self.frees.load(Relaxed),
            refused: self.refused.load(Relaxed),
            pages: usage.pages,
            grows: usage.grows,
            classes: core::array::from_fn(|class| Class {
                live: self.classes[class].live.load(Relaxed),
                allocations: self.classes[class].allocations.load(Relaxed),
                frees: self.classes[class].frees.load(Relaxed),
            }),
            ..Snapshot::default()
        }
    }

    pub(super) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    pub(super) fn allocated(&self, block: *const u8, size: usize) {
        if block.is_null() {
            self.refused.fetch_add(1, Relaxed);
        } else {
            self.allocations.fetch_add(1, Relaxed);
            self.add(size);
            self.enter(size, true);
        }
    }

    pub(super) fn released(&self, size: usize) {
        self.frees.fetch_add(1, Relaxed);
        self.live.fetch_sub(size, Relaxed);
        self.leave(size, true);
    }

    pub(super) fn resized(&self, block: *const u8, old: usize, new: usize) {
        if block.is_null() {
            self.refused.fetch_add(1, Relaxed);
            return;
        }
        if new >= old {
            self.add(new - old);
        } else {
            self.live.fetch_sub(old - new, Relaxed);
        }
        let other = class_of(old) != class_of(new);
        self.leave(old, other);
        self.enter(new, other);
    }

    /// So many bytes come into their class; with a block, if it is not one of the class already.
    fn enter(&self, size: usize, block: bool) {
        if let Some(class) = self.classes.get(class_of(size)) {
            class.live.fetch_add(size, Relaxed);
            class.allocations.fetch_add(u64::from(block), Relaxed);
        }
    }

    /// The reverse.
    fn leave(&self, size: usize, block: bool) {
        if let Some(class) = self.classes.get(class_of(size)) {
            class.live.fetch_sub(size, Relaxed);
            class.frees.fetch_add(u64::from(block), Relaxed);
        }
    }

    fn add(&self, size: usize) {
        let live = self.live.fetch_add(size, Relaxed) + size;
        self.peak.fetch_max(live, Relaxed);
    }
}

#[cfg(not(feature = "stats"))]
#[expect(clippy::unused_self, reason = "the twin that counts uses it")]
impl Counters {
    pub(super) const fn new() -> Self {
        Self {}
    }

    pub(super) fn snapshot(&self, usage: Usage) -> Snapshot {
        Snapshot { pages: usage.pages, grows: usage.grows, ..Snapshot::default() }
    }

    pub(super) const fn live(&self) -> usize {
        0
    }

    #[inline]
    pub(super) const fn allocated(&self, _: *const u8, _: usize) {}

    #[inline]
    pub(super) const fn released(&self, _: usize) {}

    #[inline]
    pub(super) const fn resized(&self, _: *const u8, _: usize, _: usize) {}
}
