//! Reports of heaps whose blocks are known one by one. The model compares reports with its own
//! count after random operations: see `sequences`.
#![allow(unsafe_code, reason = "allocators are driven through their raw interface")]

use std::alloc::{GlobalAlloc, Layout};

use sluicegate_alloc::source::{PAGE, Source};
use sluicegate_alloc::testing::Fixed;
use sluicegate_alloc::{Arena, Freelist, Global, Heap, HeapReport, Snapshot, Strategy};
use sluicegate_alloc_model::audit::{classed, rounded};
use sluicegate_alloc_model::sources::Region;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

fn allocate<A: Strategy>(strategy: &mut A, size: usize) -> *mut u8 {
    // SAFETY: no test asks for an empty size.
    let block = unsafe { strategy.allocate(layout(size)) };
    assert!(!block.is_null());
    block
}

fn release<A: Strategy>(strategy: &mut A, block: *mut u8, size: usize) {
    // SAFETY: the tests free each block once, with its size.
    unsafe { strategy.release(block, layout(size)) };
}

/// Returns the bytes that the heap itself takes at the beginning of one piece of memory.
fn own() -> usize {
    4 * size_of::<usize>()
}

/// Every other block of many is freed: gaps of a size, and pages that are half full.
fn every_other<S: Source>(heap: &mut Heap<S>) -> usize {
    let blocks: Vec<_> = (0..10 * PAGE / 2048).map(|_| allocate(heap, 2000)).collect();
    let live = blocks.len().div_ceil(2) * rounded(layout(2000));
    blocks.into_iter().skip(1).step_by(2).for_each(|block| release(heap, block, 2000));
    live
}

#[test]
fn holes_are_found_by_their_size_and_their_page() {
    let mut region = Region::new(64);
    let mut heap = Heap::new(region.source());
    let live = every_other(&mut heap);
    let report = HeapReport::of(&heap);
    assert!(report.walked && report.complete);
    assert_eq!((report.live, report.kept, report.kept_blocks), (live + own(), 0, 0));
    assert_eq!(report.held, report.pages * PAGE);
    assert_eq!(report.free, report.held - report.live);
    let class = (0..14).find(|class| Snapshot::most(*class) == Some(2048)).unwrap();
    let holes = report.classes()[class];
    assert_eq!((holes.gaps, holes.free), (159, 159 * rounded(layout(2000))));
    assert_eq!(report.gaps, 160, "those, and the end of the heap: {report:?}");
    // Whole pages of every other block are about half full; where the heap ends, and begins, there
    // may be more or less.
    let [.., second, third, _] = report.quarters;
    assert!(second + third >= 8, "{report:?}");
}

/// Without counting and without a walk, `usage` knows live bytes but for the kept blocks' number.
#[test]
fn usage_knows_about_how_much_lives() {
    for size in [8, 40, 200, 1000, 5000, 70_000] {
        let mut region = Region::new(600);
        let mut lists = Freelist::new(region.source());
        let mut blocks: Vec<_> = (0..(16 << 20) / (size + 24)).map(|_| allocate(&mut lists, size)).collect();
        for left in [blocks.len(), blocks.len() / 2, blocks.len() / 50, 0] {
            blocks.drain(left..).for_each(|block| release(&mut lists, block, size));
            let (report, live) = (HeapReport::of(&lists), lists.usage().live);
            let off = live.abs_diff(report.live);
            assert!(off <= report.held / 16 + 64, "{left} of {size} B: {live} of {} B", report.live);
            if left > blocks.len() / 2 {
                assert!(off < report.live / 20, "{left} of {size} B: {live} of {} B", report.live);
            }
        }
    }
}

#[test]
fn a_burst_leaves_kept_blocks_and_empty_pages() {
    let mut region = Region::new(600);
    let mut lists = Freelist::new(region.source());
    let blocks: Vec<_> = (0..20_000).map(|_| allocate(&mut lists, 500)).collect();
    let full = HeapReport::of(&lists);
    assert_eq!(full.live, 20_000 * classed(layout(500)) + own());
    assert_eq!((full.empty, full.quarters[0]), (0, 0), "{full:?}");
    let (first, rest) = blocks.split_at(12_000);
    first.iter().for_each(|block| release(&mut lists, *block, 500));
    let after = HeapReport::of(&lists);
    assert_eq!((after.live, after.pages), (rest.len() * classed(layout(500)) + own(), full.pages));
    assert!(after.kept_blocks > 100 && after.kept == after.kept_blocks * classed(layout(500)), "{after:?}");
    assert!(after.empty > full.pages / 3, "{after:?}");
    assert!(lists.trim());
    assert_eq!(HeapReport::of(&lists).kept, 0);
    // The last blocks of a burst leave none that is kept: nothing is live but what the heap needs.
    rest.iter().for_each(|block| release(&mut lists, *block, 500));
    let trimmed = HeapReport::of(&lists);
    assert_eq!((trimmed.kept, trimmed.gaps, trimmed.largest), (0, 1, trimmed.held - own()));
    assert_eq!(trimmed.empty + 1, trimmed.pages, "the first page has what the heap needs");
}

/// More than one window of pages: 2,048 of them.
#[test]
fn a_large_heap_is_spread_over_all_its_pages() {
    let mut region = Region::new(5000);
    let mut heap = Heap::new(region.source());
    let blocks: Vec<_> = (0..4500).map(|_| allocate(&mut heap, PAGE - 100)).collect();
    blocks.iter().skip(1).step_by(2).for_each(|block| release(&mut heap, *block, PAGE - 100));
    let report = HeapReport::of(&heap);
    assert_eq!(report.quarters.iter().sum::<usize>() + report.empty, report.held / PAGE);
    assert!(report.gaps >= 2250 && report.complete, "{report:?}");
    // Of two blocks that are together little less than two pages, one is free.
    assert!(report.quarters.iter().take(2).sum::<usize>() + report.empty > 1500, "{report:?}");
}

#[test]
fn a_walk_has_an_end() {
    const GAPS: usize = 300_000;
    let mut region = Region::new(2 * GAPS * 64 / PAGE);
    let mut heap = Heap::new(region.source());
    let blocks: Vec<_> = (0..2 * GAPS).map(|_| allocate(&mut heap, 20)).collect();
    blocks.iter().step_by(2).for_each(|block| release(&mut heap, *block, 20));
    let report = HeapReport::of(&heap);
    assert!(!report.complete && report.gaps == 1 << 18, "{report:?}");
    assert_eq!(report.live + report.free, report.held, "what was not seen counts as live");
    assert!(report.to_string().ends_with(", not complete"));
    assert!(report.json().to_string().contains(r#""complete":false"#));
}

#[test]
fn regions_that_pin_blocks_are_named() {
    let mut region = Region::new(64);
    let mut arena = Arena::new(region.source());
    let mut numbers = Vec::new();
    // The more regions there were, the more blocks they leave; two end with nothing, and two stay
    // open.
    for blocks in 0..14 {
        let key = arena.open_region().unwrap();
        numbers.push(key);
        // SAFETY: the region is the arena's, and open.
        let before = unsafe { arena.enter_region(Some(key)) };
        for _ in 0..blocks / 2 {
            allocate(&mut arena, 40);
        }
        // SAFETY: no region was entered before.
        unsafe { arena.enter_region(before) };
    }
    for key in &numbers[..12] {
        // SAFETY: the region is open, and not entered.
        unsafe { arena.close_region(*key) };
    }
    let report = HeapReport::of(&arena);
    assert_eq!((report.regions, report.retained), (2, 2 * (1 + 2 + 3 + 4 + 5)));
    let pins: Vec<_> = report.pins().iter().map(|pin| pin.blocks).collect();
    assert_eq!(pins, [5, 5, 4, 4, 3, 3, 2, 2], "the eight that pin the most");
    let most = report.pins()[0].region as usize;
    assert!(numbers[10..12].iter().any(|key| key.addr().get() == most), "{report:?}");
}

/// More regions than are looked at together, 16,384, and every other one free again.
#[test]
fn regions_are_told_from_free_records() {
    let mut region = Region::new(64);
    let mut arena = Arena::new(region.source());
    let mut numbers: Vec<_> = (0..40_000).map(|_| arena.open_region().unwrap()).collect();
    let pinning = numbers[35_001];
    // SAFETY: the region is open.
    let before = unsafe { arena.enter_region(Some(pinning)) };
    allocate(&mut arena, 40);
    // SAFETY: no region was entered before.
    unsafe { arena.enter_region(before) };
    for key in numbers.split_off(35_000).into_iter().chain(numbers.iter().copied().step_by(2)) {
        // SAFETY: the region is open, and not entered.
        unsafe { arena.close_region(key) };
    }
    let report = HeapReport::of(&arena);
    assert_eq!((report.regions, report.retained, report.complete), (17_500, 1, true));
    assert_eq!(report.pins().len(), 1, "{report:?}");
    assert_eq!(report.pins()[0].region as usize, pinning.addr().get());
}

#[test]
fn json_has_every_figure() {
    let mut region = Region::new(64);
    let mut lists = Freelist::new(region.source());
    let block = allocate(&mut lists, 100);
    let kept = allocate(&mut lists, 3000);
    release(&mut lists, kept, 3000);
    let report = HeapReport::of(&lists);
    let json = report.json().to_string();
    let held = report.held;
    let expected = format!(
        r#"{{"walked":true,"pages":1,"grows":1,"retained":0,"asked":0,"complete":true,"held":{held},"live":{},"free":{},"gaps":{},"largest":{},"kept":{},"kept_blocks":{},"empty_pages":0,"regions":0,"quarters":[1,0,0,0],"classes":[{{"most":16,"free":0,"gaps":0,"kept":0,"kept_blocks":0}},"#,
        report.live, report.free, report.gaps, report.largest, report.kept, report.kept_blocks
    );
    assert!(json.starts_with(&expected), "{json}\n{expected}");
    assert!(json.ends_with(r#"],"pins":[]}"#), "{json}");
    assert_eq!(json.matches('{').count(), json.matches('}').count());
    assert_eq!(json.matches("\"most\":").count(), report.classes().len());
    let line = report.to_string();
    assert!(line.contains(&format!(" B live of {held} B held, ")) && !line.contains("not complete"), "{line}");
    assert!(format!("{report:#}").lines().count() >= 2, "{report:#}");
    release(&mut lists, block, 100);
}

/// A strategy that shows nothing: what it cannot say is null, and its pages are told all the same.
struct Closed<S>(Heap<S>);

// SAFETY: all of it is the heap's.
unsafe impl<S: Source> Strategy for Closed<S> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.0.allocate(layout) }
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.release(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.0.resize(block, layout, size) }
    }

    fn usage(&self) -> sluicegate_alloc::Usage {
        Strategy::usage(&self.0)
    }

    fn limit(&mut self, pages: usize) {
        self.0.limit(pages);
    }
}

#[test]
fn a_strategy_that_shows_nothing_says_so() {
    let mut region = Region::new(16);
    let global: Global<Closed<Fixed>> = Global::new(Closed(Heap::new(region.source())));
    // SAFETY: the size is not zero.
    let block = unsafe { global.alloc(layout(1000)) };
    let report = global.report();
    assert_eq!((report.walked, report.pages, report.grows, report.live), (false, 1, 1, 0));
    assert!(report.to_string().starts_with("not walked: 1 pages, 1 grows, "), "{report}");
    let json = report.json().to_string();
    assert!(json.contains(r#""live":null"#) && json.ends_with(r#""quarters":null,"classes":null,"pins":null}"#));
    // SAFETY: the block is live, of this layout.
    unsafe { global.dealloc(block, layout(1000)) };
}

#[cfg(feature = "live")]
#[test]
fn bytes_as_they_were_asked_for_stand_beside_those_that_are_used() {
    let mut region = Region::new(16);
    let global = Global::new(Freelist::new(region.source()));
    // SAFETY: the size is not zero.
    let block = unsafe { global.alloc(layout(1000)) };
    let report = global.report();
    assert_eq!((report.asked, report.live), (1000, classed(layout(1000)) + own()));
    // SAFETY: the block is live, of this layout.
    unsafe { global.dealloc(block, layout(1000)) };
}

/// The program's own allocator can be asked from anywhere; here that is the picked one, on which no
/// test runs.
#[test]
fn the_program_asks_its_own_allocator() {
    let report = sluicegate_alloc::heap_report();
    let walks = matches!(sluicegate_alloc::SELECTED, Some("arena" | "freelist"));
    assert_eq!(report.walked, walks, "{report:?}");
}
