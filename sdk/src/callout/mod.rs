//! Calls from a filter to other clusters of the proxy, over HTTP and gRPC.
//!
//! A context dispatches a call and goes on; the proxy answers later, to the context that asked: a
//! stream, a connection or a plugin. If that is gone by then, the answer is dropped. There are
//! three ways to take an answer, and a filter may mix them:
//!
//! | way | good for | costs beside the call |
//! |---|---|---|
//! | `on_http_call_response`, `on_grpc_event` of the context | one kind of call | nothing |
//! | a closure with the call: `call_then`, `grpc_call_then` | several kinds of calls, what is known only where the call is made | two small blocks until the answer |
//! | `.await` in a task, with the feature `async` | one call after another, or several at once | the task, and the answer read whole |
//!
//! A filter that takes answers says so, because the proxy enters the VM only for callbacks that the
//! module exports: it implements the callback, or takes `calls` into its attribute, as [`Closures`]
//! shows.
//!
//! | file | holds |
//! |---|---|
//! | `http`, `grpc` | the calls and what they bring |
//! | `failure` | why there is no answer |
//! | `then` | closures that wait for an answer |
//! | `open` | what is open over gRPC whose events come to a callback |

mod failure;
mod grpc;
mod http;
mod open;
mod then;

use core::cell::Cell;
use core::time::Duration;

pub use failure::{CallFailure, GrpcFailure, GrpcStatus};
pub use grpc::{GrpcCall, GrpcEvent, GrpcStream, GrpcTarget, GrpcWhat};
pub(crate) use grpc::{Target, open as grpc_stream};
#[cfg(feature = "async")]
pub use http::Answer;
pub use http::{CallResponse, HttpCall};
pub(crate) use open::{closed, forget_open, opened};
pub(crate) use then::{
    Answered, Asker, Then, forget, keep, keep_each, keep_holding, lend, take_then, waits, wrong_context,
};
pub use then::{Closures, Pending};

use crate::abi::{LogLevel, Shared, Status};
use crate::dispatch::Table;
use crate::error::{Call, Error, Result};
use crate::log;
use crate::stream_state;
pub(crate) use crate::stream_state::{takes_grpc_answers, takes_http_answers};
use sluicegate_alloc::region::outside;

/// The number that the host gave a call.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CallToken(pub(crate) u32);

/// What kind of call it is, which decides what its last answer is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Kind {
    /// Answered once.
    Http,
    /// Answered with one message, or closed.
    GrpcCall,
    /// Answered until it is closed.
    GrpcStream,
}

/// Who waits for a call.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) context: Cell<u32>,
    pub(crate) kind: Kind,
}

/// One for HTTP calls, one for those of gRPC: a host may number each by themselves.
struct ByKind<T> {
    http: T,
    grpc: T,
}

impl<T> ByKind<T> {
    const fn of(&self, kind: Kind) -> &T {
        match kind {
            Kind::Http => &self.http,
            Kind::GrpcCall | Kind::GrpcStream => &self.grpc,
        }
    }
}

crate::__vm_local! {
    /// Who waits for an answer, by the numbers of the calls.
    static CALLS: ByKind<Table<Waiting>> = ByKind { http: Table::new(), grpc: Table::new() };
}

crate::__vm_local! {
    /// Whether the module lacks the callbacks that bring answers, so that nothing would ever take
    /// away who waits.
    static UNANSWERED: ByKind<Cell<bool>> = ByKind { http: Cell::new(false), grpc: Cell::new(false) };
}

/// Says which callbacks the module exports: that for answers over HTTP, and those of gRPC.
#[doc(hidden)]
pub fn __answered(http: bool, grpc: bool) {
    UNANSWERED.with(|unanswered| {
        unanswered.http.set(!http);
        unanswered.grpc.set(!grpc);
    });
}

/// Room to note who waits for a call, taken before the host has it: nothing is sent whose answer
/// would find nobody. None if no answer can come.
struct Reserved(Option<Shared<Waiting>>);

impl Reserved {
    fn new(context: u32, kind: Kind) -> Result<Self> {
        if UNANSWERED.with(|unanswered| unanswered.of(kind).get()) {
            return Ok(Self(None));
        }
        // Not in the region of the stream that calls: the table outlives it.
        outside(|| {
            CALLS.with(|calls| calls.of(kind).reserve())?;
            Shared::try_new(Waiting { context: Cell::new(context), kind }).map(|waiting| Self(Some(waiting)))
        })
    }

    /// Notes who waits.
    fn note(self, token: u32) -> CallToken {
        if let Some(waiting) = self.0 {
            // A host that gives a number twice loses the first call: the newer context is the one
            // that waits for it.
            let kind = waiting.kind;
            if waiting.context.get() != NOBODY {
                stream_state::ask();
            }
            take(kind, token);
            CALLS.with(|calls| calls.of(kind).put(token, waiting));
        }
        CallToken(token)
    }
}

/// Who waits for a call of this kind, and goes on waiting.
pub(crate) fn waiting(kind: Kind, token: u32) -> Option<Shared<Waiting>> {
    CALLS.with(|calls| calls.of(kind).get(token))
}

/// Who waited for a call of this kind, and does no more.
pub(crate) fn take(kind: Kind, token: u32) -> Option<Shared<Waiting>> {
    outside(|| CALLS.with(|calls| calls.of(kind).remove(token)))
}

/// Lets the answer to a call come to nobody, without a word.
fn orphan(kind: Kind, token: u32) {
    if let Some(waiting) = waiting(kind, token) {
        waiting.context.set(NOBODY);
    }
}

/// Ends this side of a gRPC stream whose context is gone: it would stay open at the proxy until the
/// other side ends it. Not cancelled, because this runs in a callback of the stream, and Envoy may
/// have further messages at hand.
pub(crate) fn hang_up(token: u32) {
    if let Some(waiting) = waiting(Kind::GrpcStream, token)
        && waiting.kind == Kind::GrpcStream
        && waiting.context.replace(NOBODY) != NOBODY
    {
        let _ = GrpcStream(CallToken(token)).close();
    }
}

/// Says why the host did not take a call. The cluster is often the reason, and is in the log too: a
/// task's failure has no name.
#[cold]
#[inline(never)]
fn refused(call: &'static Call, cluster: &[u8], status: Status) -> Error {
    log::note_of(LogLevel::Warn, "the host refuses a call to the cluster", cluster);
    if status == Status::InternalFailure {
        stream_state::call_failed();
    }
    Error::named(call, cluster, status, why(status))
}

/// Returns what hosts mean by the status of a call that lacks nothing.
const fn why(status: Status) -> &'static &'static str {
    match status {
        // Envoy: the first over HTTP, the second over gRPC.
        Status::BadArgument | Status::ParseFailure | Status::NotFound => &"the proxy has no such cluster",
        Status::InternalFailure => &"the cluster has no healthy host, or there is none of this name",
        _ => &"",
    }
}

/// The number of no context: zero is the VM. An answer to nobody is dropped.
pub(crate) const NOBODY: u32 = 0;

/// Forgets all calls.
pub(crate) fn clear() {
    CALLS.with(|calls| {
        calls.http.clear();
        calls.grpc.clear();
    });
    then::clear();
    open::clear();
}

/// Returns a timeout as hosts count it: no time that is one becomes zero, which is none, nor
/// negative, which Envoy refuses.
fn timeout(timeout: Duration) -> u32 {
    const MOST: u32 = i32::MAX.cast_unsigned();
    let of_seconds = timeout.as_secs().saturating_mul(1000);
    let milliseconds = of_seconds.saturating_add(u64::from(timeout.subsec_nanos().div_ceil(1_000_000)));
    u32::try_from(milliseconds).unwrap_or(MOST).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_never_cut_to_none_nor_negative() {
        let cases = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_micros(1001), 2),
            (Duration::from_millis(1000), 1000),
            (Duration::from_secs(60 * 60 * 24 * 24), 2_073_600_000),
            (Duration::from_secs(60 * 60 * 24 * 25), 2_147_483_647),
            (Duration::from_secs(60 * 60 * 24 * 50), 2_147_483_647),
            (Duration::MAX, 2_147_483_647),
        ];
        for (duration, milliseconds) in cases {
            assert_eq!(timeout(duration), milliseconds, "{duration:?}");
        }
    }

    #[test]
    fn a_number_may_be_that_of_an_http_call_and_of_a_grpc_call() {
        for (context, kind) in [(5, Kind::Http), (6, Kind::GrpcStream)] {
            Reserved::new(context, kind).unwrap().note(1);
        }
        let context = |waiting: Option<Shared<Waiting>>| waiting.map(|waiting| waiting.context.get());
        assert_eq!(context(take(Kind::Http, 1)), Some(5));
        assert_eq!(context(take(Kind::Http, 1)), None);
        assert_eq!(context(take(Kind::GrpcCall, 1)), Some(6));
    }
}
