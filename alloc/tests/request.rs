//! The promises of an explicit arena: views and collections stay whole until the last handle is
//! gone, and the memory of a pool goes down after a burst.
#![cfg(feature = "request-arena")]

use std::alloc::Layout;
use std::cell::Cell;
use std::rc::Rc;

use sluicegate_alloc::request::allocator_api2::vec::Vec as ArenaVec;
use sluicegate_alloc::request::{Pool, RequestArena, bumpalo};

fn pool() -> Pool {
    Pool::new().unwrap()
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 1).unwrap()
}

/// Takes bytes without writing to them.
fn hold(arena: &RequestArena, bytes: usize) {
    arena.try_alloc_layout(layout(bytes)).unwrap();
}

struct Counted(Rc<Cell<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn values_are_not_dropped_and_boxes_and_vectors_drop_theirs() {
    let pool = pool();
    let arena = pool.take().unwrap();
    let drops = Rc::new(Cell::new(0));
    // Its count of owners leaks with it, so it is given a second time below.
    let leaked: *const Counted = arena.alloc(Counted(Rc::clone(&drops)));
    drop(bumpalo::boxed::Box::new_in(Counted(Rc::clone(&drops)), &arena));
    assert_eq!(drops.get(), 1);
    let mut vector = ArenaVec::new_in(arena.clone());
    vector.extend((0..5).map(|_| Counted(Rc::clone(&drops))));
    drop(vector);
    assert_eq!(drops.get(), 6);
    let mut own = bumpalo::collections::Vec::new_in(&arena);
    own.push(Counted(Rc::clone(&drops)));
    drop(own);
    assert_eq!((drops.get(), Rc::strong_count(&drops)), (7, 2));
    // SAFETY: the value is still in the arena, and nobody drops it but this.
    #[allow(unsafe_code, reason = "what leaked on purpose is taken back, for leak checkers")]
    drop(unsafe { leaked.read() });
    drop(arena);
    assert_eq!((drops.get(), pool.open(), pool.waiting()), (8, 0, 1));
}

#[test]
fn a_collection_lives_across_callbacks_and_beyond_its_stream() {
    struct Filter {
        seen: Option<ArenaVec<u32, RequestArena>>,
    }
    let pool = pool();
    let mut filter = Filter { seen: None };
    let stream = pool.take().unwrap();
    for callback in 0..20 {
        let arena = stream.clone();
        let scratch = arena.alloc_slice_fill_copy(50, callback);
        let seen = filter.seen.get_or_insert_with(|| ArenaVec::new_in(arena.clone()));
        seen.extend_from_slice(scratch);
    }
    drop(stream);
    assert_eq!(pool.open(), 1, "the filter holds it");
    // Another stream gets another arena.
    let other = pool.take().unwrap();
    other.alloc_slice_fill_copy(300, 0xFF_u8);
    let seen = filter.seen.take().unwrap();
    assert!(seen.iter().enumerate().all(|(at, &value)| value as usize == at / 50));
    drop(seen);
    drop(other);
    assert_eq!(pool.open(), 0);
}

#[test]
fn the_last_vector_grows_in_place_and_shrinks() {
    let pool = pool();
    let arena = pool.take().unwrap();
    let mut vector: ArenaVec<u8, _> = ArenaVec::with_capacity_in(100, arena.clone());
    vector.extend(0..100);
    let used = arena.used();
    vector.truncate(10);
    vector.shrink_to_fit();
    vector.reserve_exact(190);
    assert!(vector.iter().copied().eq(0..10));
    assert!(arena.used() <= used + 200, "{} bytes after {used}", arena.used());
    vector.clear();
    vector.shrink_to_fit();
    assert!(arena.used() < used);
}

#[test]
fn an_arena_is_empty_again_and_its_limit_is_gone() {
    let pool = pool();
    let arena = pool.take().unwrap();
    arena.set_allocation_limit(Some(2_000));
    hold(&arena, 500);
    assert!(arena.try_alloc_layout(layout(100_000)).is_err());
    drop(arena);
    let arena = pool.take().unwrap();
    assert_eq!((arena.used(), pool.waiting()), (0, 0));
    assert!(arena.try_alloc_layout(layout(100_000)).is_ok());
}

#[test]
fn a_burst_decays() {
    let pool = pool();
    let streams = if cfg!(miri) { 20 } else { 1_000 };
    let burst: Vec<_> = (0..streams)
        .map(|_| {
            let arena = pool.take().unwrap();
            hold(&arena, 20_000);
            arena
        })
        .collect();
    drop(burst);
    assert!(pool.waiting() * 10 > streams, "{} of {streams} wait", pool.waiting());
    let mut rounds = 0;
    let mut until = |waiting: usize| {
        while pool.waiting() > waiting {
            let arena = pool.take().unwrap();
            hold(&arena, 100);
            rounds += 1;
            assert!(rounds < 64 * 60, "{} still wait", pool.waiting());
        }
        rounds
    };
    // The documentation of `Pool` says so.
    let (half, tenth, all) = (until(streams / 2), until(streams / 10), until(2));
    assert!(half <= 320 && tenth <= 960 && all <= 1_900, "{half}, {tenth}, {all} requests");
    // The rest is small again once the arena was used.
    drop((pool.take(), pool.take()));
    assert!(pool.take().unwrap().allocated_bytes() < 2_000);
    pool.trim();
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn a_large_value_is_not_kept_by_small_requests() {
    let pool = pool();
    hold(&pool.take().unwrap(), 1 << 20);
    let held = |pool: &Pool| pool.take().unwrap().allocated_bytes();
    assert!(held(&pool) >= 1 << 20, "the next may be as large");
    for _ in 0..80 {
        pool.take().unwrap().alloc(7_u64);
    }
    assert!(held(&pool) < 2_000, "{} bytes held", held(&pool));
}

#[test]
fn a_pool_may_go_before_its_arenas() {
    let pool = pool();
    let (one, two) = (pool.take().unwrap(), pool.clone().take().unwrap());
    let text = one.alloc_str("still here");
    drop(pool);
    drop(two);
    assert_eq!(text, "still here");
}

#[test]
fn other_collections_take_it() {
    let pool = pool();
    let arena = pool.take().unwrap();
    let mut map = hashbrown::HashMap::new_in(arena.clone());
    for number in 0..if cfg!(miri) { 20 } else { 2_000_u32 } {
        map.insert(number, arena.alloc_str("value"));
    }
    assert!(map.iter().all(|(number, value)| *number < 2_000 && **value == *"value"));
    map.retain(|number, _| number % 2 == 0);
    map.shrink_to_fit();
    assert!(map.get(&4).is_some() && map.get(&5).is_none());
}

/// The trait allows them, unlike [`std::alloc::GlobalAlloc`].
#[test]
#[allow(unsafe_code, reason = "blocks are asked for through the raw interface")]
fn blocks_of_no_bytes_are_blocks() {
    use sluicegate_alloc::request::allocator_api2::alloc::Allocator;

    let pool = pool();
    let arena = pool.take().unwrap();
    for align in [1, 16, 4096] {
        let none = Layout::from_size_align(0, align).unwrap();
        let some = Layout::from_size_align(100, align).unwrap();
        let first = arena.allocate(none).unwrap().cast::<u8>();
        assert!(first.addr().get().is_multiple_of(align));
        // SAFETY: the block lives, is of the first layout, and the second is larger.
        let grown = unsafe { arena.grow_zeroed(first, none, some) }.unwrap();
        assert_eq!(grown.len(), 100);
        // SAFETY: all of its bytes were written, and nobody else has it.
        assert!(unsafe { grown.as_ref() }.iter().all(|&byte| byte == 0));
        // SAFETY: the block lives, is of the second layout, and the first is smaller.
        let last = unsafe { arena.shrink(grown.cast(), some, none) }.unwrap().cast();
        // SAFETY: the block lives, and is of this layout.
        unsafe { arena.deallocate(last, none) };
    }
}
