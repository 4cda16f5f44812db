//! Calls from a filter to other clusters of the proxy, over HTTP and gRPC.
//!
//! A context dispatches a call and goes on; the proxy answers later, to the context that asked: a stream, a connection or a plugin. If that is gone by then, the
//! answer is dropped. There are three ways to take an answer, and a filter may mix them:
//!
//! | way | good for | costs beside the call |
//! |---|---|---|
//! | `on_http_call_response`, `on_grpc_event` of the context | one kind of call | nothing |
//! | a closure with the call: `call_then`, `grpc_call_then` | several kinds of calls, what is known only where the call is made | two small blocks until the answer |
//! | `.await` in a task, with the feature `async` | one call after another, or several at once | the task, and the answer read whole |
//!
//! A filter that takes answers says so, because the proxy enters the VM only for callbacks that the module exports: it implements the callback, or
//! takes `calls` into its attribute, as [`Closures`] shows.
//!
//! | file | holds |
//! |---|---|
//! | `http`, `grpc` | the calls and what they bring |
//! | `failure` | why there is no answer |
//! | `then` | closures that wait for an answer |
//! | `held` | what a stream holds back while it waits |

mod failure;
mod grpc;
pub(crate) mod held;
mod http;
mod then;

use core::time::Duration;

pub use failure::{CallFailure, GrpcFailure, GrpcStatus};
pub(crate) use grpc::open as grpc_stream;
pub use grpc::{GrpcCall, GrpcEvent, GrpcStream, GrpcWhat};
#[cfg(feature = "async")]
pub use http::Answer;
pub use http::{CallResponse, HttpCall};
pub(crate) use then::{Answered, Asker, forget, keep, take_then, waits, wrong_context};
pub use then::{Closures, Pending};

use crate::dispatch::Table;
use crate::error::Result;
use sluicegate_alloc::region::outside;

/// The number that the host gave a call.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CallToken(pub(crate) u32);

/// What kind of call it is, which decides what its last answer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Answered once.
    Http,
    /// Answered with one message, or closed.
    GrpcCall,
    /// Answered until it is closed.
    GrpcStream,
}

/// Who waits for a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) context: u32,
    pub(crate) kind: Kind,
}

crate::__vm_local! {
    /// Who waits for an answer, by the numbers of the calls.
    static CALLS: Table<Waiting> = Table::new();
}

/// Notes who waits for a call.
fn wait(token: u32, context: u32, kind: Kind) -> Result<CallToken> {
    // A host that gives a number twice loses the first call: the newer context is the one that waits for it.
    // Not in the region of the stream that calls: the table outlives it.
    outside(|| {
        CALLS.with(|calls| {
            calls.remove(token);
            calls.insert(token, Waiting { context, kind })
        })
    })?;
    Ok(CallToken(token))
}

/// Who waits for a call, and goes on waiting.
pub(crate) fn waiting(token: u32) -> Option<Waiting> {
    CALLS.with(|calls| calls.get(token).map(|waiting| *waiting))
}

/// Who waited for a call, and does no more.
pub(crate) fn take(token: u32) -> Option<Waiting> {
    CALLS.with(|calls| calls.remove(token).map(|waiting| *waiting))
}

/// Lets the answer to a call come to nobody, without a word.
fn orphan(token: u32) {
    if let Some(Waiting { kind, .. }) = take(token) {
        // If there is no memory for that, a line in the log will say that nobody asked.
        let _ = wait(token, NOBODY, kind);
    }
}

/// Ends this side of a gRPC stream whose context is gone: it would stay open at the proxy until the other side ends it. Not cancelled, because this runs in a callback of the stream,
/// and Envoy may have further messages at hand.
pub(crate) fn hang_up(token: u32) {
    if let Some(Waiting { context, kind: Kind::GrpcStream }) = waiting(token)
        && context != NOBODY
    {
        orphan(token);
        let _ = GrpcStream(CallToken(token)).close();
    }
}

/// The number of no context: zero is the VM.
const NOBODY: u32 = 0;

/// Forgets all calls.
pub(crate) fn clear() {
    CALLS.with(Table::clear);
    then::clear();
    held::clear();
}

/// A timeout as hosts count it.
fn timeout(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)
}
