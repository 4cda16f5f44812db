//! Closures that wait for the response to one call, or for the events of one gRPC stream.
//!
//! The context that made the call keeps the closures, so that they are dropped with it. A filter
//! whose attribute does not say `calls` links none of this code.

use alloc::boxed::Box;
use core::any::Any;
use core::cell::Cell;
use core::ptr;

use super::waiting::{ByKind, CallToken, Kind, orphan, take, waiting};
use super::{CallResponse, GrpcEvent, GrpcStream};
use crate::abi::{LogLevel, Shared, StreamType, call, try_box};
use crate::context::Action;
use crate::error::{Error, Result};
use crate::log;
use crate::owner::Owner;
use crate::stream_state;
use crate::table::Table;
use sluicegate_alloc::region::outside;

/// A context that takes the responses to its calls in closures. The attributes implement this trait
/// for contexts that say `calls`:
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Authorise {
///     user: Option<u32>,
/// }
///
/// #[sluicegate::http_filter(calls)]
/// impl HttpFilter for Authorise {
///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
///         let headers = [(":method", "GET"), (":path", "/check"), (":authority", "auth")];
///         let room = 7; // known here, and kept for the answer
///         request.call_then(&HttpCall::new("auth").headers(&headers), move |filter: &mut Self, stream, answer| {
///             match answer {
///                 Ok(response) if response.headers()?.get(":status").is_some_and(|status| status == "200") => {
///                     filter.user = Some(room);
///                     stream.resume_request()
///                 }
///                 Ok(_) => stream.reply(&LocalResponse::new(403)),
///                 Err(CallFailure::Timeout) => stream.reply(&LocalResponse::new(504)),
///                 Err(_) => stream.reply(&LocalResponse::new(503)),
///             }
///         })?;
///         Ok(Action::Pause)
///     }
/// }
/// # sluicegate::plugin!(http: Authorise);
/// # fn main() {}
/// ```
///
/// The closure names the filter's type, because a handle does not know it. The closure is dropped
/// without being run when its stream or connection is deleted, or when its call is
/// [cancelled](Pending::cancel).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take the responses to its calls in closures",
    note = "add `calls` to its attribute, for example `#[sluicegate::http_filter(calls)]`: the module then exports the callbacks for responses"
)]
pub trait Closures: Owner {}

/// The context that made the call, without its type. The code that kept a closure for it knows the
/// type.
pub(crate) struct ContextRef<'a> {
    pub(crate) id: u32,
    pub(crate) context: &'a mut dyn Any,
    /// The plugin of a stream or connection, or the VM of a plugin.
    pub(crate) above: &'a dyn Any,
}

/// The response or event for a closure.
#[derive(Clone, Copy)]
pub(crate) enum Answered<'a> {
    Http(&'a CallResponse),
    Grpc(&'a GrpcEvent),
}

/// A closure for one response, which hides the types of its context.
pub(crate) type Once = Box<dyn FnOnce(ContextRef<'_>, Answered<'_>) -> Result<()>>;

/// A closure for all events of a gRPC stream, which hides the types of its context.
pub(crate) type Each = Box<dyn FnMut(ContextRef<'_>, Answered<'_>) -> Result<()>>;

pub(crate) enum Then {
    /// A closure for one response, and the direction of the stream that is held until the closure
    /// has run.
    Once(Once, Option<StreamType>),
    Each(Each),
}

/// Returns the error for a bug of the filter: a closure names a type that is not its context's.
pub(crate) const fn wrong_context() -> Error {
    Error::new("the closure names another type than that of its context")
}

/// The entry of a closure that waits for one call. If the entry is dropped with its closure, the
/// call is given up.
struct Waiter {
    context: u32,
    /// `None` before the call is sent.
    token: Cell<Option<u32>>,
    kind: Kind,
    then: Cell<Option<Then>>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some(token) = self.token.get() else { return };
        // If a host gave the number twice, the call belongs to another context by now.
        let still_waits = waiting(self.kind, token).is_some_and(|waiting| waiting.context.get() == self.context);
        if self.then.take().is_none() || !still_waits {
            return;
        }
        match self.kind {
            // No host can cancel an HTTP call.
            Kind::Http => orphan(self.kind, token),
            Kind::GrpcCall | Kind::GrpcStream => {
                take(self.kind, token);
                // If the host refuses, the call gets a response, which then finds no closure.
                let _ = call::grpc_cancel(token);
            }
        }
    }
}

crate::__vm_local! {
    /// The waiting closures, by the numbers of their contexts and then by those of the calls.
    static WAITERS: ByKind<Table<Table<Waiter>>> = ByKind { http: Table::new(), grpc: Table::new() };
}

crate::__vm_local! {
    /// The function that drops the closure of a gRPC call. A module that keeps no closures links no
    /// code for it.
    static DROP_CLOSURE: Cell<fn(u32, u32)> = Cell::new(|_, _| {});
}

/// Drops the closure of a gRPC call that is cancelled.
pub(super) fn drop_closure(context: u32, token: u32) {
    DROP_CLOSURE.with(Cell::get)(context, token);
}

/// Sends a call, and keeps a closure for its response. Room for the closure is made before the call
/// is sent, so that nothing is sent if the SDK is out of memory.
///
/// # Errors
///
/// Fails if the SDK is out of memory, or if the call cannot be sent.
pub(crate) fn keep(
    context: u32,
    kind: Kind,
    send: impl FnOnce(u32) -> Result<CallToken>,
    then: impl FnOnce(ContextRef<'_>, Answered<'_>) -> Result<()> + 'static,
) -> Result<Pending> {
    keep_closure(context, kind, send, then, None)
}

/// Sends a call, and holds a direction of the stream until the closure for the response has run.
/// The closure decides whether the direction goes on.
///
/// # Errors
///
/// Fails if the SDK is out of memory, or if the call cannot be sent. Then nothing is held.
pub(crate) fn keep_holding(
    context: u32,
    direction: StreamType,
    kind: Kind,
    send: impl FnOnce(u32) -> Result<CallToken>,
    then: impl FnOnce(ContextRef<'_>, Answered<'_>) -> Result<Action> + 'static,
) -> Result<()> {
    stream_state::hold(direction)?;
    let judge =
        move |asker: ContextRef<'_>, answered: Answered<'_>| stream_state::judged(direction, then(asker, answered));
    let kept = keep_closure(context, kind, send, judge, Some(direction)).map(drop);
    kept.inspect_err(|_| stream_state::release(direction))
}

fn keep_closure(
    context: u32,
    kind: Kind,
    send: impl FnOnce(u32) -> Result<CallToken>,
    then: impl FnOnce(ContextRef<'_>, Answered<'_>) -> Result<()> + 'static,
    holds: Option<StreamType>,
) -> Result<Pending> {
    // The tables outlive the region of the stream that makes the call, and the closure may outlive
    // it too.
    let waiter = outside(|| wait(context, kind, Then::Once(try_box(then)?, holds)))?;
    let token = send(context)?;
    outside(|| hold(waiter, token))
}

/// Opens a gRPC stream, and keeps a closure for its events. Room for the closure is made before the
/// stream is opened.
///
/// # Errors
///
/// Fails if the SDK is out of memory, or if the stream cannot be opened.
pub(crate) fn keep_each(
    context: u32,
    open: impl FnOnce(u32) -> Result<GrpcStream>,
    each: impl FnMut(ContextRef<'_>, Answered<'_>) -> Result<()> + 'static,
) -> Result<GrpcStream> {
    let waiter = outside(|| wait(context, Kind::GrpcStream, Then::Each(try_box(each)?)))?;
    let stream = open(context)?;
    outside(|| hold(waiter, stream.token()))?;
    Ok(stream)
}

/// Makes the entry of a closure, and room for it in the table.
fn wait(context: u32, kind: Kind, then: Then) -> Result<Shared<Waiter>> {
    let waiter = Shared::try_new(Waiter { context, token: Cell::new(None), kind, then: Cell::new(Some(then)) })?;
    WAITERS.with(|waiters| {
        let waiters = waiters.of(kind);
        if waiters.get(context).is_none() {
            waiters.insert(context, Table::new())?;
        }
        waiters.get(context).map_or(Ok(()), |of_context| of_context.reserve())
    })?;
    DROP_CLOSURE.with(|drop_closure| {
        drop_closure.set(|context, token| {
            take_then(context, Kind::GrpcCall, token);
        });
    });
    Ok(waiter)
}

/// Enters a closure under the number of the call that was sent. If the host deleted the context
/// meanwhile, the closure cannot be kept, and the call is given up.
///
/// # Errors
///
/// Fails if the context of the call is gone.
fn hold(waiter: Shared<Waiter>, token: CallToken) -> Result<Pending> {
    waiter.token.set(Some(token.0));
    let pending = Pending { context: waiter.context, kind: waiter.kind, token };
    let kept = of_context(pending.context, pending.kind).is_some_and(|of_context| {
        // If a host gives a number twice, the first closure is lost. Its call is not given up,
        // because the number now belongs to this call.
        if let Some(before) = of_context.remove(token.0)
            && let Some(Then::Once(_, Some(direction))) = before.then.take()
        {
            stream_state::lose(direction);
        }
        of_context.put(token.0, waiter)
    });
    if kept { Ok(pending) } else { Err(Error::new("the context of the call is gone")) }
}

/// Returns the closures that wait for a context, or `None` if there are none.
fn of_context(context: u32, kind: Kind) -> Option<Shared<Table<Waiter>>> {
    WAITERS.with(|waiters| waiters.of(kind).get(context))
}

/// Returns the closure that waits for this response, and removes it, or `None` if there is none.
pub(crate) fn take_then(context: u32, kind: Kind, token: u32) -> Option<Then> {
    of_context(context, kind)?.remove(token)?.then.take()
}

/// Passes the closure of a gRPC stream to a function that runs it with an event. The closure stays
/// for the next event, unless this is the last. Returns `false` if the stream has no closure.
pub(crate) fn lend(context: u32, token: u32, last: bool, run: impl FnOnce(&mut Each)) -> bool {
    let Some(of_context) = of_context(context, Kind::GrpcStream) else { return false };
    let Some(waiter) = of_context.get(token).filter(|waiter| waiter.kind == Kind::GrpcStream) else { return false };
    if last {
        drop(of_context.remove(token));
    }
    let Some(Then::Each(mut each)) = waiter.then.take() else {
        // The closure runs already, so its context is busy.
        log::note(LogLevel::Warn, "context is busy", context);
        return true;
    };
    run(&mut each);
    // If a host gave the number again meanwhile, it belongs to another stream, which is not given
    // up.
    let is_lost = of_context.get(token).is_some_and(|now| !ptr::eq(&raw const *now, &raw const *waiter));
    if !last && !is_lost {
        // If the context was deleted meanwhile, and this entry with it, the stream is given up when
        // the entry is dropped here.
        waiter.then.set(Some(Then::Each(each)));
    }
    true
}

/// Returns whether a closure waits for this response.
pub(crate) fn waits(context: u32, kind: Kind, token: u32) -> bool {
    of_context(context, kind).is_some_and(|of_context| of_context.get(token).is_some())
}

/// Drops all closures that wait for a context.
pub(crate) fn forget(context: u32) {
    for kind in [Kind::Http, Kind::GrpcCall] {
        // Dropped only after the tables are no longer borrowed.
        let gone = WAITERS.with(|waiters| waiters.of(kind).remove(context));
        drop(gone);
    }
}

/// Drops all waiting closures.
pub(super) fn clear() {
    WAITERS.with(|waiters| {
        waiters.http.clear();
        waiters.grpc.clear();
    });
}

/// A call whose response comes to a closure. The call goes on whether this value is kept or not.
///
/// ```
/// # use sluicegate::prelude::*;
/// # use sluicegate::callout::Pending;
/// fn forget(check: Pending) {
///     if check.cancel() {
///         info!("its closure does not run");
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Pending {
    context: u32,
    kind: Kind,
    token: CallToken,
}

impl Pending {
    /// Returns the number of the call.
    #[must_use]
    pub const fn token(self) -> CallToken {
        self.token
    }

    /// Drops the closure now, without running it. Returns `false` if the closure has run, or is
    /// gone with its context. A gRPC call is cancelled at the proxy. An HTTP call cannot be
    /// cancelled: its response comes, and is dropped.
    #[must_use = "false says that the closure has run"]
    pub fn cancel(self) -> bool {
        let cancelled =
            of_context(self.context, self.kind).is_some_and(|of_context| of_context.remove(self.token.0).is_some());
        if cancelled {
            stream_state::give_up();
        }
        cancelled
    }
}
