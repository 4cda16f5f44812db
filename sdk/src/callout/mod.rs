//! Calls from a filter to other clusters of the proxy, over HTTP and gRPC.
//!
//! A context dispatches a call and goes on. The proxy brings the response later, to the context
//! that made the call: a stream, a connection or a plugin. If the context is gone by then, the
//! response is dropped. There are three ways to take a response, and a filter may mix them:
//!
//! | way | good for | costs beside the call |
//! |---|---|---|
//! | `on_http_call_response`, `on_grpc_event` | one kind of call | nothing |
//! | a closure: `call_then`, `grpc_call_then` | several kinds of calls | two small blocks |
//! | `.await` in a task (`async`) | calls in turn, or several at once | the task, the response |
//!
//! The proxy enters the VM only for callbacks that the module exports. So a filter that takes
//! responses implements the callback, or says `calls` in its attribute, as [`Closures`] shows.
//!
//! | file | contents |
//! |---|---|
//! | `http`, `grpc` | the calls and their responses |
//! | `failure` | the reasons for a call without a response |
//! | `then` | closures that wait for a response |
//! | `open` | the open gRPC calls and streams whose events come to a callback |

mod failure;
mod grpc;
mod http;
mod open;
mod then;
mod waiting;

pub use failure::{CallFailure, GrpcFailure, GrpcStatus};
pub use grpc::{GrpcCall, GrpcEvent, GrpcEventKind, GrpcStream, GrpcTarget};
pub(crate) use grpc::{Target, hang_up, open as grpc_stream};
#[cfg(feature = "async")]
pub use http::Answer;
pub use http::{CallResponse, HttpCall};
pub(crate) use open::{closed, forget_open, opened};
pub(crate) use then::{
    Answered, ContextRef, Then, forget, keep, keep_each, keep_holding, lend, take_then, waits, wrong_context,
};
pub use then::{Closures, Pending};

pub use waiting::{__answered, CallToken};
pub(crate) use waiting::{Kind, NOBODY, forget_gone, take, waiting};

pub(crate) use crate::stream_state::{takes_grpc_answers, takes_http_answers};

/// Forgets all calls.
pub(crate) fn clear() {
    waiting::clear();
    then::clear();
    open::clear();
}
