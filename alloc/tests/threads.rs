//! The free lists for threads: the model, blocks that cross threads, threads that end; also under
//! miri with many schedules:
//! `MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-many-seeds=0..16" cargo +nightly miri test -p sluicegate-alloc --test threads`.
#![allow(unsafe_code, reason = "allocators are driven through their raw interface")]

use proptest::prelude::*;
use sluicegate_alloc::Strategy;
use sluicegate_alloc::source::{PAGE, Source};
use sluicegate_alloc::testing::{Fixed, Shared, Worker};
use sluicegate_alloc_model::ops::sequences;
use sluicegate_alloc_model::sources::{Moody, Region};
use sluicegate_alloc_model::{Op, run, usual};
use std::alloc::Layout;
use std::mem::forget;
use std::sync::Mutex;
use std::thread;

const PAGES: usize = if cfg!(miri) { 32 } else { 512 };
/// The number of repetitions. Miri is slow, and tries schedules instead.
const ROUNDS: usize = if cfg!(miri) { 2 } else { 200 };

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 64 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_worker_keeps_its_promises(ops in sequences(if cfg!(miri) { 30 } else { 400 })) {
        let mut region = Region::new(512);
        let shared = Shared::new(region.source());
        run(&mut Worker::new(&shared), &ops, usual).map_err(TestCaseError::fail)?;
        whole(&shared, 510);
    }
}

/// A block with its layout; its first and last byte say whose it is.
struct Block {
    at: *mut u8,
    layout: Layout,
    seed: u8,
}

// SAFETY: the block belongs to whoever has this.
unsafe impl Send for Block {}

impl Block {
    fn new(worker: &mut impl Strategy, size: usize, seed: u8) -> Self {
        let layout = Layout::from_size_align(size, 8).unwrap();
        // SAFETY: the size is not zero.
        let at = unsafe { worker.allocate(layout) };
        assert!(!at.is_null(), "{size} bytes were refused");
        // SAFETY: the block has this size.
        unsafe { at.write_bytes(seed, size) };
        Self { at, layout, seed }
    }

    fn grow(self, worker: &mut impl Strategy, size: usize) -> Self {
        // SAFETY: the block is live, from the same lists, with this layout.
        let at = unsafe { worker.resize(self.at, self.layout, size) };
        assert!(!at.is_null(), "{size} bytes were refused");
        let old = Self { at, ..self };
        old.check();
        // SAFETY: the block has this size.
        unsafe { at.write_bytes(old.seed, size) };
        Self { layout: Layout::from_size_align(size, 8).unwrap(), ..old }
    }

    fn check(&self) {
        for at in [0, self.layout.size() / 2, self.layout.size() - 1] {
            // SAFETY: the block has more than so many bytes, all written.
            assert_eq!(unsafe { self.at.wrapping_add(at).read() }, self.seed, "byte {at} of {}", self.layout.size());
        }
    }

    fn free(self, worker: &mut impl Strategy) {
        self.check();
        // SAFETY: the block is live, from the same lists, with this layout.
        unsafe { worker.release(self.at, self.layout) };
    }
}

/// Asks for nearly all of the memory in one block: it must be there.
fn whole<S: Source>(shared: &Shared<S>, pages: usize) {
    let mut worker = Worker::new(shared);
    worker.trim();
    Block::new(&mut worker, pages * PAGE, 1).free(&mut worker);
}

#[test]
fn blocks_cross_threads_and_none_is_lost() {
    let mut region = Region::new(PAGES);
    let shared = Shared::new(region.source());
    let mail = Mutex::new(Vec::<Block>::new());
    thread::scope(|scope| {
        for number in 0..3_usize {
            let (shared, mail) = (&shared, &mail);
            scope.spawn(move || {
                let mut worker = Worker::new(shared);
                for round in 0..ROUNDS * 20 {
                    let size = [1000, 24, 700, 1000, 5000, 100, 1000, 90_000][(round + number) % 8];
                    let mut block = Block::new(&mut worker, size, (round + number * 80) as u8);
                    if round % 5 == 0 {
                        block = block.grow(&mut worker, size * 2);
                    }
                    let mut mail = mail.lock().unwrap();
                    mail.push(block);
                    let other = if mail.len() > 8 { mail.swap_remove(round % 8) } else { continue };
                    drop(mail);
                    other.free(&mut worker);
                }
            });
        }
    });
    let mut worker = Worker::new(&shared);
    mail.into_inner().unwrap().into_iter().for_each(|block| block.free(&mut worker));
    drop(worker);
    whole(&shared, PAGES - 2);
}

/// One thread allocates, another frees; the answer is the pages at half time and in the end.
fn producer_and_consumer(shared: &Shared<Fixed>, rounds: usize) -> (usize, usize) {
    let batch = if cfg!(miri) { 40 } else { 200 };
    let (sender, receiver) = std::sync::mpsc::sync_channel::<Vec<Block>>(1);
    let pages = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let pages = &pages;
        scope.spawn(move || {
            let mut worker = Worker::new(shared);
            for round in 0..rounds {
                let sizes = (0..batch).map(|n| [1000, 64, 1000, 3000][(n + round) % 4]);
                sender.send(sizes.map(|size| Block::new(&mut worker, size, round as u8)).collect()).unwrap();
                pages.lock().unwrap().push(shared.usage().pages);
            }
        });
        scope.spawn(move || {
            let mut worker = Worker::new(shared);
            receiver.iter().flatten().for_each(|block| block.free(&mut worker));
        });
    });
    let pages = pages.into_inner().unwrap();
    (pages[rounds / 2], pages[rounds - 1])
}

#[test]
fn what_another_thread_frees_serves_again() {
    let mut region = Region::new(PAGES);
    let shared = Shared::new(region.source());
    let (half, end) = producer_and_consumer(&shared, ROUNDS * 4);
    // Three batches of 250 kB are under way at most, each thread keeps some, and right after a trim
    // memory grows by up to 8 MiB: how much of that, the schedule decides. Were one block in ten
    // lost, 150 pages would be.
    assert!(end <= half.max(16) + 8 * 1024 * 1024 / PAGE, "{half} pages, then {end}");
    whole(&shared, PAGES - 2);
}

/// Threads that come, free what they allocated, and go, as `leave` says: how many pages they take.
fn threads_come_and_go<'a>(shared: &'a Shared<Fixed>, count: usize, leave: fn(Worker<'a, Fixed>)) -> usize {
    for number in 0..count {
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut worker = Worker::new(shared);
                let blocks: Vec<Block> =
                    (0..30).map(|n| Block::new(&mut worker, [1000, 500, 2500, 20_000][n % 4], number as u8)).collect();
                blocks.into_iter().for_each(|block| block.free(&mut worker));
                leave(worker);
            });
        });
    }
    shared.usage().pages
}

#[test]
fn a_thread_that_ends_leaves_its_blocks_to_the_others() {
    let mut region = Region::new(PAGES);
    let shared = Shared::new(region.source());
    let pages = threads_come_and_go(&shared, ROUNDS, drop);
    assert!(pages <= 8, "{pages} pages");
    whole(&shared, PAGES - 2);
}

#[test]
fn threads_that_take_their_blocks_along_would_be_noticed() {
    let mut region = Region::new(512);
    let shared = Shared::new(region.source());
    let pages = threads_come_and_go(&shared, 20, forget);
    assert!(pages > 8, "{pages} pages");
}

#[test]
fn memory_that_a_worker_keeps_goes_back_before_memory_grows() {
    let mut region = Region::new(40);
    let shared = Shared::new(region.source());
    let mut worker = Worker::new(&shared);
    let blocks: Vec<Block> = (0..60).map(|n| Block::new(&mut worker, 30_000, n)).collect();
    blocks.into_iter().for_each(|block| block.free(&mut worker));
    // 1.8 MB are free, most of them in the worker; 2.4 are all there is.
    Block::new(&mut worker, 2_300_000, 7).free(&mut worker);
}

#[test]
fn past_the_limit_the_answer_is_null_and_memory_serves_on() {
    let mut region = Region::new(64);
    let shared = Shared::new(region.source());
    shared.limit(4);
    let mut worker = Worker::new(&shared);
    let layout = Layout::from_size_align(5 * PAGE, 8).unwrap();
    // SAFETY: the size is not zero.
    assert!(unsafe { worker.allocate(layout) }.is_null());
    let mut blocks = Vec::new();
    for size in [1000, 3000].iter().cycle() {
        let layout = Layout::from_size_align(*size, 8).unwrap();
        // SAFETY: the size is not zero.
        let block = unsafe { worker.allocate(layout) };
        if block.is_null() {
            break;
        }
        blocks.push((block, layout));
    }
    assert!(blocks.len() * 2000 > 3 * PAGE);
    for (block, layout) in blocks {
        // SAFETY: the block is live, from the same lists, with this layout.
        unsafe { worker.release(block, layout) };
    }
    Block::new(&mut worker, 1000, 3).free(&mut worker);
    assert!(shared.usage().pages <= 4);
}

/// Asks for twice as much as it frees, of all kinds of sizes.
fn rising(steps: usize) -> Vec<Op> {
    let sizes = [1000, 24, 700, 5000, 30_000, 100, 90_000, 3000];
    (0..steps)
        .flat_map(|step| {
            let which = step * 7;
            let last = if step % 2 == 0 {
                Op::Free { which }
            } else {
                Op::Resize { which, size: sizes[(step / 2) % 8] + step }
            };
            [Op::Allocate { size: sizes[step % 8], align: 3 }, last]
        })
        .collect()
}

#[test]
fn a_worker_keeps_its_promises_when_any_growth_is_refused() {
    let ops = rising(if cfg!(miri) { 40 } else { 100 });
    let mut region = Region::new(512);
    let shared = Shared::new(region.source());
    let growths = run(&mut Worker::new(&shared), &ops, usual).unwrap().grows;
    assert!(growths > 4 && growths < 63, "{growths}");
    let mut shown = 0;
    for growth in (0..growths).step_by(if cfg!(miri) { 4 } else { 1 }) {
        // The next one too: right after a trim what is refused is tried again, after another.
        let shared = Shared::new(Moody::new(region.source(), 3 << growth, 0));
        shown += usize::from(run(&mut Worker::new(&shared), &ops, usual).unwrap().refused > 0);
    }
    // Not all: what the trim gave back may do instead.
    assert!(shown * if cfg!(miri) { 8 } else { 2 } > growths, "{shown} of {growths} were refused");
}
