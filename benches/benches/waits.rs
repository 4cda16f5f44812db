//! The time that a thread waits for memory while another thread does its worst.
//!
//! ```sh
//! RUSTFLAGS="--cfg snmalloc" cargo bench -p sluicegate-benches --bench waits -- [BLOCKS]   # with g++
//! ```
//!
//! One thread makes a million blocks of 48 bytes, frees them in random order, and then makes 400
//! vectors of 200 kB, for which memory must grow. The other makes and frees blocks of 60–140 kB,
//! again and again, and notes its longest wait from the first free to the last vector. Times, on a
//! machine that does other things too: stated, not gated.
#![allow(unsafe_code, reason = "allocators are compared through their raw interface")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sluicegate_alloc::Native;
use sluicegate_benches::table::Table;
use sluicegate_traces::block::Block;
use sluicegate_traces::random::Random;

const RIVALS: &[(&str, &(dyn GlobalAlloc + Sync))] = &[
    ("std", &System),
    ("freelist", &Native),
    ("mimalloc", &mimalloc::MiMalloc),
    #[cfg(snmalloc)]
    ("snmalloc", &snmalloc_rs::SnMalloc),
];

/// The progress of the first thread.
const FILLS: u32 = 0;
const FREES: u32 = 1;
const DONE: u32 = 2;

/// An allocator behind a pointer, as a heap of the traces.
#[derive(Clone, Copy)]
struct Of(&'static (dyn GlobalAlloc + Sync));

impl sluicegate_traces::block::Heap for Of {
    unsafe fn allocate(self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn release(self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(block, layout) };
    }

    unsafe fn resize(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.0.realloc(block, layout, size) }
    }
}

/// Seconds of the first thread's frees and vectors, and the longest wait of each thread for one
/// operation.
fn run(heap: Of, blocks: usize) -> [Duration; 3] {
    let state = AtomicU32::new(FILLS);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            let mut random = Random::new();
            while state.load(Ordering::Acquire) != DONE {
                let size = random.within(60_000, 140_000);
                let begin = Instant::now();
                Block::new(heap, size).free(heap);
                if state.load(Ordering::Acquire) == FREES {
                    longest = longest.max(begin.elapsed());
                }
            }
            longest
        });
        let mut random = Random::new();
        let mut small: Vec<Block> = (0..blocks).map(|_| Block::new(heap, 48)).collect();
        for at in (1..blocks).rev() {
            small.swap(at, random.below(at + 1));
        }
        state.store(FREES, Ordering::Release);
        let begin = Instant::now();
        let mut worst = Duration::ZERO;
        let mut timed = |operation: &mut dyn FnMut()| {
            let begin = Instant::now();
            operation();
            worst = worst.max(begin.elapsed());
        };
        for block in &mut small {
            timed(&mut || block.free(heap));
        }
        let mut large = vec![Block::NONE; 400];
        for block in &mut large {
            timed(&mut || *block = Block::new(heap, 200_000));
        }
        let all = begin.elapsed();
        state.store(DONE, Ordering::Release);
        large.iter_mut().for_each(|block| block.free(heap));
        [all, worst, waiter.join().unwrap_or_default()]
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let smoke = arguments.iter().any(|argument| argument == "--test");
    let blocks = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let (blocks, rounds) = if smoke { (10_000, 1) } else { (blocks, 5) };
    let mut table = Table::new([
        "allocator",
        "ms of the first thread, least of five",
        "its longest operation in ms: least / most of five",
        "the other's longest wait in ms: least / most of five",
    ]);
    for &(name, heap) in RIVALS {
        let found: Vec<[Duration; 3]> = (0..rounds).map(|_| run(Of(heap), blocks)).collect();
        let of = |which: usize| found.iter().map(move |times| times[which].as_secs_f64() * 1e3);
        let least = |which| of(which).fold(f64::INFINITY, f64::min);
        let most = |which| of(which).fold(0.0, f64::max);
        let both = |which| format!("{:.2} / {:.2}", least(which), most(which));
        table.add(vec![name.to_owned(), format!("{:.0}", least(0)), both(1), both(2)]);
    }
    println!("{table}");
}
