//! The counters against the model's own, after every step of random sequences.
#![cfg(feature = "live")]
#![allow(unsafe_code, reason = "allocators are driven through their raw interface")]

use std::alloc::{GlobalAlloc, Layout};

use proptest::prelude::*;
use sluicegate_alloc::source::Source;
use sluicegate_alloc::{Freelist, Global, Heap, Snapshot, Strategy, Usage};
use sluicegate_alloc_model::ops::{REGIONS, sequences};
use sluicegate_alloc_model::sources::{Moody, Region};
use sluicegate_alloc_model::{Regions, Subject, run, usual};

/// The expected counters.
#[derive(Default)]
struct Expected {
    live: usize,
    peak: usize,
    allocations: u64,
    frees: u64,
    refused: u64,
    /// Live bytes, allocations and frees by class.
    classes: [(usize, u64, u64); 14],
}

/// A global allocator as a strategy, beside what its counters must say.
struct Counted<A> {
    global: Global<A>,
    expected: Expected,
}

impl<A: Strategy> Counted<A> {
    fn new(strategy: A) -> Self {
        Self { global: Global::new(strategy), expected: Expected::default() }
    }

    /// Counts that a block of `old` bytes has become one of `new` bytes. Zero stands for no block.
    /// If there is no memory, counts a refusal.
    fn changed(&mut self, block: *mut u8, old: usize, new: usize) {
        let expected = &mut self.expected;
        if block.is_null() {
            expected.refused += 1;
        } else {
            expected.live = expected.live + new - old;
            expected.peak = expected.peak.max(expected.live);
            expected.allocations += u64::from(old == 0);
            expected.frees += u64::from(new == 0);
            let class = |size: usize| (0..).position(|class| Snapshot::most(class).is_none_or(|most| size <= most));
            let (from, to) = (class(old).unwrap(), class(new).unwrap());
            if old > 0 {
                expected.classes[from].0 -= old;
                expected.classes[from].2 += u64::from(new == 0 || from != to);
            }
            if new > 0 {
                expected.classes[to].0 += new;
                expected.classes[to].1 += u64::from(old == 0 || from != to);
            }
        }
        let found = self.global.snapshot();
        assert_eq!((found.live, self.global.live(), found.refused), (expected.live, expected.live, expected.refused));
        // Without `stats` the peak is what was seen: at each look, and this is one.
        assert_eq!(found.peak, expected.peak);
        if cfg!(feature = "stats") {
            assert_eq!((found.allocations, found.frees), (expected.allocations, expected.frees));
            let classes: Vec<_> =
                found.classes().iter().map(|class| (class.live, class.allocations, class.frees)).collect();
            assert_eq!(classes, expected.classes);
        }
    }
}

impl<A: Strategy> Subject for Counted<A> {
    unsafe fn allocate_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { self.global.alloc_zeroed(layout) };
        self.changed(block, 0, layout.size());
        block
    }
}

/// An arena whose blocks come from one region after the other, as the global allocator around it
/// knows of none.
struct Wandering<S> {
    regions: Regions<S>,
    steps: usize,
}

impl<S: Source> Wandering<S> {
    fn new(source: S) -> Self {
        Self { regions: Regions::new(source), steps: 0 }
    }
}

// SAFETY: all of it is the arena's.
unsafe impl<S: Source> Strategy for Wandering<S> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        self.steps += 1;
        let region = (self.steps / 3 % usize::from(REGIONS)) as u8;
        match self.steps % 9 {
            0 => self.regions.close(region),
            4 => self.regions.leave(),
            1 | 2 => self.regions.enter(region),
            _ => {}
        }
        // SAFETY: as the caller promises.
        unsafe { self.regions.allocate(layout) }
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.regions.release(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.regions.resize(block, layout, size) }
    }

    fn usage(&self) -> Usage {
        self.regions.usage()
    }

    fn limit(&mut self, pages: usize) {
        self.regions.limit(pages);
    }
}

// SAFETY: all of it is the global allocator's.
unsafe impl<A: Strategy> Strategy for Counted<A> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { self.global.alloc(layout) };
        self.changed(block, 0, layout.size());
        block
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.global.dealloc(block, layout) };
        self.changed(block, layout.size(), 0);
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let moved = unsafe { self.global.realloc(block, layout, size) };
        self.changed(moved, layout.size(), size);
        moved
    }

    fn usage(&self) -> Usage {
        self.global.usage()
    }

    fn limit(&mut self, pages: usize) {
        self.global.limit(pages);
    }
}

/// Runs a sequence; in the end nothing lives, by the counters too.
fn counted<S: Source, A: Strategy>(
    source: S,
    strategy: fn(S) -> A,
    ops: &[sluicegate_alloc_model::Op],
) -> Result<(), TestCaseError> {
    let mut subject = Counted::new(strategy(source));
    let report = run(&mut subject, ops, |peak| usual(peak) * 2).map_err(TestCaseError::fail)?;
    let end = subject.global.snapshot();
    prop_assert_eq!((end.live, end.allocations, end.refused), (0, end.frees, report.refused as u64));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 64 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_counters_are_right_after_every_step(ops in sequences(if cfg!(miri) { 30 } else { 400 }), refuse: u64) {
        let mut region = Region::new(if cfg!(miri) { 64 } else { 512 });
        counted(Moody::new(region.source(), refuse, 0), Freelist::new, &ops)?;
        counted(Moody::new(region.source(), refuse, 0), Heap::new, &ops)?;
        #[cfg(feature = "strategy-talc")]
        counted(Moody::new(region.source(), refuse, 0), sluicegate_alloc::Talc::new, &ops)?;
        counted(Moody::new(region.source(), refuse, 0), Wandering::new, &ops)?;
    }
}
