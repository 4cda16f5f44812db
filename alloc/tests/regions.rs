//! The promises of regions: blocks that outlive their region stay whole, are counted, and hold only
//! themselves.
#![allow(unsafe_code, reason = "allocators are driven through their raw interface")]

use std::alloc::Layout;
use std::collections::BTreeSet;
use std::ptr::NonNull;

use sluicegate_alloc::region::LARGEST;
use sluicegate_alloc::source::PAGE;
use sluicegate_alloc::testing::Fixed;
use sluicegate_alloc::{Arena, Strategy};
use sluicegate_alloc_model::sources::Region as Memory;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

fn allocate(arena: &mut Arena<Fixed>, size: usize) -> *mut u8 {
    // SAFETY: no test asks for an empty block.
    let block = unsafe { arena.allocate(layout(size)) };
    assert!(!block.is_null());
    // SAFETY: the block has this size.
    unsafe { block.write_bytes(size as u8, size) };
    block
}

fn release(arena: &mut Arena<Fixed>, block: *mut u8, size: usize) {
    // SAFETY: `allocate` filled all of it.
    let bytes = unsafe { std::slice::from_raw_parts(block, size) };
    assert!(bytes.iter().all(|&byte| byte == size as u8), "a block of {size} bytes changed");
    // SAFETY: the block is live and of this layout.
    unsafe { arena.release(block, layout(size)) };
}

fn within<T>(arena: &mut Arena<Fixed>, region: &NonNull<u8>, f: impl FnOnce(&mut Arena<Fixed>) -> T) -> T {
    // SAFETY: the region is the arena's, and borrowed until it is left.
    let before = unsafe { arena.enter_region(Some(*region)) };
    let result = f(arena);
    // SAFETY: whoever entered it borrows it around this call.
    unsafe { arena.enter_region(before) };
    result
}

fn close(arena: &mut Arena<Fixed>, region: NonNull<u8>) {
    // SAFETY: the region is the arena's, and `within` has left it.
    unsafe { arena.close_region(region) };
}

#[test]
fn an_escaped_block_is_counted_until_it_is_freed() {
    let mut memory = Memory::new(16);
    let mut arena = Arena::new(memory.source());
    let stream = arena.open_region().unwrap();
    let (escaped, scratch) = within(&mut arena, &stream, |arena| {
        let scratch: Vec<_> = (0..100).map(|_| allocate(arena, 100)).collect();
        let escaped = [allocate(arena, 77), allocate(arena, 16)];
        (escaped, scratch)
    });
    for block in scratch {
        release(&mut arena, block, 100);
    }
    assert_eq!(arena.usage().retained, 0, "the stream is still there");
    close(&mut arena, stream);
    assert_eq!(arena.usage().retained, 2);

    // Others come and go, and do not touch it.
    for _ in 0..50 {
        let other = arena.open_region().unwrap();
        let block = within(&mut arena, &other, |arena| allocate(arena, 120));
        release(&mut arena, block, 120);
        close(&mut arena, other);
        assert_eq!(arena.usage().retained, 2);
    }
    release(&mut arena, escaped[0], 77);
    assert_eq!(arena.usage().retained, 1);
    release(&mut arena, escaped[1], 16);
    assert_eq!(arena.usage().retained, 0);
}

#[test]
fn a_large_block_that_escapes_is_not_counted() {
    let mut memory = Memory::new(16);
    let mut arena = Arena::new(memory.source());
    for size in [LARGEST, LARGEST + 1] {
        let stream = arena.open_region().unwrap();
        let escaped = within(&mut arena, &stream, |arena| allocate(arena, size));
        close(&mut arena, stream);
        assert_eq!(arena.usage().retained, usize::from(size == LARGEST), "{size} bytes");
        release(&mut arena, escaped, size);
        assert_eq!(arena.usage().retained, 0);
    }
}

/// Both sizes have the same bytes, and only one is counted: the count must follow.
#[test]
fn a_block_that_grows_past_what_is_counted_leaves_the_count() {
    let mut memory = Memory::new(16);
    let mut arena = Arena::new(memory.source());
    let stream = arena.open_region().unwrap();
    let other = arena.open_region().unwrap();
    let block = within(&mut arena, &stream, |arena| allocate(arena, LARGEST));
    // SAFETY: the block is live and of this size.
    let grown = unsafe { arena.resize(block, layout(LARGEST), LARGEST + 1) };
    assert!(!grown.is_null());
    close(&mut arena, stream);
    assert_eq!(arena.usage().retained, 0);
    // SAFETY: as above.
    unsafe { arena.release(grown, layout(LARGEST + 1)) };
    // Its bytes serve others, who are counted for their own region.
    let blocks: Vec<_> = within(&mut arena, &other, |arena| (0..20).map(|_| allocate(arena, LARGEST)).collect());
    close(&mut arena, other);
    assert_eq!(arena.usage().retained, 20);
    for block in blocks {
        release(&mut arena, block, LARGEST);
    }
    assert_eq!(arena.usage().retained, 0);
}

/// Tags say whose a block is and whether a gap follows: neither may disturb the other.
#[test]
fn what_lies_beside_a_counted_block_may_come_and_go() {
    let mut memory = Memory::new(16);
    let mut arena = Arena::new(memory.source());
    let stream = arena.open_region().unwrap();
    let blocks: Vec<_> = (0..20)
        .map(|_| (within(&mut arena, &stream, |arena| allocate(arena, 60)), allocate(&mut arena, 70_000 / 20)))
        .collect();
    for &(_, beside) in &blocks {
        release(&mut arena, beside, 70_000 / 20);
    }
    arena.trim();
    close(&mut arena, stream);
    assert_eq!(arena.usage().retained, 20);
    for (counted, _) in blocks {
        release(&mut arena, counted, 60);
    }
    assert_eq!(arena.usage().retained, 0);
}

#[test]
fn a_callback_reuses_the_same_bytes_as_the_one_before() {
    let mut memory = Memory::new(16);
    let mut arena = Arena::new(memory.source());
    let stream = arena.open_region().unwrap();
    let callback = |arena: &mut Arena<Fixed>| {
        let blocks: Vec<_> = (0..10).map(|_| allocate(arena, 60)).collect();
        for &block in &blocks {
            release(arena, block, 60);
        }
        blocks.into_iter().collect::<BTreeSet<_>>()
    };
    let first = within(&mut arena, &stream, callback);
    for _ in 0..10 {
        assert_eq!(within(&mut arena, &stream, callback), first);
    }
    close(&mut arena, stream);
}

#[test]
fn blocks_may_be_freed_in_another_region() {
    let mut memory = Memory::new(16);
    let mut arena = Arena::new(memory.source());
    let (one, two) = (arena.open_region().unwrap(), arena.open_region().unwrap());
    let blocks: Vec<_> = within(&mut arena, &one, |arena| (0..200).map(|_| allocate(arena, 40)).collect());
    within(&mut arena, &two, |arena| {
        let own = allocate(arena, 40);
        for block in blocks {
            release(arena, block, 40);
        }
        release(arena, own, 40);
    });
    close(&mut arena, one);
    close(&mut arena, two);
    assert_eq!(arena.usage().retained, 0);
}

/// A region does not run a debt: its account is what lives, wherever it is freed.
#[test]
fn a_region_that_hands_blocks_on_is_never_locked_out() {
    let mut memory = Memory::new(4);
    let mut arena = Arena::new(memory.source());
    let plugin = arena.open_region().unwrap();
    for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
        let block = within(&mut arena, &plugin, |arena| allocate(arena, 100));
        assert!(!block.is_null());
        release(&mut arena, block, 100);
        // And the other way round.
        let block = allocate(&mut arena, 100);
        within(&mut arena, &plugin, |arena| release(arena, block, 100));
    }
    close(&mut arena, plugin);
    assert_eq!(arena.usage().retained, 0);
    assert!(arena.usage().pages <= 1, "{:?}", arena.usage());
}

#[test]
fn regions_nest() {
    let mut memory = Memory::new(16);
    let mut arena = Arena::new(memory.source());
    let (outer, inner) = (arena.open_region().unwrap(), arena.open_region().unwrap());
    let blocks = within(&mut arena, &outer, |arena| {
        let before = allocate(arena, 24);
        let inside = within(arena, &inner, |arena| [allocate(arena, 24), allocate(arena, 24)]);
        [before, inside[0], inside[1], allocate(arena, 24), allocate(arena, 24)]
    });
    close(&mut arena, inner);
    assert_eq!(arena.usage().retained, 2);
    close(&mut arena, outer);
    assert_eq!(arena.usage().retained, 5);
    for block in blocks {
        release(&mut arena, block, 24);
    }
    assert_eq!(arena.usage().retained, 0);
}

#[test]
fn thousands_of_streams_interleave_and_leave_nothing() {
    let (streams, pages) = if cfg!(miri) { (40, 16) } else { (3000, 256) };
    let mut memory = Memory::new(pages);
    let mut arena = Arena::new(memory.source());
    let mut open: Vec<_> = (0..streams).map(|_| (arena.open_region().unwrap(), Vec::new())).collect();
    for callback in 0..4 {
        for (region, blocks) in &mut open {
            within(&mut arena, region, |arena| blocks.push((allocate(arena, 50 + callback), 50 + callback)));
        }
    }
    let usage = arena.usage();
    // Four blocks of up to 64 bytes with their tags, and four bytes of the region, whose table
    // doubles; a step of growth is a thirty-second.
    assert!(
        usage.pages * PAGE <= streams * (4 * 64 + 12) * 33 / 32 + 3 * PAGE,
        "{} pages for {streams} streams",
        usage.pages
    );
    for (region, blocks) in open {
        close(&mut arena, region);
        for (block, size) in blocks {
            release(&mut arena, block, size);
        }
    }
    assert_eq!(arena.usage().retained, 0);
    // After the burst, all of it serves one buffer without growing.
    arena.trim();
    arena.limit(arena.usage().pages);
    let buffer = allocate(&mut arena, (usage.pages - 1) * PAGE);
    release(&mut arena, buffer, (usage.pages - 1) * PAGE);
}

#[test]
fn without_memory_a_region_does_not_open_and_nothing_breaks() {
    let mut memory = Memory::new(2);
    let mut arena = Arena::new(memory.source());
    let stream = arena.open_region().unwrap();
    let mut blocks = Vec::new();
    within(&mut arena, &stream, |arena| {
        loop {
            // SAFETY: the size is not zero.
            let block = unsafe { arena.allocate(layout(120)) };
            if block.is_null() {
                break;
            }
            blocks.push(block);
        }
    });
    assert!(blocks.len() > 600, "{} blocks of 120 bytes in two pages", blocks.len());
    for block in blocks {
        // SAFETY: the block is live and of this layout.
        unsafe { arena.release(block, layout(120)) };
    }
    close(&mut arena, stream);
    assert_eq!(arena.usage().retained, 0);
}
