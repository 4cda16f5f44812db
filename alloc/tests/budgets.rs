//! Budgets, the reserve and the statistics: what is refused, that the caller sees it, and that nothing is lost by it.
#![cfg(feature = "budget")]
#![allow(unsafe_code, reason = "allocators are driven through their raw interface")]

use std::alloc::{GlobalAlloc, Layout};
use std::panic::{AssertUnwindSafe, catch_unwind};

use sluicegate_alloc::region::{Region, outside};
use sluicegate_alloc::{Arena, Freelist, Global, Heap, Strategy, Talc};
use sluicegate_alloc_model::sources::Region as Memory;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// A block filled with its size, or null.
fn allocate(global: &impl GlobalAlloc, size: usize) -> *mut u8 {
    // SAFETY: no test asks for an empty block.
    let block = unsafe { global.alloc(layout(size)) };
    if !block.is_null() {
        // SAFETY: the block has this size.
        unsafe { block.write_bytes(size as u8, size) };
    }
    block
}

fn release(global: &impl GlobalAlloc, block: *mut u8, size: usize) {
    // SAFETY: `allocate` filled all of it.
    let bytes = unsafe { std::slice::from_raw_parts(block, size) };
    let checked = if cfg!(miri) { 64 } else { size };
    assert!(bytes.iter().take(checked).all(|&byte| byte == size as u8), "a block of {size} bytes changed");
    // SAFETY: the block is live and of this layout.
    unsafe { global.dealloc(block, layout(size)) };
}

/// Runs a test with each strategy over memory of 16 pages.
macro_rules! each_strategy {
    ($test:ident) => {
        let mut memory = Memory::new(16);
        $test(&Global::new(Heap::new(memory.source())));
        let mut memory = Memory::new(16);
        $test(&Global::new(Talc::new(memory.source())));
        let mut memory = Memory::new(16);
        $test(&Global::new(Freelist::new(memory.source())));
        let mut memory = Memory::new(16);
        $test(&Global::new(Arena::new(memory.source())));
    };
}

#[test]
fn past_the_total_budget_the_answer_is_null_and_blocks_stay_whole() {
    fn test<A: Strategy>(global: &Global<A>) {
        let block = allocate(global, 600);
        global.budget(1_000);
        assert!(allocate(global, 401).is_null());
        // SAFETY: the block is live and of this layout.
        assert!(unsafe { global.realloc(block, layout(600), 1_001) }.is_null());
        assert_eq!(global.snapshot().refusals, 2);
        let exact = allocate(global, 400);
        assert!(!exact.is_null());
        assert_eq!(global.live(), 1_000);
        // Below what lives: nothing goes, nothing comes, and what lives may shrink.
        global.budget(100);
        assert!(allocate(global, 1).is_null());
        // SAFETY: the block is live and of this layout.
        let shrunk = unsafe { global.realloc(exact, layout(400), 10) };
        assert!(!shrunk.is_null());
        release(global, block, 600);
        assert_eq!(global.live(), 10);
        // SAFETY: the block is live and of this layout.
        unsafe { global.dealloc(shrunk, layout(10)) };
        global.budget(usize::MAX);
        let block = allocate(global, 100_000);
        release(global, block, 100_000);
        assert_eq!(global.live(), 0);
    }
    each_strategy!(test);
}

#[test]
fn a_region_has_a_budget_of_its_own() {
    fn test<A: Strategy>(global: &Global<A>) {
        let (stream, other) = (Region::with_budget(500), Region::new());
        let kept = stream.within(|| {
            let kept = allocate(global, 400);
            assert!(allocate(global, 200).is_null());
            // Neither the SDK's tables nor another stream pay for it.
            let table = outside(|| allocate(global, 200));
            let others = other.within(|| allocate(global, 200));
            assert!(!table.is_null() && !others.is_null());
            outside(|| release(global, table, 200));
            other.within(|| release(global, others, 200));
            assert!(allocate(global, 101).is_null(), "the budget is still that of the stream");
            kept
        });
        assert_eq!((stream.live(), stream.refused(), other.live(), other.refused()), (400, 2, 0, 0));
        stream.within(|| release(global, kept, 400));
        let again = stream.within(|| allocate(global, 500));
        assert!(!again.is_null());
        stream.set_budget(usize::MAX);
        let more = stream.within(|| allocate(global, 5_000));
        assert_eq!(stream.live(), 5_500);
        // A region that frees what another made owes nothing, and is owed nothing.
        other.within(|| {
            release(global, again, 500);
            release(global, more, 5_000);
        });
        assert_eq!((other.live(), global.live()), (0, 0));
    }
    each_strategy!(test);
}

#[test]
fn who_handles_exhaustion_can_allocate() {
    fn test<A: Strategy>(global: &Global<A>) {
        const SIZES: [usize; 4] = [24, 3_000, 200, 16];
        global.limit(12);
        assert!(global.reserve(64 * 1024));
        let mut blocks = Vec::new();
        // Up to the last page, and then to the last small block.
        for size in [20_000, 600, 24] {
            loop {
                let block = allocate(global, size);
                if block.is_null() {
                    break;
                }
                blocks.push((block, size));
            }
        }
        let stream = Region::with_budget(0);
        stream.within(|| {
            assert!(SIZES.iter().all(|&size| allocate(global, size).is_null()));
            // Twice, as the reserve is set aside again in between.
            for _ in 0..2 {
                global.with_reserve(|| {
                    assert!(!global.refill(), "it is open");
                    let used = SIZES.map(|size| (allocate(global, size), size));
                    assert!(used.iter().all(|(block, _)| !block.is_null()), "{used:?}");
                    // Calls nest, and the inner one leaves the reserve to the outer.
                    global.with_reserve(|| ());
                    let last = allocate(global, 1_000);
                    assert!(!last.is_null());
                    release(global, last, 1_000);
                    for (block, size) in used {
                        release(global, block, size);
                    }
                });
                assert!(allocate(global, 100).is_null());
            }
        });
        for (block, size) in blocks {
            release(global, block, size);
        }
        assert!(global.refill());
        assert_eq!(global.live(), 0, "the reserve itself is not counted");
        assert!(global.reserve(0));
        let whole = allocate(global, 500_000);
        release(global, whole, 500_000);
    }
    each_strategy!(test);
}

#[test]
fn the_reserve_extends_the_total_budget_by_its_size() {
    fn test<A: Strategy>(global: &Global<A>) {
        global.budget(0);
        assert!(global.reserve(2_000), "the reserve is not of the budget");
        assert!(allocate(global, 1).is_null());
        global.with_reserve(|| {
            let block = allocate(global, 2_000);
            assert!(!block.is_null() && allocate(global, 1).is_null());
            release(global, block, 2_000);
        });
        assert!(allocate(global, 1).is_null());
    }
    each_strategy!(test);
}

#[test]
fn a_panic_leaves_region_and_reserve() {
    let mut memory = Memory::new(16);
    let global = Global::new(Freelist::new(memory.source()));
    let stream = Region::with_budget(0);
    assert!(global.reserve(1_000));
    let unwound = catch_unwind(AssertUnwindSafe(|| stream.within(|| global.with_reserve(|| panic!("as told")))));
    assert!(unwound.is_err());
    let block = allocate(&global, 10);
    assert!(!block.is_null());
    release(&global, block, 10);
    assert_eq!(stream.refused(), 0);
    global.budget(0);
    assert!(allocate(&global, 10).is_null(), "the reserve is closed");
}

#[test]
fn a_reserve_that_cannot_be_had_is_said_so() {
    let mut memory = Memory::new(4);
    let global = Global::new(Freelist::new(memory.source()));
    assert!(!global.reserve(1 << 30));
    assert!(!global.refill());
    assert!(!global.reserve(usize::MAX));
    assert!(global.reserve(1_000) && global.refill());
}

#[cfg(feature = "stats")]
#[test]
fn classes_and_regions_are_counted() {
    let mut memory = Memory::new(16);
    let global = Global::new(Arena::new(memory.source()));
    let stream = Region::new();
    let (small, large) = stream.within(|| (allocate(&global, 16), allocate(&global, 70_000)));
    // SAFETY: the block is live and of this layout.
    let grown = unsafe { global.realloc(small, layout(16), 60) };
    let snapshot = global.snapshot();
    let counts = |class: usize| {
        let class = snapshot.classes[class];
        (class.live, class.allocations, class.frees)
    };
    assert_eq!((counts(0), counts(2), counts(13)), ((0, 1, 1), (60, 1, 0), (70_000, 1, 0)));
    assert_eq!((snapshot.live, snapshot.peak, snapshot.allocations, snapshot.frees), (70_060, 70_060, 2, 0));
    assert!(
        format!("{snapshot:#}")
            .ends_with("\nto 64 B: 60 B live, 1 allocations, 0 frees\nlarger: 70000 B live, 1 allocations, 0 frees")
    );
    stream.within(|| release(&global, large, 70_000));
    let figures = stream.snapshot();
    assert_eq!((figures.live, figures.peak, figures.allocations, figures.frees), (16, 70_016, 2, 1));
    // SAFETY: the block is live and of this layout.
    unsafe { global.dealloc(grown, layout(60)) };
    let snapshot = global.snapshot();
    assert!(snapshot.classes.iter().all(|class| class.live == 0 && class.allocations == class.frees));
}
