//! What the allocator did so far: counted behind the feature `stats`, free when it is off.

use core::fmt;

use crate::strategy::Usage;

/// A moment's figures; bytes are as asked for, without rounding and overhead.
///
/// ```
/// let snapshot = sluicegate_alloc::Snapshot::default();
/// assert_eq!(snapshot.to_string(), "0 B live, 0 B peak, 0 pages, 0 grows, 0 allocations, 0 frees, 0 pinned");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes in live blocks. Zero without the feature `stats`.
    pub live: usize,
    /// The most bytes in live blocks ever. Zero without the feature `stats`.
    pub peak: usize,
    /// Blocks handed out; moves by realloc are not counted. Zero without the feature `stats`.
    pub allocations: u64,
    /// Blocks taken back. Zero without the feature `stats`.
    pub frees: u64,
    /// Allocations and reallocs that were answered with null. Zero without the feature `stats`.
    pub refusals: u64,
    /// Pages of 64 KiB held: on wasm the whole linear memory.
    pub pages: usize,
    /// How often memory was grown.
    pub grows: usize,
    /// Chunks held by blocks that outlived their region: the leak detector. Zero for all but the arena.
    pub pinned: usize,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, peak, allocations, frees, pages, grows, pinned, refusals } = self;
        write!(
            f,
            "{live} B live, {peak} B peak, {pages} pages, {grows} grows, {allocations} allocations, {frees} frees"
        )?;
        write!(f, ", {pinned} pinned")?;
        if *refusals > 0 {
            write!(f, ", {refusals} refused")?;
        }
        Ok(())
    }
}

/// The counters beside a strategy; a type without fields when the feature is off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    #[cfg(feature = "stats")]
    counted: Snapshot,
}

impl Counters {
    pub(crate) const fn new() -> Self {
        Self {
            #[cfg(feature = "stats")]
            counted: Snapshot {
                live: 0,
                peak: 0,
                allocations: 0,
                frees: 0,
                refusals: 0,
                pages: 0,
                grows: 0,
                pinned: 0,
            },
        }
    }

    pub(crate) const fn snapshot(&self, usage: Usage) -> Snapshot {
        let Usage { pages, grows, pinned } = usage;
        #[cfg(feature = "stats")]
        let counted = self.counted;
        #[cfg(not(feature = "stats"))]
        let counted = Snapshot { live: 0, peak: 0, allocations: 0, frees: 0, refusals: 0, pages, grows, pinned };
        Snapshot { pages, grows, pinned, ..counted }
    }
}

#[cfg(feature = "stats")]
impl Counters {
    #[inline]
    pub(crate) fn allocated(&mut self, block: *const u8, size: usize) {
        let counted = &mut self.counted;
        if block.is_null() {
            counted.refusals += 1;
        } else {
            counted.allocations += 1;
            counted.live += size;
            counted.peak = counted.peak.max(counted.live);
        }
    }

    #[inline]
    pub(crate) fn released(&mut self, size: usize) {
        self.counted.frees += 1;
        self.counted.live -= size;
    }

    #[inline]
    pub(crate) fn resized(&mut self, block: *const u8, old: usize, new: usize) {
        let counted = &mut self.counted;
        if block.is_null() {
            counted.refusals += 1;
        } else {
            counted.live = counted.live - old + new;
            counted.peak = counted.peak.max(counted.live);
        }
    }
}

#[cfg(not(feature = "stats"))]
#[expect(clippy::unused_self, reason = "the twin that counts uses it")]
impl Counters {
    #[inline]
    pub(crate) const fn allocated(&self, _: *const u8, _: usize) {}

    #[inline]
    pub(crate) const fn released(&self, _: usize) {}

    #[inline]
    pub(crate) const fn resized(&self, _: *const u8, _: usize, _: usize) {}
}
