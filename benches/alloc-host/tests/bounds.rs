//! Bounds on the worst operation, on refusals and on pages, over all hostile traces: exact, so that
//! a walk over all that is free shows in a test.

use std::fmt::Write;

use sluicegate_alloc_host::hostile::{Found, Guest, engine, run};
use sluicegate_traces::hostile::{ONE_OF_EACH, TRACES};

/// Instructions of any single operation beyond the bytes that it copies or clears.
const OPERATION: u64 = 4_200;

/// Instructions of a refusal, which takes std 230 to 310 in the mean and 406 at most. A refusal of
/// the free lists first looks for a kept block that is larger, and gives back one that they keep.
const REFUSAL: u64 = 2_200;
const REFUSAL_MEAN: f64 = 800.0;

/// Instructions of all operations of one request, which takes std 14,805 at most.
const REQUEST: u64 = 17_000;

/// The number of pages that a small heap may hold beyond std's.
const SMALL: u64 = 2;

/// The largest number of pages of a strategy, by std's pages. `heap` is the feature `talc`.
const STRATEGIES: [(&str, f64); 3] = [("freelist", 1.25), ("arena", 1.25), ("heap", 1.25)];

#[test]
fn no_operation_walks_and_pages_stay_near_stds() {
    let engine = engine().unwrap();
    let names = ["std"].into_iter().chain(STRATEGIES.map(|(name, _)| name));
    let guests: Vec<Guest> = names.map(|name| Guest::build(&engine, name).unwrap()).collect();
    let found = run(&guests, "").unwrap();
    let mut faults = String::new();
    for ((name, pages), own) in STRATEGIES.iter().zip(&found[1..]) {
        for ((own, std), trace) in own.iter().zip(&found[0]).zip(TRACES) {
            let ratio = if trace.title == ONE_OF_EACH { 1.0 } else { *pages };
            let most = ((std.pages as f64 * ratio) as u64).max(std.pages + SMALL);
            for fault in judge(own, std, trace.pages.then_some(most)) {
                writeln!(faults, "{name}, {}: {fault}", trace.title).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

fn judge(own: &Found, std: &Found, pages: Option<u64>) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(reason) = &own.ended {
        faults.push(format!("it ends early: {reason}"));
    }
    let dearest = own.costs.dearest();
    if dearest.cost > OPERATION {
        faults.push(format!("{} takes {} instructions, not {OPERATION}", dearest.operation, dearest.cost));
    }
    let refusal = &own.costs.worst_refused;
    if refusal.cost > REFUSAL {
        faults.push(format!("the refusal of {} takes {} instructions, not {REFUSAL}", refusal.operation, refusal.cost));
    }
    let refusal = own.costs.mean_refused;
    // One refusal has no mean.
    if refusal > REFUSAL_MEAN && own.costs.refused > 10 {
        faults.push(format!("a refusal takes {refusal:.0} instructions in the mean, not {REFUSAL_MEAN:.0}"));
    }
    if own.costs.worst_request > REQUEST {
        faults.push(format!("a request takes {} instructions, not {REQUEST}", own.costs.worst_request));
    }
    if let Some(most) = pages
        && own.pages > most
    {
        faults.push(format!("{} pages, not {most}, where std has {}", own.pages, std.pages));
    }
    faults
}

#[test]
fn an_allocator_that_walks_is_found_out() {
    let engine = engine().unwrap();
    let guests = ["std", "lol_alloc"].map(|name| Guest::build(&engine, name).unwrap());
    let found = run(&guests, "burst of 256 streams, then requests").unwrap();
    let (std, lol) = (&found[0][0], &found[1][0]);
    assert!(std.ended.is_none() && std.costs.dearest().cost < OPERATION, "{std:?}");
    assert!(std.costs.mean > 50.0 && std.pages > 10 && std.live > 10, "{std:?}");
    assert!(lol.costs.dearest().cost > OPERATION, "{lol:?}");
}
