//! The counters of the feature `stats`, for many threads; without it they have no fields and do nothing.

use crate::stats::Snapshot;
use crate::strategy::Usage;

#[cfg(feature = "stats")]
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Counts of all threads. They are exact, but not of one moment: a block may be counted live a little before or after it is.
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
    refusals: AtomicU64,
}

#[cfg(feature = "stats")]
impl Counters {
    pub(super) const fn new() -> Self {
        Self {
            live: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            allocations: AtomicU64::new(0),
            frees: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
        }
    }

    pub(super) fn snapshot(&self, usage: Usage) -> Snapshot {
        Snapshot {
            live: self.live.load(Relaxed),
            peak: self.peak.load(Relaxed),
            allocations: self.allocations.load(Relaxed),
            frees: self.frees.load(Relaxed),
            refusals: self.refusals.load(Relaxed),
            pages: usage.pages,
            grows: usage.grows,
            ..Snapshot::default()
        }
    }

    pub(super) fn allocated(&self, block: *const u8, size: usize) {
        if block.is_null() {
            self.refusals.fetch_add(1, Relaxed);
        } else {
            self.allocations.fetch_add(1, Relaxed);
            self.add(size);
        }
    }

    pub(super) fn released(&self, size: usize) {
        self.frees.fetch_add(1, Relaxed);
        self.live.fetch_sub(size, Relaxed);
    }

    pub(super) fn resized(&self, block: *const u8, old: usize, new: usize) {
        if block.is_null() {
            self.refusals.fetch_add(1, Relaxed);
        } else if new >= old {
            self.add(new - old);
        } else {
            self.live.fetch_sub(old - new, Relaxed);
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

    #[inline]
    pub(super) const fn allocated(&self, _: *const u8, _: usize) {}

    #[inline]
    pub(super) const fn released(&self, _: usize) {}

    #[inline]
    pub(super) const fn resized(&self, _: *const u8, _: usize, _: usize) {}
}
