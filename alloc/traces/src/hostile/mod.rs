//! Hostile traces: loads that an allocator with a slow path, or with a bad fit, does not survive.
//!
//! A trace here does not allocate. It writes operations into a [`Script`], and a [`Player`] plays
//! them. On wasm the instructions of each operation are counted, natively it is timed. So a trace
//! keeps no table in the module under test, whose memory holds nothing but blocks.
//!
//! Every trace draws from a generator with a fixed seed. All allocators see the same operations, as
//! long as they serve all of them.

mod bodies;
mod bursts;
mod classes;
mod mixed;
mod regions;
mod script;
mod small;
mod tight;

pub use script::{Block, Blocks, Cap, Op, Player, Script};

/// A load, under its name.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    /// The origin of the load, and a short description.
    pub title: &'static str,
    /// True if the pages at the end can be compared. At a cap every allocator has the same pages.
    pub pages: bool,
    /// True if the load opens regions.
    pub regions: bool,
    /// Writes the operations.
    pub write: fn(&mut Script<'_>),
}

const fn trace(title: &'static str, write: fn(&mut Script<'_>)) -> Trace {
    Trace { title, pages: true, regions: false, write }
}

/// Makes a load at a cap.
const fn capped(title: &'static str, write: fn(&mut Script<'_>)) -> Trace {
    Trace { pages: false, ..trace(title, write) }
}

/// Makes a load whose streams have regions.
const fn routed(title: &'static str, write: fn(&mut Script<'_>)) -> Trace {
    Trace { regions: true, ..trace(title, write) }
}

/// All hostile traces.
pub const TRACES: &[Trace] = &[
    trace("burst of 20,000 streams, then bodies", |s| bursts::then_bodies(s, 20_000)),
    trace("burst of 2,000 streams, then bodies", |s| bursts::then_bodies(s, 2_000)),
    trace("burst of 256 streams, then bodies", |s| bursts::then_bodies(s, 256)),
    trace("burst of 20,000 streams, then requests", |s| bursts::then_requests(s, 20_000)),
    trace("burst of 2,000 streams, then requests", |s| bursts::then_requests(s, 2_000)),
    trace("burst of 256 streams, then requests", |s| bursts::then_requests(s, 256)),
    trace("burst that ends in reverse, then one body of 8 MiB", bursts::then_one_body),
    capped("refusals after 200 streams", |s| bursts::then_refusals(s, 200)),
    capped("refusals after 500 streams", |s| bursts::then_refusals(s, 500)),
    capped("refusals after 1,000 streams", |s| bursts::then_refusals(s, 1_000)),
    capped("refusals after 2,000 streams", |s| bursts::then_refusals(s, 2_000)),
    trace("tight heap, classes in turn, cap lifted", |s| tight::classes_in_turn(s, true)),
    capped("tight heap, classes in turn, at the cap", |s| tight::classes_in_turn(s, false)),
    Trace { pages: false, ..routed("region at its cap, 1 MiB of free blocks", |s| tight::region_at_its_cap(s, 1)) },
    Trace { pages: false, ..routed("region at its cap, 8 MiB of free blocks", |s| tight::region_at_its_cap(s, 8)) },
    trace("16 sizes of 16 to 256 B, one of each 8 KiB stays", |s| classes::one_of_each_slab(s, 16, 16, 4 << 20)),
    trace("31 sizes of 32 to 992 B, one of each 8 KiB stays", |s| classes::one_of_each_slab(s, 31, 32, 8 << 20)),
    trace("sizes that move from 16 B to 1 KiB", classes::moving_sizes),
    routed("1,000 escapes of 16 B", |s| regions::escapes(s, 16, 1_000, 10_000, 8)),
    routed("10,000 escapes of 16 B", |s| regions::escapes(s, 16, 10_000, 30_000, 8)),
    routed("50,000 escapes of 16 B", |s| regions::escapes(s, 16, 50_000, 75_000, 8)),
    routed("50,000 escapes of 64 B", |s| regions::escapes(s, 64, 50_000, 75_000, 4)),
    routed("50,000 escapes of 128 B", |s| regions::escapes(s, 128, 50_000, 75_000, 4)),
    routed("10,000 idle streams of one block of 24 B", |s| regions::idle(s, 10_000, 1, 24)),
    routed("50,000 idle streams of one block of 24 B", |s| regions::idle(s, 50_000, 1, 24)),
    routed("10,000 idle streams of 4 blocks of 40 B", |s| regions::idle(s, 10_000, 4, 40)),
    routed("10,000 idle streams of 20 blocks of 100 B", |s| regions::idle(s, 10_000, 20, 100)),
    routed("10,000 streams whose blocks change hands", regions::changing_hands),
    trace("a body to 16 MiB by 64 KiB", |s| bodies::grown(s, 1, 16 << 20, 64 << 10)),
    trace("a body to 16 MiB by 16 KiB", |s| bodies::grown(s, 1, 16 << 20, 16 << 10)),
    trace("4 bodies to 4 MiB by 64 KiB, in turn", |s| bodies::grown(s, 4, 4 << 20, 64 << 10)),
    trace("a body doubled to 32 MiB", bodies::doubled),
    trace("bodies of 16 streams, read again as they grow", bodies::read_again),
    trace("one small block of each size", small::one_of_each),
    trace("64 live of 16 to 1,024 B", |s| small::live(s, 64, 1_024)),
    trace("300 live of 16 to 1,024 B", |s| small::live(s, 300, 1_024)),
    trace("1,000 live of 16 to 1,024 B", |s| small::live(s, 1_000, 1_024)),
    trace("1,000 live of 16 to 127 B", |s| small::live(s, 1_000, 127)),
    trace("blocks aligned to 4,096 among 20,000 gaps", mixed::aligned),
    capped("gaps that are a little too small, at the cap", mixed::too_small),
    routed("random, seed 1", |s| mixed::random(s, 1, false)),
    routed("random, seed 2", |s| mixed::random(s, 2, false)),
    routed("random, seed 3", |s| mixed::random(s, 3, false)),
    Trace { pages: false, ..routed("random with caps, seed 1", |s| mixed::random(s, 4, true)) },
    Trace { pages: false, ..routed("random with caps, seed 2", |s| mixed::random(s, 5, true)) },
    Trace { pages: false, ..routed("random with caps, seed 3", |s| mixed::random(s, 6, true)) },
];

/// The trace of small heaps, whose pages are compared by difference and not by ratio.
pub const ONE_OF_EACH: &str = "one small block of each size";
