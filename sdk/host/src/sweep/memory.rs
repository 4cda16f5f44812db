//! Memory that is refused.

use std::fmt::Debug;
#[cfg(feature = "wasm")]
use std::ops::RangeInclusive;

use super::{Sweep, few, gives_back, lives};
use crate::faults::{Fault, HostCall};
use crate::host::Host;
use crate::live;
use crate::running::Running;

/// How often a fault is repeated in one VM of wasm to see whether memory grows.
const REPEATS: u32 = 600;

impl<T: PartialEq + Debug, S: Fn(&Running) -> T> Sweep<'_, S, T> {
    /// A leak of a hundred bytes for each failure is a page before long.
    pub(super) fn stays_flat(&self, at: usize, call: &HostCall) {
        let host = self.host.clone().start();
        let fault = if call.hands_over { Fault::Oversized } else { Fault::Status(6) };
        let what = format!("{fault:?} in host call {at}, {}, {REPEATS} times", call.import.name());
        let mut pages = 0;
        for repeat in 0..REPEATS {
            host.fault(at, fault.clone());
            (self.scenario)(&host);
            host.behave();
            host.clear_log();
            if repeat == REPEATS / 4 {
                pages = host.pages();
            }
        }
        lives(&host, &what);
        assert_eq!(host.pages(), pages, "pages after {what}");
    }
}

/// Runs a scenario once for each allocation of the filter's, refused by itself and refused with all that follow it, at the start and later: how many there were.
///
/// It is for filters in this process that allocate nothing or what may fail, and needs [`Counting`](crate::Counting) as the global allocator. A `Vec` or a `Box` that
/// cannot have its memory ends the process.
///
/// # Panics
///
/// If nobody counts, if the well-behaved run after a refusal gives something else than before, or if bytes of the filter's are left.
pub fn sweep_allocations<T: PartialEq + Debug>(host: &Host, scenario: impl Fn(&Running) -> T) -> usize {
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
    for refused in few(0..all) {
        for count in [1, usize::MAX] {
            let what = format!("{count} refused from allocation {refused} on");
            gives_back(&what, || {
                live::refuse(refused, count);
                let host = host.clone().start();
                (sweep.scenario)(&host);
                live::refuse(0, 0);
                host.behave();
                // What could not start is another VM's to try again, as in a proxy.
                if host.started() {
                    sweep.serves(&host, &what);
                }
            });
        }
    }
    for refused in few(0..later) {
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

/// What came of page limits.
#[cfg(feature = "wasm")]
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limited {
    /// The limits: from the pages with which the module starts to those with which no growth is refused.
    pub limits: RangeInclusive<u64>,
    /// How often memory could not grow, under all limits together.
    pub refused: u64,
    /// The limits under which the filter itself gave up: Rust's message that an allocation failed is in the log.
    pub aborted: Vec<u64>,
}

/// Runs a load with every limit of pages, from those with which the module starts to those with which all growth is granted. After each, a request is served.
///
/// The load is what takes memory, such as [`crowd`](crate::crowd); the scenario is a well-behaved request, as in [`sweep`](crate::sweep()).
///
/// # Panics
///
/// If the module traps for another reason than an allocation of its own that must not fail, or if the request gives something else than without a limit.
#[cfg(feature = "wasm")]
pub fn sweep_pages<T: PartialEq + Debug>(
    host: &Host,
    load: impl Fn(&Running),
    scenario: impl Fn(&Running) -> T,
) -> Limited {
    let sweep = Sweep::record(host, scenario);
    // What a VM is without a plugin: below that it cannot be made.
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
        } else if host.started() {
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
