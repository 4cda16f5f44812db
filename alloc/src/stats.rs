//! The figures of the allocator. The feature `live` counts live bytes, and `stats` counts all
//! figures. Without both features the counters cost nothing.

use core::fmt;

/// The number of size classes in the statistics.
pub(crate) const CLASSES: usize = 14;

/// The figures at one moment. Bytes are those that were requested, without rounding and overhead.
///
/// Its `Display` is one line. The alternate form, `{:#}`, has another line for each size class that
/// was used.
///
/// ```
/// let snapshot = sluicegate_alloc::Snapshot::default();
/// let line = "0 B live, 0 B peak, 0 pages, 0 grows, 0 allocations, 0 frees, 0 retained";
/// assert_eq!(snapshot.to_string(), line);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The bytes in live blocks. Zero without the feature `live`.
    pub live: usize,
    /// The maximum of `live`, with the feature `stats`. With `live` alone it is the maximum at each
    /// resize and each snapshot, so blocks that came and went in between may have exceeded it. Zero
    /// without both features.
    pub peak: usize,
    /// The number of allocated blocks. A block that `realloc` moves does not count. Zero without
    /// the feature `stats`.
    pub allocations: u64,
    /// The number of freed blocks. Zero without the feature `stats`.
    pub frees: u64,
    /// The number of allocations and reallocations that returned null. Zero without the feature
    /// `live`.
    pub refused: u64,
    /// The pages of 64 KiB that the allocator holds. On wasm this is the whole linear memory.
    pub pages: usize,
    /// The number of times that memory was grown.
    pub grows: usize,
    /// The number of live blocks that outlived their region: a sign of leaks. Zero for all
    /// allocators but the arena.
    pub retained: usize,
    pub(crate) classes: [Class; CLASSES],
}

/// The blocks of one size class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Class {
    /// The bytes in live blocks.
    pub live: usize,
    /// The number of blocks that entered the class, by an allocation or by a reallocation from
    /// another class.
    pub allocations: u64,
    /// The number of blocks that left the class.
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
        refused: 0,
        pages: 0,
        grows: 0,
        retained: 0,
        classes: [Class { live: 0, allocations: 0, frees: 0 }; CLASSES],
    };

    /// Returns the figures by requested size. The first class is up to 16 bytes, each further class
    /// is up to twice the size of the one before, and the last but one is up to 64 KiB. The last
    /// class has all larger blocks. All figures are zero without the feature `stats`.
    #[must_use]
    pub const fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Returns the largest size of a class in bytes, or `None` for the last class.
    #[must_use]
    pub const fn most(class: usize) -> Option<usize> {
        if class + 1 < CLASSES { Some(1 << (class + LEAST as usize)) } else { None }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, peak, allocations, frees, pages, grows, retained, refused, classes } = self;
        write!(
            f,
            "{live} B live, {peak} B peak, {pages} pages, {grows} grows, {allocations} allocations, {frees} frees"
        )?;
        write!(f, ", {retained} retained")?;
        if *refused > 0 {
            write!(f, ", {refused} refused")?;
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

#[cfg(feature = "live")]
pub(crate) use counting::Counters;
#[cfg(not(feature = "live"))]
pub(crate) use uncounted::Counters;

/// Returns the size class of a size.
#[cfg(feature = "stats")]
#[inline]
pub(crate) fn class_of(size: usize) -> usize {
    const { assert!(size_of::<Class>() <= 24) };
    let bits = usize::BITS - size.saturating_sub(1).leading_zeros();
    (bits.saturating_sub(LEAST) as usize).min(CLASSES - 1)
}

#[cfg(feature = "live")]
mod counting {
    use super::Snapshot;
    #[cfg(feature = "stats")]
    use super::class_of;
    use crate::strategy::Usage;

    /// The counters beside a strategy. Live bytes come first: on wasm with one thread their
    /// address is a constant.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Counters {
        live: usize,
        peak: usize,
        refused: u64,
        /// The figures that only the feature `stats` counts. Without it they are zero.
        #[cfg(feature = "stats")]
        counted: Snapshot,
    }

    impl Counters {
        pub(crate) const fn new() -> Self {
            Self {
                live: 0,
                peak: 0,
                refused: 0,
                #[cfg(feature = "stats")]
                counted: Snapshot::ZERO,
            }
        }

        pub(crate) fn snapshot(&mut self, usage: Usage) -> Snapshot {
            self.look();
            let Usage { pages, grows, retained, .. } = usage;
            #[cfg(feature = "stats")]
            let counted = self.counted;
            #[cfg(not(feature = "stats"))]
            let counted = Snapshot::ZERO;
            Snapshot { live: self.live, peak: self.peak, refused: self.refused, pages, grows, retained, ..counted }
        }

        #[inline]
        pub(crate) const fn live(&self) -> usize {
            self.live
        }

        #[inline]
        fn look(&mut self) {
            self.peak = self.peak.max(self.live);
        }

        /// Counts that the size of a block has changed from `old` to `new` bytes. If `old` is zero,
        /// the block is new. If `block` is null, counts a refusal.
        #[inline]
        pub(crate) fn made(&mut self, block: *const u8, old: usize, new: usize) {
            if block.is_null() {
                self.refused += 1;
            } else {
                self.changed(old, new);
            }
        }

        /// Counts that a block of this number of bytes was freed.
        #[inline]
        pub(crate) fn released(&mut self, size: usize) {
            self.changed(size, 0);
        }

        #[inline]
        fn changed(&mut self, old: usize, new: usize) {
            self.live = self.live.wrapping_sub(old).wrapping_add(new);
            if cfg!(feature = "stats") || (old > 0 && new > 0) {
                self.look();
            }
            #[cfg(feature = "stats")]
            {
                let counted = &mut self.counted;
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

#[cfg(not(feature = "live"))]
mod uncounted {
    use super::Snapshot;
    use crate::strategy::Usage;

    /// Nothing to count.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Counters;

    const _: () = assert!(size_of::<Counters>() == 0, "free when off");

    #[expect(clippy::unused_self, reason = "the twin that counts uses it")]
    impl Counters {
        pub(crate) const fn new() -> Self {
            Self
        }

        pub(crate) fn snapshot(self, usage: Usage) -> Snapshot {
            let Usage { pages, grows, retained, .. } = usage;
            Snapshot { pages, grows, retained, ..Snapshot::ZERO }
        }

        pub(crate) const fn live(self) -> usize {
            0
        }

        #[inline]
        pub(crate) const fn made(self, _: *const u8, _: usize, _: usize) {}

        #[inline]
        pub(crate) const fn released(self, _: usize) {}
    }
}
