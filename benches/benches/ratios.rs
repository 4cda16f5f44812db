//! The allocators natively, as ratios to std's in CPU time:
//! `cargo bench -p sluicegate-benches --bench ratios [-- ROUNDS [TRACE [RIVAL...]]] [--write]`.
//!
//! In each round every allocator runs a piece of the trace, one right after another; the figure is
//! the median over the rounds of its time to std's in the same round. With two threads both run the
//! same piece at once, and their CPU times are added up.
//!
//! Then the pages and grows of our strategies in one thread, each from an empty heap, which are
//! exact; with 0 rounds nothing else. `--write` puts what was found into `results/native.md`.
#![allow(unsafe_code, reason = "allocators are compared through their raw interface")]

mod rivals;

use std::alloc::Layout;
use std::cell::RefCell;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use rivals::{RIVALS, Rival, Running, TRACES, Trace};
use sluicegate_alloc::source::Pages;
use sluicegate_alloc::testing::{Shared, Worker};
use sluicegate_alloc::{Freelist, Strategy, Talc, Usage};
use sluicegate_benches::clock::{median, time};
use sluicegate_benches::table::Table;
use sluicegate_benches::written;
use sluicegate_traces::bare::{self, Churn};
use sluicegate_traces::block::Heap;
use sluicegate_traces::request;

/// The first rounds warm up.
const WARM: usize = 6;

/// Rounds before pages are counted.
const COUNTED: u32 = 31;

fn main() {
    // Cargo gives `--bench`; the smoke run `--test`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let smoke = words.iter().any(|word| word == "--test");
    let rounds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(if smoke { 1 } else { 41 });
    let mut names = words.iter().filter(|word| !word.starts_with('-') && word.parse::<usize>().is_err());
    let filter = names.next();
    let wanted: Vec<&String> = names.collect();
    let (first, last) = (RIVALS[0].name(), RIVALS[RIVALS.len() - 1].name());
    let picked = |rival: &&&'static dyn Rival| {
        wanted.is_empty() || [first, last].contains(&rival.name()) || wanted.iter().any(|name| *name == rival.name())
    };
    let rivals: Vec<&'static dyn Rival> = RIVALS.iter().filter(picked).copied().collect();
    let mut tables = Vec::new();
    for threads in if rounds > 0 { vec![1, 2] } else { Vec::new() } {
        let header = || rivals.iter().map(|rival| rival.name());
        let title = |what: &str| format!("{threads} thread{}: {what}", if threads == 1 { "" } else { "s" });
        let table = |what| Table::new(std::iter::once(title(what)).chain(header().map(str::to_owned)));
        let (mut gross, mut net, mut absolute) =
            (table("ratio to std"), table("less the trace's own"), table("ns each"));
        for &(name, trace, count) in TRACES {
            if filter.is_some_and(|filter| !name.contains(filter.as_str())) {
                continue;
            }
            let count = if smoke { count / 100 } else { count };
            let figures = measure(&rivals, trace, count, rounds, threads);
            let own = figures.last().copied().flatten().map_or(0.0, |(ratio, _)| ratio);
            let cells = |cell: &dyn Fn((f64, f64)) -> String| {
                let cells = figures.iter().map(|figure| figure.map_or_else(|| "-".to_owned(), cell));
                std::iter::once(name.to_owned()).chain(cells).collect()
            };
            gross.add(cells(&|(ratio, _)| format!("{ratio:.2}")));
            net.add(cells(&|(ratio, _)| format!("{:.2}", (ratio - own) / (1.0 - own))));
            absolute.add(cells(&|(_, each)| format!("{each:.1}")));
        }
        tables.extend([gross, net, absolute]);
    }
    let pages = pages(filter.map(String::as_str), smoke);
    let write = words.iter().any(|word| word == "--write");
    for (part, tables) in [("times", tables), ("pages", vec![pages])] {
        let text = tables.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        println!("{text}");
        if write && !text.is_empty() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/native.md");
            written::write(&path, part, &text).expect("the document has the part");
        }
    }
}

/// A strategy as a heap of one thread.
struct Alone<'a, S>(&'a RefCell<S>);

impl<S> Clone for Alone<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Alone<'_, S> {}

impl<S: Strategy> Heap for Alone<'_, S> {
    unsafe fn allocate(self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.0.borrow_mut().allocate(layout) }
    }

    unsafe fn release(self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.borrow_mut().release(block, layout) };
    }

    unsafe fn resize(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { self.0.borrow_mut().resize(block, layout, size) }
    }
}

/// Returns the pages and growths after the trace, or `None` if the trace runs on the global
/// allocator alone.
fn held<S: Strategy>(strategy: S, trace: Trace, count: u32) -> Option<Usage> {
    let strategy = RefCell::new(strategy);
    let heap = Alone(&strategy);
    let mut churn = Box::new(Churn::new());
    let usage = || Some(strategy.borrow().usage());
    match trace {
        Trace::Request(open) => {
            let mut requests = Box::new(request::Trace::new());
            requests.run(heap, open, count);
            let usage = usage();
            requests.drain(heap);
            return usage;
        }
        Trace::Rust(_) => return None,
        Trace::Pair => bare::pair(heap, count),
        Trace::Batch { fifo } => bare::batch(heap, count, fifo),
        Trace::Churn(live) => churn.run(heap, live, count),
        Trace::Mixed(live) => churn.mixed(heap, live, count),
        Trace::Growing(live) => churn.growing(heap, live, count),
    }
    let usage = usage();
    churn.drain(heap);
    usage
}

/// Returns the pages that the strategies of this repository hold in one thread after [`COUNTED`]
/// rounds, each from an empty heap.
fn pages(filter: Option<&str>, smoke: bool) -> Table {
    let mut table = Table::new(["1 thread: pages (grows)", "freelist", "freelist, locked", "heap, locked"]);
    for &(name, trace, count) in TRACES {
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let count = if smoke { count / 100 } else { count * COUNTED };
        let shared = Shared::new(Pages::new());
        let found = [
            held(Worker::new(&shared), trace, count),
            held(Freelist::new(Pages::new()), trace, count),
            held(Talc::new(Pages::new()), trace, count),
        ];
        let cells = found.map(|usage| usage.map_or_else(|| "-".to_owned(), |u| format!("{} ({})", u.pages, u.grows)));
        table.add(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    table
}

/// Returns for each rival the ratio to std's time, and the nanoseconds of one. Returns `None` where
/// a rival cannot run.
fn measure(
    rivals: &[&'static dyn Rival],
    trace: Trace,
    count: u32,
    rounds: usize,
    threads: usize,
) -> Vec<Option<(f64, f64)>> {
    let able: Vec<&&'static dyn Rival> = rivals.iter().filter(|rival| rival.runs(trace)).collect();
    let barrier = Barrier::new(threads);
    // Seconds by thread, round and rival.
    let times: Vec<Vec<Vec<f64>>> = thread::scope(|scope| {
        let work = || {
            let mut running: Vec<Box<dyn Running>> = able.iter().map(|rival| rival.start(trace)).collect();
            let round = |_| {
                let one = |running: &mut Box<dyn Running>| {
                    barrier.wait();
                    time(|| running.run(count)).1.as_secs_f64()
                };
                running.iter_mut().map(one).collect()
            };
            (0..rounds + WARM).map(round).collect()
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    let sum = |round: usize, rival: usize| times.iter().map(|thread| thread[round][rival]).sum::<f64>();
    let figure = |rival| {
        let ratios = (WARM..rounds + WARM).map(|round| sum(round, rival) / sum(round, 0)).collect();
        let seconds = (WARM..rounds + WARM).map(|round| sum(round, rival)).collect();
        (median(ratios), median(seconds) * 1e9 / f64::from(count) / threads as f64)
    };
    rivals.iter().map(|rival| able.iter().position(|able| able.name() == rival.name()).map(figure)).collect()
}
