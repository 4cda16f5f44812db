//! Refusals of memory.

use std::fmt::Debug;
#[cfg(feature = "wasm")]
use std::ops::RangeInclusive;

use super::{Sweep, few, gives_back, lives};
use crate::backends::live;
use crate::drive::running::RunningHost;
use crate::host::Host;
use crate::model::faults::Fault;

/// The number of times each call goes wrong in one VM, to see whether its linear memory grows.
const REPEATS: u32 = 100;

impl<T: PartialEq + Debug, S: Fn(&RunningHost) -> T> Sweep<'_, S, T> {
    /// Checks that failures of host calls do not make the linear memory grow. A leak of a failure
    /// takes a page before long. The native backend counts every byte; this one runs the module
    /// that ships.
    pub(super) fn stays_flat(&self) {
        let host = self.host.clone().start();
        let fail = |times| {
            for (at, call) in self.calls[1].iter().enumerate() {
                let fault = if call.hands_over { Fault::Oversized } else { Fault::Status(6) };
                for _ in 0..times {
                    host.fault(at, fault.clone());
                    (self.scenario)(&host);
                    host.clear_faults();
                    host.clear_log();
                }
                lives(&host, &format!("{fault:?} in host call {at}, {}, again and again", call.import.name()));
            }
            host.pages()
        };
        let pages = fail(REPEATS / 3);
        assert_eq!(fail(REPEATS), pages, "pages after each host call failed {REPEATS} times more");
    }
}

#[cfg(feature = "wasm")]
impl<T: PartialEq + Debug, S: Fn(&RunningHost) -> T> Sweep<'_, S, T> {
    /// Returns whether this number of pages is enough for the scenario alone.
    fn fits(&self, limit: u64) -> bool {
        let host = self.host.clone().page_limit(limit).start();
        let seen = (self.scenario)(&host);
        host.trapped().is_none() && seen == self.good
    }
}

/// Runs a scenario once for each allocation of the filter, at the start and later. The allocation
/// is refused alone, and then with all that follow it. Returns the number of allocations.
///
/// This is for filters in this process that allocate nothing, or only with calls that may fail. A
/// `Vec` or a `Box` that is out of memory ends the process. [`Counting`](crate::Counting) must be
/// the global allocator.
///
/// # Panics
///
/// Panics if [`Counting`](crate::Counting) is not the global allocator, if the well-behaved run
/// after a refusal returns something else than before, or if the filter does not free all its
/// bytes.
pub fn sweep_allocations<T: PartialEq + Debug>(host: &Host, scenario: impl Fn(&RunningHost) -> T) -> usize {
    let sweep = Sweep::record(host, scenario);
    assert!(live::live().is_some(), "sluicegate_host::Counting is not the global allocator");
    let allocated = |run: &dyn Fn()| {
        let before = live::allocations();
        run();
        live::allocations() - before
    };
    let running = host.clone().start();
    let later = allocated(&|| drop((sweep.scenario)(&running)));
    drop(running);
    let all = allocated(&|| drop(host.clone().start())) + later;
    for refused in few(0..all, 37) {
        for count in [1, usize::MAX] {
            let what = format!("{count} refused from allocation {refused} on");
            gives_back(&what, || {
                live::refuse(refused, count);
                let host = host.clone().start();
                (sweep.scenario)(&host);
                live::refuse(0, 0);
                // A module that could not start can be started again by another VM.
                lives(&host, &what);
            });
        }
    }
    for refused in few(0..later, 37) {
        for count in [1, usize::MAX] {
            let what = format!("{count} refused from allocation {refused} of the scenario on");
            gives_back(&what, || {
                let host = host.clone().start();
                live::refuse(refused, count);
                (sweep.scenario)(&host);
                live::refuse(0, 0);
                sweep.serves(&host, &what);
            });
        }
    }
    all
}

/// The results of a sweep of page limits.
#[cfg(feature = "wasm")]
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limited {
    /// The limits that were tried: from the pages with which the module starts, to the first limit
    /// at which no growth is refused.
    pub limits: RangeInclusive<u64>,
    /// The number of times the linear memory could not grow, under all limits together.
    pub refused: u64,
    /// The limits under which the filter itself gave up. The log then has Rust's message that an
    /// allocation failed.
    pub aborted: Vec<u64>,
}

/// Runs a load with every limit of pages, from the pages with which the module starts to the first
/// limit at which no growth is refused. After each load the filter must serve a request, if the
/// limit is enough for the request alone.
///
/// The load is something that takes memory, such as [`many_streams`](crate::many_streams). The
/// scenario is a well-behaved request, as in [`sweep`](crate::sweep()).
///
/// # Panics
///
/// Panics if the module traps for another reason than an allocation of its own that must not fail,
/// or if the request returns something else than without a limit.
#[cfg(feature = "wasm")]
pub fn sweep_pages<T: PartialEq + Debug>(
    host: &Host,
    load: impl Fn(&RunningHost),
    scenario: impl Fn(&RunningHost) -> T,
) -> Limited {
    let sweep = Sweep::record(host, scenario);
    // These are the pages without a plugin. With fewer, the VM cannot be made.
    let first = host.clone().start().first_pages();
    let mut limited = Limited { limits: first..=first, refused: 0, aborted: Vec::new() };
    for limit in first.. {
        let host = host.clone().page_limit(limit).start();
        load(&host);
        let what = format!("a load with {limit} pages");
        if let Some(why) = host.trapped() {
            let gave_up = host.log().iter().any(|line| line.text.contains("memory allocation of "));
            assert!(gave_up, "{what}: {why}: {:?}", host.log());
            limited.aborted.push(limit);
        } else if sweep.fits(limit) {
            host.clear_log();
            sweep.serves(&host, &what);
        }
        limited.refused += host.refused_grows();
        limited.limits = first..=limit;
        if host.refused_grows() == 0 {
            break;
        }
    }
    limited
}
