//! The shared state of threads, under model checkers: every order of steps that loom can think of,
//! and thousands of random ones of more threads (shuttle).
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p sluicegate-alloc --lib schedules
//! RUSTFLAGS="--cfg shuttle" cargo test -p sluicegate-alloc --lib schedules
//! ```
//!
//! The blocks are real memory, which a checker does not watch; so each has something beside its
//! links that it does, and whoever believes to own the block touches that. The links from batch to
//! batch loom watches, too. Broken depots must be found out: one that follows a link, and two that
//! tell the taker nothing.

extern crate std;

use core::ptr::null_mut;
use std::boxed::Box;
use std::sync::Arc;
use std::vec::Vec;

#[cfg(loom)]
use loom::thread;
#[cfg(shuttle)]
use shuttle::thread;

use super::depot::Depot;
#[cfg(loom)]
use super::depot::{Batch, append};
use crate::lock::Spin;
use crate::sync::{AtomicPtr, Ordering};

/// A block that is a batch by itself.
#[repr(C)]
struct Block {
    #[cfg(loom)]
    batch: Batch,
    links: [*mut u8; 2],
    watched: watched::Watched,
}

#[cfg(loom)]
mod watched {
    /// loom reports two threads in it at once, and one that comes without having been told of the
    /// other.
    pub(super) struct Watched(loom::cell::UnsafeCell<u32>);

    impl Watched {
        pub(super) fn new() -> Self {
            Self(loom::cell::UnsafeCell::new(0))
        }

        pub(super) fn touch(&self) {
            // SAFETY: loom checks that nobody else is here.
            self.0.with_mut(|count| unsafe { *count += 1 });
        }
    }
}

#[cfg(shuttle)]
mod watched {
    use core::sync::atomic::{AtomicBool, Ordering};

    pub(super) struct Watched(AtomicBool);

    impl Watched {
        pub(super) fn new() -> Self {
            Self(AtomicBool::new(false))
        }

        pub(super) fn touch(&self) {
            assert!(!self.0.swap(true, Ordering::SeqCst), "a block has two owners");
            shuttle::thread::yield_now();
            self.0.store(false, Ordering::SeqCst);
        }
    }
}

/// Something to leave blocks in.
trait Exchange: Send + Sync + 'static {
    fn new() -> Self;
    /// # Safety
    ///
    /// The block is the caller's, and given away.
    unsafe fn push(&self, block: *mut u8);
    fn pop(&self) -> *mut u8;
}

impl Exchange for Depot {
    fn new() -> Self {
        Self::new()
    }

    unsafe fn push(&self, block: *mut u8) {
        // SAFETY: as the caller promises; a block alone is a list.
        unsafe { Depot::push(self, block) };
    }

    fn pop(&self) -> *mut u8 {
        Depot::pop(self)
    }
}

/// Broken: takes one block by following its link, which may be another's already.
struct Followed(AtomicPtr<Block>);

impl Exchange for Followed {
    fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    unsafe fn push(&self, block: *mut u8) {
        let block = block.cast::<Block>();
        let mut top = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: the block is the caller's until the exchange succeeds.
            unsafe { (*block).links[1] = top.cast() };
            match self.0.compare_exchange(top, block, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    fn pop(&self) -> *mut u8 {
        let mut top = self.0.load(Ordering::Acquire);
        while !top.is_null() {
            // SAFETY: none: this is the fault. No block is unmapped, so the test survives it.
            let next = unsafe { (*top).links[1] };
            match self.0.compare_exchange(top, next.cast(), Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return top.cast(),
                Err(now) => top = now,
            }
        }
        null_mut()
    }
}

/// Broken: tells the taker nothing of what was written before.
#[cfg(loom)]
struct Untold(AtomicPtr<u8>);

#[cfg(loom)]
impl Exchange for Untold {
    fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    unsafe fn push(&self, block: *mut u8) {
        let left = self.0.compare_exchange(null_mut(), block, Ordering::Relaxed, Ordering::Relaxed);
        assert!(left.is_ok(), "one block at a time");
    }

    fn pop(&self) -> *mut u8 {
        self.0.swap(null_mut(), Ordering::Acquire)
    }
}

/// Broken: puts the rest back without telling of the links that it wrote to it.
#[cfg(loom)]
struct Whispered(AtomicPtr<Batch>);

#[cfg(loom)]
impl Exchange for Whispered {
    fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    unsafe fn push(&self, block: *mut u8) {
        let batch = block.cast::<Batch>();
        let mut top = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: the block is the caller's until the exchange succeeds.
            unsafe { Batch::link_to(batch, top) };
            match self.0.compare_exchange(top, batch, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    fn pop(&self) -> *mut u8 {
        let first = self.0.swap(null_mut(), Ordering::Acquire);
        if first.is_null() {
            return null_mut();
        }
        // SAFETY: everything that was taken is ours.
        let mut rest = unsafe { Batch::next(first) };
        while !rest.is_null() {
            if self.0.compare_exchange(null_mut(), rest, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                break;
            }
            let more = self.0.swap(null_mut(), Ordering::Acquire);
            if !more.is_null() {
                // SAFETY: everything that was taken is ours.
                unsafe { append(more, rest) };
                rest = more;
            }
        }
        first.cast()
    }
}

fn block() -> *mut u8 {
    Box::into_raw(Box::new(Block {
        #[cfg(loom)]
        batch: Batch::new(),
        links: [null_mut(); 2],
        watched: watched::Watched::new(),
    }))
    .cast()
}

/// # Safety
///
/// The block is live.
unsafe fn touch(block: *mut u8) {
    // SAFETY: the caller promises that it is live; what is touched is the checker's.
    unsafe { &*block.cast::<Block>() }.watched.touch();
}

/// An exchange with so many blocks.
fn filled<E: Exchange>(blocks: usize) -> Arc<E> {
    let exchange = Arc::new(E::new());
    for _ in 0..blocks {
        // SAFETY: the block is ours.
        unsafe { exchange.push(block()) };
    }
    exchange
}

/// Takes up to `count` blocks, touches them, and puts them back.
fn exchange_some(exchange: &impl Exchange, count: usize) {
    let taken: Vec<*mut u8> = (0..count).map(|_| exchange.pop()).filter(|block| !block.is_null()).collect();
    for &block in &taken {
        // SAFETY: no block of these tests is freed before its threads have ended.
        unsafe { touch(block) };
    }
    for block in taken {
        // SAFETY: the block is ours.
        unsafe { exchange.push(block) };
    }
}

/// Takes everything, after the threads have ended, and says how much there was.
fn empty(exchange: &impl Exchange) -> usize {
    let mut blocks = Vec::new();
    loop {
        let block = exchange.pop();
        if block.is_null() {
            break;
        }
        assert!(!blocks.contains(&block), "a block was there twice");
        // SAFETY: no block of these tests is freed before its threads have ended.
        unsafe { touch(block) };
        blocks.push(block);
    }
    for &block in &blocks {
        // SAFETY: it came from `block`, and the threads have ended.
        drop(unsafe { Box::from_raw(block.cast::<Block>()) });
    }
    blocks.len()
}

/// Threads that take and leave, `counts` each, around three blocks.
fn taken_and_left<E: Exchange>(counts: &'static [usize]) {
    let exchange = filled::<E>(3);
    let threads: Vec<_> = counts[1..]
        .iter()
        .map(|&count| {
            let exchange = Arc::clone(&exchange);
            thread::spawn(move || exchange_some(&*exchange, count))
        })
        .collect();
    exchange_some(&*exchange, counts[0]);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(empty(&*exchange), 3, "a block was lost");
}

/// One thread leaves a block, another waits for it.
fn handed_over<E: Exchange>() {
    let exchange = Arc::new(E::new());
    let other = Arc::clone(&exchange);
    let producer = thread::spawn(move || {
        let block = block();
        // SAFETY: it is live.
        unsafe { touch(block) };
        // SAFETY: the block is ours.
        unsafe { other.push(block) };
    });
    let block = loop {
        let block = exchange.pop();
        if !block.is_null() {
            break block;
        }
        thread::yield_now();
    };
    // SAFETY: no block of these tests is freed before its threads have ended.
    unsafe { touch(block) };
    producer.join().unwrap();
    // SAFETY: it came from `block`, and the threads have ended.
    drop(unsafe { Box::from_raw(block.cast::<Block>()) });
}

/// One thread comes twice, so that it reads what the other put back. The other leaves nothing
/// itself, which would tell of all that it did.
#[cfg(loom)]
fn put_back<E: Exchange>() {
    let exchange = filled::<E>(3);
    let other = Arc::clone(&exchange);
    let thread = thread::spawn(move || other.pop().expose_provenance());
    exchange_some(&*exchange, 1);
    exchange_some(&*exchange, 1);
    let block = core::ptr::with_exposed_provenance_mut::<u8>(thread.join().unwrap());
    if !block.is_null() {
        // SAFETY: the block is ours.
        unsafe { exchange.push(block) };
    }
    assert_eq!(empty(&*exchange), 3, "a block was lost");
}

/// Takes blocks until there is none at this moment.
fn all_of(depot: &Depot) -> Vec<*mut u8> {
    let mut blocks = Vec::new();
    loop {
        let block = depot.pop();
        if block.is_null() {
            return blocks;
        }
        // SAFETY: no block of these tests is freed before its threads have ended.
        unsafe { touch(block) };
        blocks.push(block);
    }
}

/// One thread takes whatever comes, another takes one and leaves it, and a third leaves one.
fn emptied_by_three() {
    let depot = filled::<Depot>(2);
    let (second, third) = (Arc::clone(&depot), Arc::clone(&depot));
    let threads = [
        thread::spawn(move || {
            let block = second.pop();
            if !block.is_null() {
                // SAFETY: no block of these tests is freed before its threads have ended.
                unsafe { touch(block) };
                // SAFETY: the block is ours.
                unsafe { second.push(block) };
            }
        }),
        thread::spawn(move || {
            let block = block();
            // SAFETY: it is live.
            unsafe { touch(block) };
            // SAFETY: the block is ours.
            unsafe { third.push(block) };
        }),
    ];
    let blocks = all_of(&depot);
    for thread in threads {
        thread.join().unwrap();
    }
    for block in blocks {
        // SAFETY: the block is ours.
        unsafe { depot.push(block) };
    }
    assert_eq!(empty(&*depot), 3, "a block was lost");
}

/// One thread takes whatever comes while another takes one and leaves one.
fn emptied() {
    let depot = filled::<Depot>(2);
    let other = Arc::clone(&depot);
    let thread = thread::spawn(move || exchange_some(&*other, 1));
    let blocks = all_of(&depot);
    thread.join().unwrap();
    for block in blocks {
        // SAFETY: the block is ours.
        unsafe { depot.push(block) };
    }
    assert_eq!(empty(&*depot), 2, "a block was lost");
}

fn locked() {
    let shared = Arc::new((Spin::new(), watched::Watched::new()));
    let other = Arc::clone(&shared);
    let thread = thread::spawn(move || {
        let _held = other.0.hold();
        other.1.touch();
    });
    {
        let _held = shared.0.hold();
        shared.1.touch();
    }
    thread.join().unwrap();
}

#[cfg(loom)]
mod exhaustive {
    use super::*;

    /// All orders with up to three preemptions: each fault that is known of shows with two.
    fn every(test: impl Fn() + Send + Sync + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(test);
    }

    #[test]
    fn a_depot_gives_each_batch_to_one_thread() {
        every(|| taken_and_left::<Depot>(&[2, 1]));
    }

    #[test]
    fn a_depot_is_shared_by_three() {
        every(|| taken_and_left::<Depot>(&[1, 1, 1]));
    }

    #[test]
    fn a_batch_arrives_whole() {
        every(handed_over::<Depot>);
    }

    #[test]
    fn a_depot_is_emptied_beside_its_users() {
        every(emptied);
    }

    #[test]
    fn a_depot_is_emptied_beside_a_pop_and_a_push() {
        every(emptied_by_three);
    }

    #[test]
    fn links_that_are_put_back_are_told_of() {
        every(put_back::<Depot>);
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn putting_back_without_telling_is_found_out() {
        every(put_back::<Whispered>);
    }

    #[test]
    fn a_lock_lets_one_in() {
        every(locked);
    }

    #[test]
    #[should_panic]
    fn following_a_link_is_found_out() {
        every(|| taken_and_left::<Followed>(&[1, 2]));
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn telling_nothing_is_found_out() {
        every(handed_over::<Untold>);
    }
}

#[cfg(shuttle)]
mod random {
    use core::alloc::Layout;

    use super::*;
    use crate::Strategy;
    use crate::testing::Fixed;
    use crate::testing::{Shared, Worker};

    const SCHEDULES: usize = 3_000;

    fn many(test: impl Fn() + Copy + Send + Sync + 'static) {
        shuttle::check_random(test, SCHEDULES);
        shuttle::check_pct(test, SCHEDULES, 3);
    }

    #[test]
    fn a_depot_gives_each_batch_to_one_thread() {
        many(|| taken_and_left::<Depot>(&[2, 1, 3]));
    }

    #[test]
    fn a_depot_is_emptied_beside_its_users() {
        many(emptied);
    }

    #[test]
    fn a_depot_is_emptied_beside_a_pop_and_a_push() {
        many(emptied_by_three);
    }

    #[test]
    fn a_lock_lets_one_in() {
        many(locked);
    }

    #[test]
    #[should_panic]
    fn following_a_link_is_found_out() {
        many(|| taken_and_left::<Followed>(&[1, 2, 1]));
    }

    /// Memory, with addresses that repeat from run to run.
    const PAGES: usize = 24;
    const PAGE: usize = crate::source::PAGE;

    /// Refills, hand-overs, large blocks, trims and the ends of threads, all in one.
    fn work(shared: &Shared<Fixed>, mail: &shuttle::sync::Mutex<Vec<(usize, Layout)>>, thread: usize) {
        let mut worker = Worker::new(shared);
        let mut kept = Vec::new();
        for turn in 0..24 {
            let size = [1000, 1000, 1000, 3000][turn % 4];
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: the size is not zero.
            let block = unsafe { worker.allocate(layout) };
            assert!(!block.is_null());
            // SAFETY: the block has a word.
            unsafe { block.cast::<usize>().write(block.addr()) };
            if turn % 3 == thread {
                mail.lock().unwrap().push((block.expose_provenance(), layout));
            } else {
                kept.push((block.expose_provenance(), layout));
            }
            if turn == 12 + thread {
                shared.trim();
            }
            if turn % 4 == 3 {
                kept.extend(mail.lock().unwrap().pop());
            }
        }
        for (block, layout) in kept {
            let block = core::ptr::with_exposed_provenance_mut::<u8>(block);
            // SAFETY: the block is live and has a word.
            assert_eq!(unsafe { block.cast::<usize>().read() }, block.addr(), "a block was handed out twice");
            // SAFETY: the block is live, from the same lists, with this layout.
            unsafe { worker.release(block, layout) };
        }
    }

    fn workers() {
        let layout = Layout::from_size_align(PAGES * PAGE, PAGE).unwrap();
        // SAFETY: the size is not zero.
        let base = unsafe { std::alloc::alloc(layout) };
        // SAFETY: the region is aligned, and goes after the last block.
        let shared = Arc::new(Shared::new(unsafe { Fixed::new(base, PAGES * PAGE) }));
        let mail = Arc::new(shuttle::sync::Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                let (shared, mail) = (Arc::clone(&shared), Arc::clone(&mail));
                thread::spawn(move || work(&shared, &mail, thread))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let mut worker = Worker::new(&*shared);
        for (block, layout) in mail.lock().unwrap().drain(..) {
            // SAFETY: the block is live, from the same lists, with this layout.
            unsafe { worker.release(core::ptr::with_exposed_provenance_mut(block), layout) };
        }
        worker.trim();
        // Whole again: nothing was lost on the way.
        let rest = Layout::from_size_align((PAGES - 2) * PAGE, 16).unwrap();
        // SAFETY: the size is not zero.
        assert!(!unsafe { worker.allocate(rest) }.is_null(), "blocks were lost");
        // SAFETY: the last block is gone with the worker's use of it.
        unsafe { std::alloc::dealloc(base, layout) };
    }

    #[test]
    fn workers_lose_nothing() {
        shuttle::check_random(workers, 300);
        shuttle::check_pct(workers, 300, 3);
    }
}
