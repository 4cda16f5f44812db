//! Every host call of a scenario, gone wrong in every way, one at a time.

use std::fmt::Debug;

use sluicegate::abi::Exports;

use crate::faults::{Fault, HostCall};
use crate::host::Host;
use crate::running::Running;

/// The context of the first stream of a VM.
const STREAM: u32 = 2;

/// A context and a token that nobody has.
const UNKNOWN: u32 = 999;

/// How often a fault is repeated in one VM of wasm to see whether memory grows.
const REPEATS: u32 = 600;

/// What a sweep went through.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Swept {
    /// The host calls of the start, then those of the scenario.
    pub calls: Vec<HostCall>,
    /// How many faults there were.
    pub faults: usize,
}

/// Runs a scenario once for each of its host calls and each of [`Fault::all`], then with callbacks within its calls and with callbacks that make no sense.
///
/// The scenario drives the host as a test does: it opens a stream, drives it, completes it, and answers what waits in [`Running::pending_calls`]. What it gives
/// is what a client sees, such as the actions and the reply. It must give the same each time when the host behaves; while a call fails it may give
/// anything, so it asserts nothing.
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
/// # }
/// ```
///
/// # Panics
///
/// If the module does not start, if it traps, if the well-behaved run after a fault gives something else than before, or if a module of wasm grows while a fault
/// is repeated. The message names the call and the fault.
pub fn sweep<T: PartialEq + Debug>(host: &Host, scenario: impl Fn(&Running) -> T) -> Swept {
    let sweep = Sweep { host, scenario };
    let (start, calls, good) = sweep.record();
    let mut faults = 0;
    for fault in Fault::all() {
        for (at, call) in start.iter().enumerate().filter(|(_, call)| fault.matters(call)) {
            sweep.fault_at_start(at, call, &fault);
            faults += 1;
        }
        for (at, call) in calls.iter().enumerate().filter(|(_, call)| fault.matters(call)) {
            sweep.fault(at, call, &fault, &good);
            faults += 1;
        }
    }
    for (at, call) in calls.iter().enumerate() {
        for callback in Exports::ALL.iter().filter(|callback| **callback != "proxy_on_done") {
            sweep.fault(at, call, &Fault::Nested(callback, vec![STREAM, 1, 1, 1, 1]), &good);
            faults += 1;
        }
    }
    sweep.nonsense(&good);
    if host.is_wasm() {
        for (at, call) in calls.iter().enumerate() {
            sweep.stays_flat(at, call);
        }
    }
    Swept { calls: [start, calls].concat(), faults }
}

struct Sweep<'a, S> {
    host: &'a Host,
    scenario: S,
}

impl<T: PartialEq + Debug, S: Fn(&Running) -> T> Sweep<'_, S> {
    /// The host calls of the start and of the scenario, and what the scenario gives when all goes well.
    fn record(&self) -> (Vec<HostCall>, Vec<HostCall>, T) {
        let host = self.host.clone().recording().start();
        assert!(host.started(), "the module does not start: {:?}", host.log());
        let start = host.recorded();
        host.record();
        let good = (self.scenario)(&host);
        let calls = host.recorded();
        assert_eq!((self.scenario)(&host), good, "the scenario does not give the same twice");
        (start, calls, good)
    }

    fn fault_at_start(&self, at: usize, call: &HostCall, fault: &Fault) {
        let host = self.host.clone().fault(at, fault.clone()).start();
        (self.scenario)(&host);
        lives(&host, at, call, fault);
    }

    fn fault(&self, at: usize, call: &HostCall, fault: &Fault, good: &T) {
        let host = self.host.clone().start();
        host.fault(at, fault.clone());
        (self.scenario)(&host);
        lives(&host, at, call, fault);
        host.behave();
        let after = (self.scenario)(&host);
        lives(&host, at, call, fault);
        assert_eq!(&after, good, "after {fault:?} in host call {at}, {}: {:?}", call.import.name(), host.log());
    }

    /// Callbacks of contexts that are gone or never were, with numbers of nothing.
    fn nonsense(&self, good: &T) {
        for &callback in Exports::ALL {
            for context in [0, STREAM, UNKNOWN, u32::MAX] {
                let host = self.host.clone().start();
                (self.scenario)(&host);
                host.callback(callback, &[context, UNKNOWN, u32::MAX, u32::MAX, u32::MAX]);
                // Without those that start the plugin again or end it, which are no nonsense.
                let of_plugin = ["_create", "_start", "_configure", "_configuration", "_done", "_delete"];
                if !of_plugin.iter().any(|end| callback.ends_with(end)) {
                    host.callback(callback, &[1, UNKNOWN, 0, 0, 0]);
                }
                let trap = host.trapped();
                assert_eq!(trap, None, "after {callback} of context {context}");
                assert_eq!(&(self.scenario)(&host), good, "after {callback} of context {context}: {:?}", host.log());
            }
        }
    }

    /// A leak of a hundred bytes for each failure is a page before long.
    fn stays_flat(&self, at: usize, call: &HostCall) {
        let host = self.host.clone().start();
        let fault = if call.hands_over { Fault::Oversized } else { Fault::Status(6) };
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
        lives(&host, at, call, &fault);
        let grown = host.pages() - pages;
        assert_eq!(grown, 0, "pages more for {fault:?} in host call {at}, {}, {REPEATS} times", call.import.name());
    }
}

fn lives(host: &Running, at: usize, call: &HostCall, fault: &Fault) {
    assert_eq!(host.trapped(), None, "by {fault:?} in host call {at}, {}", call.import.name());
}
