//! Sweeps: everything that can go wrong in a scenario, one thing at a time.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | host calls that go wrong, each in every way, at the start, in the scenario, and at the end |
//! | `reached` | host calls that follow only a failed one, and the parts that the sweep missed |
//! | `disorder` | callbacks within host calls, of contexts that are not there, in any order, with any counts |
//! | `wasi` | functions of WASI that go wrong |
//! | `memory` | memory that is refused: each allocation, and each page |

mod disorder;
mod memory;
mod reached;
#[cfg(feature = "wasm")]
mod wasi;

use std::collections::BTreeSet;
use std::fmt::Debug;

use crate::backends::live;
use crate::drive::running::RunningHost;
use crate::host::Host;
use crate::model::faults::{Fault, HostCall};

pub use memory::sweep_allocations;
#[cfg(feature = "wasm")]
pub use memory::{Limited, sweep_pages};
pub use reached::SweepReport;

/// The context of the first stream of a VM.
const STREAM: u32 = 2;

/// The number of repetitions of a fault in a VM before its bytes are counted, and after that.
const ROUNDS: usize = 2;

/// Runs a scenario once for each of its host calls with each fault of [`Fault::all`].
///
/// The host calls at the start and at the end of the plugin are swept, too, and so are those of
/// functions that are called only once another call failed. After that the sweep makes callbacks
/// within host calls, callbacks in any order and with any counts, and callbacks of contexts that do
/// not exist.
///
/// The scenario drives the host as a test does: it opens a stream, drives it, completes it, and
/// responds to the calls in [`RunningHost::pending_calls`]. It returns what a client sees, such as
/// the actions and the reply. The scenario must return the same each time when the host behaves.
/// While a call fails it may return anything, so it asserts nothing. Code that the scenario does
/// not reach is not swept: [`SweepReport::assert_reaches_all`] fails then.
///
/// ```
/// # use sluicegate::prelude::*;
/// # #[derive(Default)]
/// # struct Filter;
/// # #[sluicegate::http_filter]
/// # impl HttpFilter for Filter {
/// #     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
/// #         request.replace("x-seen", request.snapshot()?.len())?;
/// #         Ok(Action::Continue)
/// #     }
/// # }
/// # sluicegate::plugin!(http: Filter);
/// # use sluicegate_host::Host;
/// # fn main() {
/// # let host = Host::new(&PLUGIN);
/// let swept = sluicegate_host::sweep(&host, |host| {
///     let stream = host.http_stream();
///     let action = stream.request_headers(&[(":path", "/")]);
///     let seen = stream.request_header("x-seen");
///     stream.complete();
///     (action, seen)
/// });
/// assert!(swept.faults > 20);
/// swept.assert_reaches_all();
/// # }
/// ```
///
/// # Panics
///
/// Panics if the module does not start. Panics if the module traps, unless the standard library
/// ends it because a function of WASI fails. Panics if the well-behaved run after a fault returns
/// something else than before. The message names the call and the fault.
///
/// Panics if memory leaks. Natively, if [`Counting`](crate::Counting) is the global allocator, that
/// is a byte that a repeated fault leaves behind in a VM, or that a VM leaves behind. On wasm it is
/// a page after hundreds of repetitions.
pub fn sweep<T: PartialEq + Debug>(host: &Host, scenario: impl Fn(&RunningHost) -> T) -> SweepReport {
    let sweep = Sweep::record(host, scenario);
    let mut faults = 0;
    for (phase, calls) in sweep.phases() {
        let each = calls.iter().enumerate().flat_map(|call| Fault::all().into_iter().map(move |fault| (call, fault)));
        let each: Vec<_> = each.filter(|((_, call), fault)| fault.matters(call)).collect();
        for ((at, call), fault) in few(each.into_iter(), 97) {
            let what = format!("{fault:?} in host call {at} of the {phase:?}, {}", call.import.name());
            sweep.fault(phase, &[(at, fault)], &what);
            faults += 1;
        }
    }
    let (of_failures, more) = sweep.failures();
    let callbacks = sweep.disorder();
    if host.is_wasm() {
        sweep.stays_flat();
    }
    #[cfg(feature = "wasm")]
    let (wasi_faults, ends) = sweep.wasi();
    let unreached = sweep.unreached(&of_failures);
    SweepReport {
        calls: [sweep.calls.concat(), of_failures].concat(),
        faults: faults + more,
        callbacks,
        unreached,
        is_wasm: host.is_wasm(),
        #[cfg(feature = "wasm")]
        wasi_faults,
        #[cfg(feature = "wasm")]
        ends,
    }
}

/// Takes one element of `of` under miri, which takes a thousand times as long, and else all
/// elements. The variable `SLUICEGATE_SAMPLE` selects the element when this is compiled.
fn few<T>(many: impl ExactSizeIterator<Item = T>, of: usize) -> impl Iterator<Item = T> {
    let (skip, step) = if cfg!(miri) { (sample() % of.min(many.len()).max(1), of) } else { (0, 1) };
    many.skip(skip).step_by(step)
}

fn sample() -> usize {
    option_env!("SLUICEGATE_SAMPLE").and_then(|sample| sample.parse().ok()).unwrap_or(0)
}

/// The phase in which a call goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Start,
    Scenario,
    End,
}

struct Sweep<'a, S, T> {
    host: &'a Host,
    scenario: S,
    /// The host calls of each phase.
    calls: [Vec<HostCall>; 3],
    /// The functions of WASI that were called at the start and in the scenario.
    #[cfg(feature = "wasm")]
    wasi: [Vec<String>; 2],
    /// The callbacks that were called.
    callbacks: BTreeSet<&'static str>,
    /// The scenario's result without faults.
    good: T,
}

impl<'a, T: PartialEq + Debug, S: Fn(&RunningHost) -> T> Sweep<'a, S, T> {
    fn record(host: &'a Host, scenario: S) -> Self {
        let running = host.clone().recording().start();
        assert!(running.started(), "the module does not start: {:?}", running.log());
        let start = running.recorded();
        #[cfg(feature = "wasm")]
        let wasi_start = running.recorded_wasi();
        running.record();
        let good = scenario(&running);
        let calls = running.recorded();
        #[cfg(feature = "wasm")]
        let wasi = [wasi_start, running.recorded_wasi()];
        assert_eq!(scenario(&running), good, "two runs of the scenario have different results");
        running.record();
        running.finish();
        Self {
            host,
            scenario,
            calls: [start, calls, running.recorded()],
            #[cfg(feature = "wasm")]
            wasi,
            callbacks: running.costs().into_keys().collect(),
            good,
        }
    }

    fn phases(&self) -> impl Iterator<Item = (Phase, &Vec<HostCall>)> {
        [Phase::Start, Phase::Scenario, Phase::End].into_iter().zip(&self.calls)
    }

    /// Makes calls of a phase go wrong, in a VM of its own.
    fn fault(&self, phase: Phase, faults: &[(usize, Fault)], what: &str) {
        gives_back(what, || {
            let host = match phase {
                Phase::Start => {
                    faults.iter().cloned().fold(self.host.clone(), |host, (at, fault)| host.fault(at, fault))
                }
                Phase::Scenario | Phase::End => self.host.clone(),
            };
            let host = host.start();
            match phase {
                Phase::Start => drop((self.scenario)(&host)),
                Phase::Scenario => self.repeat(&host, faults, what),
                Phase::End => plan(&host, faults),
            }
            host.finish();
            lives(&host, what);
        });
    }

    /// Makes calls of the scenario go wrong again and again. After each time, the scenario runs
    /// without faults, and the filter must hold the same number of bytes as before.
    fn repeat(&self, host: &RunningHost, faults: &[(usize, Fault)], what: &str) {
        let round = || {
            plan(host, faults);
            (self.scenario)(host);
            lives(host, what);
            host.clear_faults();
            self.serves(host, what);
            host.live_bytes()
        };
        // One round is enough on wasm, and where bytes are not counted. A token of another call
        // leaves a call behind that gets no response, each time.
        if host.is_counted() && !cfg!(miri) && faults.iter().all(|(_, fault)| *fault != Fault::Repeated) {
            let rounds = || (0..ROUNDS).fold(None, |_, _| round());
            let bytes = rounds();
            assert_eq!(rounds(), bytes, "bytes of the filter are left by each {what}");
        } else {
            round();
        }
    }

    /// Asserts that the next well-behaved request is served.
    fn serves(&self, host: &RunningHost, what: &str) {
        let after = (self.scenario)(host);
        lives(host, what);
        assert_eq!(after, self.good, "after {what}: {:?}", host.log());
    }
}

fn plan(host: &RunningHost, faults: &[(usize, Fault)]) {
    faults.iter().cloned().for_each(|(at, fault)| host.fault(at, fault));
}

fn lives(host: &RunningHost, what: &str) {
    // The caller of the sweep judges the harm that a filter does under a hostile host.
    host.harm();
    assert_eq!(host.trapped(), None, "by {what}");
}

/// Runs a VM from its start to its end, and asserts that all its bytes are freed.
fn gives_back(what: &str, run: impl FnOnce()) {
    let before = live::live();
    run();
    assert_eq!(live::live(), before, "bytes of the filter are left after {what}");
}
