//! Callbacks that no proxy would call.

use std::fmt::Debug;

use sluicegate::Exports;

use super::{STREAM, Sweep, few, gives_back, lives};
use crate::drive::running::{PLUGIN, RunningHost};
use crate::model::faults::{Fault, HostCall};

/// A context and a token that do not exist.
const UNKNOWN: u32 = 999;

/// The values for counts, sizes, tokens and truth values.
const COUNTS: [u32; 3] = [1, 0, u32::MAX];

/// The ends of the names of the callbacks that start a plugin again or end it. After such a
/// callback the plugin may be another one.
const OF_PLUGIN: [&str; 6] = ["_create", "_start", "_configure", "_configuration", "_done", "_delete"];

fn changes_plugin(callback: &str) -> bool {
    OF_PLUGIN.iter().any(|end| callback.ends_with(end))
}

impl<T: PartialEq + Debug, S: Fn(&RunningHost) -> T> Sweep<'_, S, T> {
    /// Runs all disorderly callbacks, and returns their number.
    pub(super) fn disorder(&self) -> usize {
        let mut callbacks = 0;
        for (at, call) in few(self.calls[1].iter().enumerate(), 150) {
            callbacks += self.nested(at, call);
        }
        for callback in few(Exports::ALL.iter(), 20) {
            self.unknown(callback);
            callbacks += Exports::ALL.len();
        }
        for callback in few(Exports::ALL.iter(), 20) {
            for kind in [Kind::Stream, Kind::Connection, Kind::Plugin] {
                self.any_order(callback, kind);
                callbacks += COUNTS.len() * Exports::ALL.len();
            }
        }
        callbacks
    }

    /// Calls each callback within a host call: for the open stream, for the next stream, and for
    /// the plugin. Returns the number of callbacks.
    fn nested(&self, at: usize, call: &HostCall) -> usize {
        let within = |host: &RunningHost, context, callback| {
            let what = format!("{callback} of context {context} within host call {at}, {}", call.import.name());
            host.fault(at, Fault::Nested(callback, vec![context, 1, 1, 1, 1]));
            (self.scenario)(host);
            lives(host, &what);
            host.clear_faults();
            what
        };
        let name = call.import.name();
        gives_back(&format!("callbacks within host call {at}, {name}"), || {
            let host = self.host.clone().start();
            for callback in few(Exports::ALL.iter(), 20) {
                let next = host.state().next_context;
                for context in [next, next + 1, PLUGIN] {
                    if context != PLUGIN || !changes_plugin(callback) {
                        let what = within(&host, context, *callback);
                        self.serves(&host, &what);
                    }
                }
                host.clear_log();
            }
        });
        let of_plugin: Vec<_> = Exports::ALL.iter().filter(|callback| changes_plugin(callback)).collect();
        for callback in few(of_plugin.into_iter(), 6) {
            gives_back(&format!("{callback} of the plugin within host call {at}, {name}"), || {
                within(&self.host.clone().start(), PLUGIN, *callback);
            });
        }
        3 * Exports::ALL.len()
    }

    /// Calls a callback for contexts that have ended or never existed, with tokens that do not
    /// exist.
    fn unknown(&self, callback: &'static str) {
        for context in [0, STREAM, UNKNOWN, u32::MAX] {
            let what = format!("{callback} of context {context}");
            gives_back(&what, || {
                let host = self.host.clone().start();
                (self.scenario)(&host);
                host.callback(callback, &[context, UNKNOWN, u32::MAX, u32::MAX, u32::MAX]);
                if !changes_plugin(callback) {
                    host.callback(callback, &[PLUGIN, UNKNOWN, 0, 0, 0]);
                }
                lives(&host, &what);
                self.serves(&host, &what);
            });
        }
    }

    /// Calls a callback and each other callback after it, for contexts that are open, with right
    /// and wrong counts and sizes.
    fn any_order(&self, first: &'static str, of: Kind) {
        for count in COUNTS {
            let what = format!("{first} and other callbacks of a {of:?} with {count} of everything");
            gives_back(&what, || {
                let host = self.host.clone().start();
                for second in few(Exports::ALL.iter(), 7) {
                    of.calls(&host, &[first, second], count);
                    host.pending_calls().iter().for_each(|call| host.fail_call(call.token));
                    assert_eq!(host.trapped(), None, "{what}: {second}");
                    host.clear_log();
                }
                if of != Kind::Plugin {
                    self.serves(&host, &what);
                }
            });
        }
    }
}

/// The kind of context that callbacks are for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Stream,
    Connection,
    Plugin,
}

impl Kind {
    /// Calls callbacks of a context that is open, and then ends the context.
    fn calls(self, host: &RunningHost, callbacks: &[&'static str], count: u32) {
        let call = |context| {
            for callback in callbacks {
                host.callback(callback, &[context, count, count, count, count]);
            }
        };
        match self {
            Self::Stream => {
                let stream = host.http_stream();
                call(stream.id());
                stream.complete();
            }
            Self::Connection => {
                let connection = host.tcp_connection();
                call(connection.id());
                connection.complete();
            }
            Self::Plugin => call(PLUGIN),
        }
    }
}
