//! What the allocator did so far: counted behind the feature `stats`, and as far as budgets need it behind `budget`; free when both are off.

use core::fmt;

use crate::strategy::Usage;

/// How many size classes the statistics have.
pub const CLASSES: usize = 14;

/// A moment's figures; bytes are as asked for, without rounding and overhead.
///
/// Its display is one line; the alternate one, `{:#}`, has a line more for each size class that was used.
///
/// ```
/// let snapshot = sluicegate_alloc::Snapshot::default();
/// assert_eq!(snapshot.to_string(), "0 B live, 0 B peak, 0 pages, 0 grows, 0 allocations, 0 frees, 0 pinned");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes in live blocks. Zero without the feature `stats` or `budget`.
    pub live: usize,
    /// The most bytes in live blocks ever. Zero without the feature `stats`.
    pub peak: usize,
    /// Blocks handed out; moves by realloc are not counted. Zero without the feature `stats`.
    pub allocations: u64,
    /// Blocks taken back. Zero without the feature `stats`.
    pub frees: u64,
    /// Allocations and reallocs that were answered with null, by a budget or for want of memory. Zero without the feature `stats` or `budget`.
    pub refusals: u64,
    /// Pages of 64 KiB held: on wasm the whole linear memory.
    pub pages: usize,
    /// How often memory was grown.
    pub grows: usize,
    /// Chunks held by blocks that outlived their region: the leak detector. Zero for all but the arena.
    pub pinned: usize,
    /// The same by size, as asked for: the first class is up to 16 bytes, each next one twice that, the last but one up to 64 KiB, the last one all above. Zeros without the feature `stats`.
    pub classes: [Class; CLASSES],
}

/// The blocks of one size class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Class {
    /// Bytes in live blocks.
    pub live: usize,
    /// Blocks that came into the class, by allocation or by realloc from another.
    pub allocations: u64,
    /// Blocks that left it.
    pub frees: u64,
}

/// The smallest size class is up to two to this power.
const LEAST: u32 = 4;

impl Snapshot {
    const ZERO: Self = Self {
        live: 0,
        peak: 0,
        allocations: 0,
        frees: 0,
        refusals: 0,
        pages: 0,
        grows: 0,
        pinned: 0,
        classes: [Class { live: 0, allocations: 0, frees: 0 }; CLASSES],
    };

    /// The largest size of a class in bytes; none for the last one.
    #[must_use]
    pub const fn most(class: usize) -> Option<usize> {
        if class + 1 < CLASSES { Some(1 << (class + LEAST as usize)) } else { None }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, peak, allocations, frees, pages, grows, pinned, refusals, classes } = self;
        write!(
            f,
            "{live} B live, {peak} B peak, {pages} pages, {grows} grows, {allocations} allocations, {frees} frees"
        )?;
        write!(f, ", {pinned} pinned")?;
        if *refusals > 0 {
            write!(f, ", {refusals} refused")?;
        }
        if !f.alternate() {
            return Ok(());
        }
        for (class, Class { live, allocations, frees }) in
            classes.iter().enumerate().filter(|(_, of)| of.allocations > 0)
        {
            match Self::most(class) {
                Some(most) => write!(f, "\nto {most} B: ")?,
                None => f.write_str("\nlarger: ")?,
            }
            write!(f, "{live} B live, {allocations} allocations, {frees} frees")?;
        }
        Ok(())
    }
}

#[cfg(feature = "budget")]
pub(crate) use counting::Counters;
#[cfg(not(feature = "budget"))]
pub(crate) use uncounted::Counters;

impl Counters {
    pub(crate) fn snapshot(&self, usage: Usage) -> Snapshot {
        let Usage { pages, grows, pinned } = usage;
        Snapshot { pages, grows, pinned, ..self.counted() }
    }
}

/// The size class of a size.
#[cfg(feature = "stats")]
#[inline]
pub(crate) fn class_of(size: usize) -> usize {
    const { assert!(size_of::<Class>() <= 24) };
    let bits = usize::BITS - size.saturating_sub(1).leading_zeros();
    (bits.saturating_sub(LEAST) as usize).min(CLASSES - 1)
}

#[cfg(feature = "budget")]
mod counting {
    use super::Snapshot;
    #[cfg(feature = "stats")]
    use super::class_of;
    use crate::account::current;

    /// The counters beside a strategy.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Counters {
        counted: Snapshot,
        /// The budget, from above: none is zero, so that a static of zeros takes no room in the module.
        barred: usize,
    }

    impl Counters {
        pub(crate) const fn new() -> Self {
            Self { counted: Snapshot::ZERO, barred: 0 }
        }

        pub(super) const fn counted(&self) -> Snapshot {
            self.counted
        }

        pub(crate) const fn live(&self) -> usize {
            self.counted.live
        }

        pub(crate) const fn set_budget(&mut self, bytes: usize) {
            self.barred = usize::MAX - bytes;
        }

        /// Whether a block may become so much larger: by the region's budget and the total one. With the reserve open there are `extra` bytes more in total, and no region's budget counts.
        #[inline]
        pub(crate) fn admits(&mut self, old: usize, new: usize, extra: usize, reserve: bool) -> bool {
            let more = new.saturating_sub(old);
            if more == 0 {
                return true;
            }
            let budget = (usize::MAX - self.barred).saturating_add(extra);
            let admitted = self.counted.live.saturating_add(more) <= budget
                && (reserve || current(|account| account.admits(more)).unwrap_or(true));
            self.counted.refusals += u64::from(!admitted);
            admitted
        }

        /// A block of `old` bytes, none if zero, has become one of `new`, none if zero; or not, for want of memory.
        #[inline]
        pub(crate) fn changed(&mut self, block: *const u8, old: usize, new: usize) {
            let counted = &mut self.counted;
            if block.is_null() {
                counted.refusals += 1;
                return;
            }
            counted.live = counted.live - old + new;
            current(|account| account.changed(old, new));
            #[cfg(feature = "stats")]
            {
                counted.peak = counted.peak.max(counted.live);
                counted.allocations += u64::from(old == 0);
                counted.frees += u64::from(new == 0);
                let (from, to) = (class_of(old), class_of(new));
                if let Some(class) = counted.classes.get_mut(from).filter(|_| old > 0) {
                    class.live -= old;
                    class.frees += u64::from(new == 0 || from != to);
                }
                if let Some(class) = counted.classes.get_mut(to).filter(|_| new > 0) {
                    class.live += new;
                    class.allocations += u64::from(old == 0 || from != to);
                }
            }
        }
    }

    #[cfg(all(test, feature = "stats"))]
    mod tests {
        use super::super::CLASSES;
        use super::*;

        #[test]
        fn a_class_ends_where_it_says() {
            for class in 0..CLASSES - 1 {
                let most = Snapshot::most(class).unwrap();
                assert_eq!((class_of(most), class_of(most + 1)), (class, class + 1));
            }
            assert_eq!((class_of(1), class_of(usize::MAX), Snapshot::most(CLASSES - 1)), (0, CLASSES - 1, None));
        }
    }
}

#[cfg(not(feature = "budget"))]
mod uncounted {
    use super::Snapshot;

    /// Nothing to count.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Counters;

    const _: () = assert!(size_of::<Counters>() == 0, "free when off");

    #[expect(clippy::unused_self, reason = "the twin that counts uses it")]
    impl Counters {
        pub(crate) const fn new() -> Self {
            Self
        }

        pub(super) const fn counted(self) -> Snapshot {
            Snapshot::ZERO
        }

        #[inline]
        pub(crate) const fn changed(self, _: *const u8, _: usize, _: usize) {}
    }
}
