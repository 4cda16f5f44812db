//! Random sequences of operations on every strategy, against the model; also under miri:
//! `MIRIFLAGS="-Zmiri-strict-provenance" cargo +nightly miri test -p sluicegate-alloc --test sequences`.
#![allow(unsafe_code, reason = "allocators are driven through their raw interface")]

use proptest::prelude::*;
use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::TestRunner;
#[cfg(feature = "strategy-talc")]
use sluicegate_alloc::Talc;
use sluicegate_alloc::source::{PAGE, Source};
use sluicegate_alloc::testing::Fixed;
use sluicegate_alloc::{Freelist, Global, Heap, Strategy, Usage};
#[cfg(feature = "strategy-talc")]
use sluicegate_alloc_model::Plain;
use sluicegate_alloc_model::broken::{Broken, Fault};
use sluicegate_alloc_model::ops::{extremes, sequences};
use sluicegate_alloc_model::sources::{Moody, Region};
use sluicegate_alloc_model::{Bound, Installed, Op, Regions, Subject, run, usual};
use std::alloc::{GlobalAlloc, Layout};
use std::collections::BTreeMap;

const PAGES: usize = if cfg!(miri) { 64 } else { 512 };
const STEPS: usize = if cfg!(miri) { 40 } else { 400 };

fn config() -> ProptestConfig {
    ProptestConfig { cases: if cfg!(miri) { 4 } else { 64 }, failure_persistence: None, ..ProptestConfig::default() }
}

/// Runs a sequence; memory has no bound but the source's, as one alignment may take all of it.
fn anything<A: Subject>(subject: &mut A, ops: &[Op]) -> Result<(), TestCaseError> {
    run(subject, ops, |_| PAGES).map(|_| ()).map_err(TestCaseError::fail)
}

/// Runs a sequence, then asks for nearly all of the memory in one block: it must be there.
fn whole<A: Subject>(subject: &mut A, ops: &[Op]) -> Result<(), TestCaseError> {
    let report = run(subject, ops, usual).map_err(TestCaseError::fail)?;
    let rest = Layout::from_size_align((PAGES - 2) * PAGE, 16).unwrap();
    // SAFETY: the size is not zero.
    let block = unsafe { subject.allocate(rest) };
    prop_assert!(!block.is_null(), "fragments are left after {report:?}");
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_heap_keeps_its_promises(ops in sequences(STEPS)) {
        let mut region = Region::new(PAGES);
        whole(&mut Heap::new(region.source()), &ops)?;
    }

    #[cfg(feature = "strategy-talc")]
    #[test]
    fn talc_keeps_its_promises(ops in sequences(STEPS)) {
        let mut region = Region::new(PAGES);
        whole(&mut Plain(Talc::new(region.source())), &ops)?;
    }

    #[test]
    fn the_free_lists_keep_their_promises(ops in sequences(STEPS)) {
        let mut region = Region::new(PAGES);
        whole(&mut Freelist::new(region.source()), &ops)?;
    }

    #[test]
    fn the_arena_keeps_its_promises(ops in sequences(STEPS)) {
        let mut region = Region::new(PAGES);
        whole(&mut Regions::new(region.source()), &ops)?;
    }

    /// Sizes to `isize::MAX` and alignments to 2³⁰: most are refused, and nothing else changes.
    #[test]
    fn no_size_or_alignment_is_too_large(ops in extremes(STEPS)) {
        let mut region = Region::new(PAGES);
        anything(&mut Heap::new(region.source()), &ops)?;
        #[cfg(feature = "strategy-talc")]
        anything(&mut Plain(Talc::new(region.source())), &ops)?;
        anything(&mut Freelist::new(region.source()), &ops)?;
        anything(&mut Regions::new(region.source()), &ops)?;
        anything(&mut Installed(Global::new(Freelist::new(region.source()))), &ops)?;
    }

    #[test]
    fn refusals_lose_nothing(ops in sequences(STEPS), refuse: u64) {
        let mut region = Region::new(PAGES);
        run(&mut Freelist::new(Moody::new(region.source(), refuse, 0)), &ops, usual).map_err(TestCaseError::fail)?;
        run(&mut Regions::new(Moody::new(region.source(), refuse, 0)), &ops, usual).map_err(TestCaseError::fail)?;
        run(&mut Heap::new(Moody::new(region.source(), refuse, 0)), &ops, usual).map_err(TestCaseError::fail)?;
        #[cfg(feature = "strategy-talc")]
        run(&mut Plain(Talc::new(Moody::new(region.source(), refuse, 0))), &ops, usual).map_err(TestCaseError::fail)?;
    }

    /// Does the work of the fuzzer without a fuzzer.
    #[test]
    fn any_bytes_are_a_sequence(bytes in prop::collection::vec(any::<u8>(), 0..STEPS * 2)) {
        let ops: Vec<Op> = Op::decode_all(&bytes).collect();
        let bound = |peak| usual(peak) * 2;
        let mut region = Region::new(PAGES * 2);
        run(&mut Heap::new(region.source()), &ops, bound).map_err(TestCaseError::fail)?;
        #[cfg(feature = "strategy-talc")]
        run(&mut Plain(Talc::new(region.source())), &ops, bound).map_err(TestCaseError::fail)?;
        run(&mut Freelist::new(region.source()), &ops, bound).map_err(TestCaseError::fail)?;
        run(&mut Regions::new(region.source()), &ops, bound).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn someone_else_may_grow_memory(ops in sequences(STEPS), steal: u64) {
        let mut region = Region::new(PAGES);
        everyone(&mut region, |source| Moody::new(source, 0, steal), &ops, |peak| usual(peak) * 3)?;
    }

    /// A source may give no more than the least, wherever it likes.
    #[test]
    fn pieces_may_be_exact(ops in sequences(STEPS), apart: u64) {
        let mut region = Region::new(PAGES / 4);
        run(&mut Freelist::new(region.exact(apart)), &ops, |_| PAGES).map_err(TestCaseError::fail)?;
        run(&mut Regions::new(region.exact(apart)), &ops, |_| PAGES).map_err(TestCaseError::fail)?;
        run(&mut Heap::new(region.exact(apart)), &ops, |_| PAGES).map_err(TestCaseError::fail)?;
        #[cfg(feature = "strategy-talc")]
        run(&mut Plain(Talc::new(region.exact(apart))), &ops, |_| PAGES).map_err(TestCaseError::fail)?;
    }

    /// By the four functions of a global allocator, with zeros among them.
    #[test]
    fn global_allocators_keep_their_promises(ops in sequences(STEPS)) {
        let mut region = Region::new(PAGES);
        run(&mut Installed(Global::new(Heap::new(region.source()))), &ops, usual).map_err(TestCaseError::fail)?;
        run(&mut Installed(Global::new(Freelist::new(region.source()))), &ops, usual).map_err(TestCaseError::fail)?;
        run(&mut Installed(Global::new(Regions::new(region.source()))), &ops, usual).map_err(TestCaseError::fail)?;
        #[cfg(not(miri))]
        run(&mut Installed(sluicegate_alloc::Native), &ops, usual).map_err(TestCaseError::fail)?;
    }

    /// A strategy gets the layout of a block as it was requested, each time.
    #[test]
    fn a_strategy_gets_the_layouts_that_it_was_asked_for(ops in sequences(STEPS)) {
        let mut region = Region::new(PAGES);
        let strategy = Told { inner: Freelist::new(region.source()), layouts: BTreeMap::new() };
        run(&mut Installed(Global::new(strategy)), &ops, usual).map_err(TestCaseError::fail)?;
    }

    /// Every growth may be one in vain, and what was in vain stays: there is no bound but the
    /// source's.
    #[test]
    fn someone_else_may_grow_memory_at_the_very_moment(ops in sequences(STEPS), snatch: u64) {
        let mut region = Region::new(PAGES);
        everyone(&mut region, |source| Moody::new(source, 0, 0).snatching(snatch), &ops, |_| PAGES)?;
    }
}

/// Pieces of exactly the least that was asked for, of which some do not lie where they were
/// foreseen.
#[test]
fn a_piece_of_the_least_that_lies_apart_is_no_gap_without_room() {
    // The free tail is a unit short, so that is all that is asked for.
    let ops = [Op::Allocate { size: 1000, align: 3 }, Op::Free { which: 0 }, Op::Allocate { size: 1032, align: 3 }];
    for apart in [0b010, 0b110, 0b111] {
        let mut region = Region::new(16);
        run(&mut Heap::new(region.exact(apart)), &ops, |_| 16).unwrap();
    }
}

/// Runs a sequence on all of our strategies.
fn everyone(
    region: &mut Region,
    moody: impl Fn(Fixed) -> Moody<Fixed>,
    ops: &[Op],
    bound: Bound,
) -> Result<(), TestCaseError> {
    run(&mut Freelist::new(moody(region.source())), ops, bound).map_err(TestCaseError::fail)?;
    run(&mut Regions::new(moody(region.source())), ops, bound).map_err(TestCaseError::fail)?;
    run(&mut Heap::new(moody(region.source())), ops, bound).map_err(TestCaseError::fail)?;
    #[cfg(feature = "strategy-talc")]
    run(&mut Plain(Talc::new(moody(region.source()))), ops, bound).map_err(TestCaseError::fail)?;
    Ok(())
}

/// A growth that is cut off from the last by one that was not foreseen is in vain, as often as that
/// happens; and no oftener.
#[test]
fn growths_in_vain_end_with_the_thief() {
    let ops = [(1, 0), (70_018, 3), (202_988, 4), (266_312, 7)].map(|(size, align)| Op::Allocate { size, align });
    let mut region = Region::new(PAGES);
    let grows = |snatch| {
        run(&mut Heap::new(Moody::new(region.source(), 0, 0).snatching(snatch)), &ops, |_| PAGES).unwrap().grows
    };
    let [alone, once, eight] = [0, 2, 0b1_1111_1110].map(grows);
    assert!(once > alone && once <= alone + 2, "{alone}, {once}");
    assert!(eight > once && eight <= alone + 9, "{alone}, {eight}");
}

/// A sequence from a fixed seed.
fn fixed_sequence(steps: usize) -> Vec<Op> {
    let mut runner = TestRunner::deterministic();
    let tree = prop::collection::vec(sequences(steps), 4).new_tree(&mut runner).unwrap();
    tree.current().concat()
}

#[test]
fn every_single_growth_may_be_refused() {
    let ops = fixed_sequence(STEPS);
    let mut region = Region::new(PAGES);
    let growths = run(&mut Freelist::new(region.source()), &ops, usual).unwrap().grows;
    assert!(growths > 0);
    for growth in (0..growths).step_by(if cfg!(miri) { 4 } else { 1 }) {
        let mut freelist = Freelist::new(Moody::new(region.source(), 1 << growth, 0));
        let report = run(&mut freelist, &ops, usual).unwrap();
        assert!(report.refused > 0, "growth {growth} was not refused");
    }
}

#[test]
fn past_the_limit_the_answer_is_null_and_memory_serves_on() {
    // A short sequence needs less.
    const LIMIT: usize = if cfg!(miri) { 3 } else { 8 };
    let mut region = Region::new(PAGES);
    let mut freelist = Freelist::new(region.source());
    freelist.limit(LIMIT);
    let report = run(&mut freelist, &fixed_sequence(STEPS), |_| LIMIT).unwrap();
    assert!(report.refused > 0);
    let layout = Layout::from_size_align(PAGE, 8).unwrap();
    // SAFETY: the size is not zero.
    assert!(!unsafe { freelist.allocate(layout) }.is_null());
}

/// Classes that are used in turn must not take each other's memory without an end.
#[test]
fn pairs_of_many_sizes_get_a_slab_each() {
    let mut region = Region::new(16);
    let mut freelist = Freelist::new(region.source());
    let mut round = |expect: Option<[*mut u8; 8]>| {
        let blocks = [8_usize, 32, 56, 80, 104, 128, 152, 176].map(|size| {
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: the size is not zero.
            let block = unsafe { freelist.allocate(layout) };
            assert!(!block.is_null());
            // SAFETY: the block is live and of this layout.
            unsafe { freelist.release(block, layout) };
            block
        });
        assert!(expect.is_none_or(|before| before == blocks), "memory changes hands");
        blocks
    };
    for _ in 0..20 {
        round(None);
    }
    let settled = round(None);
    round(Some(settled));
    assert!(freelist.usage().pages <= 2, "{:?}", freelist.usage());
}

/// Free lists that write down what every block was asked for with.
struct Told<S> {
    inner: Freelist<S>,
    layouts: BTreeMap<usize, Layout>,
}

impl<S: Source> Told<S> {
    /// A block is there, of this layout; or none.
    fn made(&mut self, block: *mut u8, layout: Layout) -> *mut u8 {
        if !block.is_null() {
            self.layouts.insert(block.addr(), layout);
        }
        block
    }
}

// SAFETY: all of it is the free lists'.
unsafe impl<S: Source> Strategy for Told<S> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { self.inner.allocate(layout) };
        self.made(block, layout)
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        assert_eq!(self.layouts.remove(&block.addr()), Some(layout));
        // SAFETY: as the caller promises.
        unsafe { self.inner.release(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        assert_eq!(self.layouts.get(&block.addr()), Some(&layout));
        // SAFETY: as the caller promises.
        let moved = unsafe { self.inner.resize(block, layout, size) };
        if !moved.is_null() {
            self.layouts.remove(&block.addr());
        }
        self.made(moved, Layout::from_size_align(size, layout.align()).unwrap())
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn limit(&mut self, pages: usize) {
        self.inner.limit(pages);
    }
}

/// Hands out what was used before where zeros are asked for.
struct Dirty<G>(G);

// SAFETY: it is not safe at all, and nobody but the model uses it.
unsafe impl<G: GlobalAlloc> GlobalAlloc for Dirty<G> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(block, layout) };
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }
}

#[test]
fn zeros_that_are_none_are_found_out() {
    let ops = [Op::Allocate { size: 100, align: 3 }, Op::Free { which: 0 }, Op::Zeroed { size: 100, align: 3 }];
    let mut region = Region::new(PAGES);
    let global = Global::new(Freelist::new(region.source()));
    let fault = run(&mut Installed(Dirty(global)), &ops, usual).unwrap_err();
    assert!(fault.contains("not all zero"), "{fault}");
}

#[test]
fn absurd_sizes_are_refused() {
    let mut region = Region::new(4);
    let mut freelist = Freelist::new(region.source());
    for (size, align) in
        [(isize::MAX as usize, 1), (isize::MAX as usize - 4095, 4096), (1 << (usize::BITS - 2), 1 << 20)]
    {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the size is not zero.
        assert!(unsafe { freelist.allocate(layout) }.is_null());
    }
}

#[test]
fn negative_controls_fail() {
    for fault in Fault::ALL {
        let mut region = Region::new(PAGES);
        let mut broken = Broken::new(Freelist::<Fixed>::new(region.source()), fault);
        let result = run(&mut broken, &Fault::shown(), usual);
        assert!(result.is_err(), "{fault:?} was not found: {result:?}");
    }
}

#[test]
fn the_sequence_of_the_controls_is_sound_without_a_fault() {
    let mut region = Region::new(PAGES);
    run(&mut Freelist::new(region.source()), &Fault::shown(), usual).unwrap();
}

#[test]
fn encoded_operations_come_back() {
    let ops = fixed_sequence(STEPS);
    assert!(ops.iter().all(|op| Op::decode(op.encode()) == *op));
    assert_eq!(Op::decode(Op::Trim.encode()), Op::Trim);
    let mut runner = TestRunner::deterministic();
    let ops = prop::collection::vec(extremes(STEPS), 4).new_tree(&mut runner).unwrap().current().concat();
    for op in &ops {
        assert_eq!(Op::decode_extreme(op.encode()), *op);
    }
    assert!(ops.iter().any(|op| matches!(op, Op::Allocate { size, align } if size >> 40 > 0 && *align == 0)));
}

#[test]
fn the_same_sequence_without_a_fault_passes() {
    let mut region = Region::new(PAGES);
    let mut freelist = Freelist::new(region.source());
    run(&mut freelist, &fixed_sequence(STEPS), usual).unwrap();
}
