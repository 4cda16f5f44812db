//! Memory that is refused.

use std::fmt::Debug;
#[cfg(feature = "wasm")]
use std::ops::RangeInclusive;

use super::{Sweep, few, gives_back, lives};
use crate::faults::Fault;
use crate::host::Host;
use crate::live;
use crate::running::Running;

/// How often each call goes wrong in one VM of wasm to see whether memory grows.
const REPEATS: u32 = 100;

impl<T: PartialEq + Debug, S: Fn(&Running) -> T> Sweep<'_, S, T> {
    /// What a failure leaves behind is a page before long. Natively every byte is counted; here
    /// runs what ships.
    pub(super) fn stays_flat(&self) {
        let host = self.host.clone().start();
        let fail = |times| {
            for (at, call) in self.calls[1].iter().enumerate() {
                let fault = if call.hands_over { Fault::Oversized } else { Fault::Status(6) };
                for _ in 0..times {
                    host.fault(at, fault.clone());
                    (self.scenario)(&host);
                    host.behave();
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
impl<T: PartialEq + Debug, S: Fn(&Running) -> T> Sweep<'_, S, T> {
    /// Whether so many pages are enough for the scenario alone.
    fn fits(&self, limit: u64) -> bool {
        let host = self.host.clone().page_limit(limit).start();
        let seen = (self.scenario)(&host);
        host.trapped().is_none() && seen == self.good
    }
}

/// Runs a scenario once for each allocation of the filter's, refused by itself and refused with all
/// that follow it, at the start and later: how many there were.
///
/// It is for filters in this process that allocate nothing or what may fail, and needs
/// [`Counting`](crate::Counting) as the global allocator. A `Vec` or a `Box` that cannot have its
/// memory ends the process.
///
/// # Panics
///
/// If nobody counts, if the well-behaved run after a refusal gives something else than before, or
/// if bytes of the filter's are left.
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
    for refused in few(0..all, 37) {
        for count in [1, usize::MAX] {
            let what = format!("{count} refused from allocation {refused} on");
            gives_back(&what, || {
                live::refuse(refused, count);
                let host = host.clone().start();
                (sweep.scenario)(&host);
                live::refuse(0, 0);
                // What could not start is another VM's to try again.
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

/// What came of page limits.
#[cfg(feature = "wasm")]
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limited {
    /// The limits: from the pages with which the module starts to those with which no growth is
    /// refused.
    pub limits: RangeInclusive<u64>,
    /// How often memory could not grow, under all limits together.
    pub refused: u64,
    /// The limits under which the filter itself gave up: Rust's message that an allocation failed
    /// is in the log.
    pub aborted: Vec<u64>,
}

/// Runs a load with every limit of pages, from those with which the module starts to those with
/// which all growth is granted. After each, a request is served, if the limit is one that it gets
/// along with by itself.
///
/// The load is what takes memory, such as [`crowd`](crate::crowd); the scenario is a well-behaved
/// request, as in [`sweep`](crate::sweep()).
///
/// # Panics
///
/// If the module traps for another reason than an allocation of its own that must not fail, or if
/// the request gives something else than without a limit.
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
