//! The traces of the benches on every strategy, through the shadow model: what is timed is also
//! checked.
#![cfg(not(miri))]

use sluicegate_alloc::{Freelist, Heap};
use sluicegate_alloc_model::broken::{Broken, Fault};
use sluicegate_alloc_model::sources::Region;
use sluicegate_alloc_model::traces::{TRACES, play};
use sluicegate_alloc_model::{Regions, Subject, usual};

const PAGES: usize = 256;
const SCALE: u32 = 20;

fn all<A: Subject>(subject: impl Fn(&mut Region) -> A) {
    for (trace, title) in TRACES.iter().enumerate() {
        let mut region = Region::new(PAGES);
        play(&mut subject(&mut region), trace, SCALE, usual).unwrap_or_else(|fault| panic!("{title}: {fault}"));
    }
}

#[cfg(feature = "strategy-talc")]
#[test]
fn talc_passes() {
    all(|region| sluicegate_alloc_model::Plain(sluicegate_alloc::Talc::new(region.source())));
}

#[test]
fn the_heap_passes() {
    all(|region| Heap::new(region.source()));
}

#[test]
fn the_free_lists_pass() {
    all(|region| Freelist::new(region.source()));
}

#[test]
fn the_arena_passes() {
    all(|region| Regions::new(region.source()));
}

/// Those that show without a resize being refused, which ends a trace.
#[test]
fn faults_are_found() {
    for (fault, title) in
        [(Fault::Short, "churn"), (Fault::Twice, "churn"), (Fault::Leaks, "churn"), (Fault::Forgets, "growing")]
    {
        let trace = TRACES.iter().position(|trace| *trace == title).unwrap();
        let mut region = Region::new(PAGES);
        let result = play(&mut Broken::new(Freelist::new(region.source()), fault), trace, SCALE * 4, usual);
        assert!(result.is_err(), "{fault:?} was not found: {result:?}");
    }
}
