//! The allocators that are compared natively, and the traces on each.
#![allow(dead_code, unreachable_pub, reason = "two suites share it, and each uses its part")]

mod bump;
mod switch;

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;

use sluicegate_alloc::source::{Pages, Platform};
use sluicegate_alloc::{self as ours, Freelist, Global, Native};
use sluicegate_traces::bare::{self, Churn};
use sluicegate_traces::floor::Floor;
use sluicegate_traces::{request, rust};

/// A trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Requests, so many open at once.
    Request(usize),
    /// Ordinary Rust code, so many streams open at once.
    Rust(usize),
    Pair,
    /// In their own order, or in reverse.
    Batch {
        fifo: bool,
    },
    /// One of so many blocks replaced.
    Churn(usize),
    Mixed(usize),
    Growing(usize),
}

/// Every trace: its name, and the count of one measurement, about 5 ms of std.
pub const TRACES: &[(&str, Trace, u32)] = &[
    ("request 64", Trace::Request(64), 2_000),
    ("request 256", Trace::Request(256), 2_000),
    ("request 1024", Trace::Request(1024), 2_000),
    ("rust 64", Trace::Rust(64), 600),
    ("rust 1024", Trace::Rust(1024), 600),
    ("pair", Trace::Pair, 400_000),
    ("batch LIFO", Trace::Batch { fifo: false }, 6_000),
    ("batch FIFO", Trace::Batch { fifo: true }, 6_000),
    ("churn 1k", Trace::Churn(1_000), 60_000),
    ("churn 10k", Trace::Churn(10_000), 60_000),
    ("mixed 1k", Trace::Mixed(1_000), 30_000),
    ("growing 100", Trace::Growing(100), 20_000),
];

/// A trace that goes on. Dropping the value frees its blocks.
pub trait Running {
    fn run(&mut self, count: u32);
}

/// An allocator under test.
pub trait Rival: Sync {
    fn name(&self) -> &'static str;
    /// Returns whether the trace can run on the allocator.
    fn runs(&self, trace: Trace) -> bool;
    fn start(&'static self, trace: Trace) -> Box<dyn Running>;
}

struct On<A: 'static> {
    name: &'static str,
    /// `true` if its blocks overlap. Then only traces that write nothing but one word may run on
    /// it.
    floor: bool,
    /// The allocator. An allocator for one thread is a new one for each trace.
    heap: fn() -> &'static A,
}

static LOCKED: Global<Freelist<Platform>> = Global::new(Freelist::new(Platform::new()));
static HEAP: Global<ours::Talc<Pages>> = Global::new(ours::Talc::new(Pages::new()));
static RLSF: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

type Talc = talc::TalcLock<spinning_top::RawSpinlock, talc::source::GlobalAllocSource<System>>;

static TALC: Talc = talc::TalcLock::new(talc::source::GlobalAllocSource::new(System));

/// A lower bound that the compiler cannot see through: it must return every block, and cannot leave
/// out the trace's work on it. So this is the cost of the trace with any allocator.
struct Hidden<A>(A);

// SAFETY: everything is the inner allocator's.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Hidden<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        black_box(unsafe { self.0.alloc(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(black_box(block), layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        black_box(unsafe { self.0.realloc(block, layout, size) })
    }
}

fn floor<const RING: bool>() -> &'static Floor<RING> {
    Box::leak(Box::new(Floor::new()))
}

fn hidden() -> &'static Hidden<Floor<false>> {
    Box::leak(Box::new(Hidden(Floor::new())))
}

/// The rivals, with std first and the trace's own cost last.
pub static RIVALS: &[&dyn Rival] = &[
    &On { name: "std", floor: false, heap: || &System },
    &On { name: "freelist", floor: false, heap: || &Native },
    &On { name: "freelist, locked", floor: false, heap: || &LOCKED },
    &On { name: "heap, locked", floor: false, heap: || &HEAP },
    &On { name: "talc", floor: false, heap: || &TALC },
    &On { name: "dlmalloc", floor: false, heap: || &dlmalloc::GlobalDlmalloc },
    &On { name: "rlsf", floor: false, heap: || &RLSF },
    &On { name: "mimalloc", floor: false, heap: || &mimalloc::MiMalloc },
    #[cfg(snmalloc)]
    &On { name: "snmalloc", floor: false, heap: || &snmalloc_rs::SnMalloc },
    &bump::Bumps,
    &On { name: "ring", floor: true, heap: floor::<true> },
    &On { name: "null, hidden", floor: true, heap: hidden },
    &On { name: "null", floor: true, heap: floor::<false> },
];

impl<A: GlobalAlloc + Sync> Rival for On<A> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn runs(&self, trace: Trace) -> bool {
        !self.floor || !matches!(trace, Trace::Rust(_))
    }

    fn start(&'static self, trace: Trace) -> Box<dyn Running> {
        let heap = (self.heap)();
        match trace {
            Trace::Request(open) => Box::new(Requests { heap, open, trace: request::Trace::new() }),
            Trace::Rust(open) => Box::new(Streams { heap, open, trace: rust::Trace::new() }),
            Trace::Churn(_) | Trace::Mixed(_) | Trace::Growing(_) => {
                Box::new(Blocks { heap, kind: trace, churn: Churn::new() })
            }
            Trace::Pair | Trace::Batch { .. } => Box::new(Bare { heap, kind: trace }),
        }
    }
}

struct Requests<A: GlobalAlloc + 'static> {
    heap: &'static A,
    open: usize,
    trace: request::Trace,
}

impl<A: GlobalAlloc> Running for Requests<A> {
    fn run(&mut self, count: u32) {
        self.trace.run(self.heap, self.open, count);
    }
}

impl<A: GlobalAlloc> Drop for Requests<A> {
    fn drop(&mut self) {
        self.trace.drain(self.heap);
    }
}

struct Streams<A: GlobalAlloc + 'static> {
    heap: &'static A,
    open: usize,
    trace: rust::Trace,
}

impl<A: GlobalAlloc + Sync> Running for Streams<A> {
    fn run(&mut self, count: u32) {
        switch::with(self.heap, || self.trace.run(self.open, count));
    }
}

impl<A: GlobalAlloc + 'static> Drop for Streams<A> {
    fn drop(&mut self) {
        switch::with(self.heap, || self.trace.drain());
    }
}

struct Blocks<A: GlobalAlloc + 'static> {
    heap: &'static A,
    kind: Trace,
    churn: Churn,
}

impl<A: GlobalAlloc> Running for Blocks<A> {
    fn run(&mut self, count: u32) {
        match self.kind {
            Trace::Mixed(live) => self.churn.mixed(self.heap, live, count),
            Trace::Growing(live) => self.churn.growing(self.heap, live, count),
            Trace::Churn(live) => self.churn.run(self.heap, live, count),
            _ => {}
        }
    }
}

impl<A: GlobalAlloc> Drop for Blocks<A> {
    fn drop(&mut self) {
        self.churn.drain(self.heap);
    }
}

struct Bare<A: 'static> {
    heap: &'static A,
    kind: Trace,
}

impl<A: GlobalAlloc> Running for Bare<A> {
    fn run(&mut self, count: u32) {
        match self.kind {
            Trace::Batch { fifo } => bare::batch(self.heap, count, fifo),
            _ => bare::pair(self.heap, count),
        }
    }
}
