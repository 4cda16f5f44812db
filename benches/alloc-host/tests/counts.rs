//! The instructions, pages, growths and code size of the strategies, relative to std. They are
//! exact, so a loss fails a test.
//!
//! The bounds are a little above the current figures. If the crate's README names a goal that is
//! reached, the bound is this goal.

use std::fmt::Write;

use sluicegate_alloc_host::guest::{Engines, Guest};
use sluicegate_alloc_host::speed::{Counts, TRACES};

/// The bounds of a strategy on a trace: instructions and pages, as ratios to std's. Two more pages
/// are always allowed, because std takes none on some traces.
struct Bound {
    trace: &'static str,
    instructions: f64,
    pages: f64,
}

const fn bound(trace: &'static str, instructions: f64, pages: f64) -> Bound {
    Bound { trace, instructions, pages }
}

/// The strategies by features, with the bytes of a module that only allocates, beyond a module
/// whose allocator does nothing.
const BOUNDS: &[(&str, u64, &[Bound])] = &[
    (
        "freelist+inline",
        6_400,
        &[
            bound("request 64", 0.375, 1.15),
            bound("request 256", 0.35, 1.15),
            bound("request 1024", 0.36, 1.08),
            // std takes 9 or 10 pages here, depending on the end of the module's data.
            bound("rust 64", 0.88, 1.34),
            bound("rust 256", 0.88, 1.1),
            bound("rust 1024", 0.88, 1.1),
            bound("pair", 0.33, 1.0),
            bound("batch LIFO", 0.37, 1.0),
            bound("batch FIFO", 0.2, 1.0),
            bound("churn 1k", 0.5, 1.25),
            bound("churn 10k", 0.22, 1.15),
            bound("mixed 1k", 0.46, 1.1),
            bound("growing 100", 0.83, 1.75),
        ],
    ),
    (
        "freelist",
        6_400,
        &[
            bound("request 64", 0.44, 1.15),
            bound("request 256", 0.41, 1.15),
            bound("request 1024", 0.42, 1.08),
            bound("pair", 0.49, 1.0),
        ],
    ),
    (
        "arena+inline",
        7_300,
        &[
            bound("request 64", 0.76, 1.35),
            bound("request 256", 0.74, 1.15),
            bound("request 1024", 0.74, 1.08),
            bound("rust 64", 0.95, 1.34),
            bound("rust 256", 0.95, 1.15),
            bound("rust 1024", 0.95, 1.15),
            bound("pair", 0.5, 1.0),
            bound("pair in a region", 0.85, 1.0),
            bound("batch LIFO in a region", 0.98, 1.0),
            bound("batch FIFO in a region", 0.55, 1.0),
            bound("churn 1k in a region", 0.6, 1.25),
            bound("churn 10k in a region", 0.25, 1.15),
            bound("mixed 1k", 0.5, 1.1),
            bound("growing 100", 0.85, 1.75),
        ],
    ),
    (
        "arena",
        7_300,
        &[
            bound("request 64", 0.8, 1.35),
            bound("request 256", 0.8, 1.15),
            bound("request 1024", 0.8, 1.08),
            bound("pair", 0.62, 1.0),
        ],
    ),
    (
        "heap",
        4_900,
        &[
            bound("request 64", 1.3, 1.15),
            bound("request 256", 1.28, 1.1),
            bound("request 1024", 1.25, 1.1),
            bound("rust 256", 1.05, 1.15),
            bound("pair", 2.7, 1.0),
            bound("churn 10k", 0.71, 1.05),
            bound("mixed 1k", 0.69, 1.05),
            bound("growing 100", 0.92, 1.0),
        ],
    ),
];

#[test]
fn the_strategies_keep_their_bounds() {
    let engines = Engines::new().unwrap();
    let build = |name: &str| Guest::build(&engines, name).unwrap();
    let (std, null) = (build("std"), build("null"));
    let nothing = null.code().unwrap();
    let base: Vec<Counts> = TRACES.iter().map(|trace| trace.counts(&std, None).unwrap().unwrap()).collect();
    let own: Vec<Option<Counts>> =
        TRACES.iter().map(|trace| trace.runs("null").then(|| trace.counts(&null, None).unwrap().unwrap())).collect();
    let (mut faults, mut all) = (String::new(), String::new());
    for (name, bytes, bounds) in BOUNDS {
        let guest = build(name);
        let code = guest.code().unwrap() - nothing;
        writeln!(all, "{name}: {code} bytes").unwrap();
        if code > *bytes {
            writeln!(faults, "{name}: {code} bytes, not {bytes}").unwrap();
        }
        for ((trace, std), own) in TRACES.iter().zip(&base).zip(&own) {
            let Some(bound) = bounds.iter().find(|bound| bound.trace == trace.title) else { continue };
            let found = trace.counts(&guest, None).unwrap().unwrap();
            let own = own.map_or(0.0, |own| own.instructions);
            let ratio = (found.instructions - own) / (std.instructions - own);
            let title = trace.title;
            let (pages, theirs) = (found.pages, std.pages);
            writeln!(
                all,
                "{name}, {title}: {ratio:.3}, {pages} pages of {theirs}, {} grows of {}",
                found.grows, std.grows
            )
            .unwrap();
            if ratio > bound.instructions {
                writeln!(faults, "{name}, {title}: {ratio:.3} of std's instructions, not {}", bound.instructions)
                    .unwrap();
            }
            if pages as f64 > (theirs as f64 * bound.pages).max(theirs as f64 + 2.0) {
                writeln!(faults, "{name}, {title}: {pages} pages, not {} of std's {theirs}", bound.pages).unwrap();
            }
        }
        let missing = bounds.iter().find(|bound| TRACES.iter().all(|trace| trace.title != bound.trace));
        assert!(missing.is_none(), "no such trace: {}", missing.unwrap().trace);
    }
    print!("{all}");
    assert!(faults.is_empty(), "{faults}");
}

/// The instructions that the exact count of live bytes may add to an allocation and its free: where
/// the fast path is inline, and where it is called and must check whether there is a block. The
/// loads, additions and stores are twelve.
const LIVE: f64 = 13.0;
const LIVE_CALLED: f64 = 15.0;

#[test]
fn live_bytes_cost_no_more_than_they_may() {
    let engines = Engines::new().unwrap();
    let pair = TRACES.iter().find(|trace| trace.title == "pair").unwrap();
    let (mut faults, mut all) = (String::new(), String::new());
    for name in ["freelist+inline", "arena+inline", "heap", "system"] {
        let [without, with] = [name, &format!("{name}+live")]
            .map(|name| pair.counts(&Guest::build(&engines, name).unwrap(), None).unwrap().unwrap().instructions);
        let most = if name.ends_with("inline") { LIVE } else { LIVE_CALLED };
        writeln!(all, "{name}: {without:.1} instructions a pair, {:.1} more with live bytes", with - without).unwrap();
        if with - without > most + 0.01 {
            writeln!(faults, "{name}: {:.2} instructions more a pair, not {most}", with - without).unwrap();
        }
    }
    print!("{all}");
    assert!(faults.is_empty(), "{faults}");
}

/// The instructions that the sampled profile may add to an allocation and its free: where the fast
/// path is inline, and where it is called. A countdown, a check of its sign and a look at the table
/// of samples are seventeen.
const PROFILE: [(&str, f64); 2] = [("freelist+inline", 22.5), ("heap", 31.5)];

#[test]
fn a_profile_costs_no_more_than_it_may() {
    let engines = Engines::new().unwrap();
    let pair = TRACES.iter().find(|trace| trace.title == "pair").unwrap();
    let (mut faults, mut all) = (String::new(), String::new());
    for (name, most) in PROFILE {
        let [without, with] = [name, &format!("{name}+profile")]
            .map(|name| pair.counts(&Guest::build(&engines, name).unwrap(), None).unwrap().unwrap().instructions);
        writeln!(all, "{name}: {without:.1} instructions a pair, {:.1} more with a profile", with - without).unwrap();
        if with - without > most {
            writeln!(faults, "{name}: {:.2} instructions more a pair, not {most}", with - without).unwrap();
        }
    }
    print!("{all}");
    assert!(faults.is_empty(), "{faults}");
}
