//! Responses to calls. Hosts pass them to the plugin, and leave it to the guest to know which of
//! its contexts made the call.

use core::cell::Cell;

use super::contexts::{PluginOf, VmOf};
use super::http_policy::{self, FAILED};
use super::tracked::{Runs, Stream};
use super::{Dispatcher, stranded, tcp_policy};
use crate::abi::LogLevel;
use crate::callout::{self, Answered, CallResponse, ContextRef, GrpcEvent, GrpcEventKind, Kind, Then};
use crate::context::named::Facts;
use crate::context::{HttpFilter, PluginContext, TcpFilter};
use crate::effective::set_effective_context;
use crate::error::Result;
use crate::failures;
use crate::handle::{HttpHandle, PluginHandle, TcpHandle};
use crate::log;
use crate::stream_state::Streams;

/// Returns the context that waited for the response to an HTTP call, and removes the entry of the
/// call.
fn asked(token: u32) -> Option<u32> {
    let waiting = callout::take(Kind::Http, token);
    if waiting.is_none() {
        log::note(LogLevel::Warn, "no such call", token);
    }
    waiting.map(|waiting| waiting.context.get())
}

/// Returns the context that waits for the event, and whether the event is the last one. After the
/// last event of a call or stream, its entry is removed. Envoy also reports a call that it refused
/// to open, whose number the guest never saw.
fn listens(token: u32, what: GrpcEventKind) -> Option<(u32, bool)> {
    let Some(waiting) = callout::waiting(Kind::GrpcCall, token) else {
        log::note(LogLevel::Debug, "no such gRPC call or stream", token);
        return None;
    };
    let is_last =
        matches!((waiting.kind, what), (_, GrpcEventKind::Closed(_)) | (Kind::GrpcCall, GrpcEventKind::Message(_)));
    if is_last {
        callout::take(Kind::GrpcCall, token);
        callout::closed(waiting.context.get(), token);
    }
    Some((waiting.context.get(), is_last))
}

/// Makes host calls act on the context that a response is for. Returns `false` if the host refuses.
/// Then the response is lost, and its future or closure goes on waiting. This is logged as a
/// failure of the callback.
pub(super) fn act_on(name: &str, context: u32) -> bool {
    set_effective_context(context).map_err(|error| log::failure(LogLevel::Error, name, context, &error)).is_ok()
}

/// The code for a response that was taken.
const FINE: u32 = 0;
/// The code for a response that came to no callback: the host does not let the SDK act on the
/// context, or the context is busy.
const NOT_RUN: u32 = 1;

/// The four callbacks of gRPC, which differ in the event that they bring.
macro_rules! grpc_callbacks {
    () => {
        pub fn proxy_on_grpc_receive_initial_metadata(&self, _plugin: u32, token: u32, elements: u32) {
            self.on_grpc(token, GrpcEventKind::InitialMetadata(elements));
        }

        pub fn proxy_on_grpc_receive(&self, _plugin: u32, token: u32, size: usize) {
            self.on_grpc(token, GrpcEventKind::Message(size));
        }

        pub fn proxy_on_grpc_receive_trailing_metadata(&self, _plugin: u32, token: u32, elements: u32) {
            self.on_grpc(token, GrpcEventKind::TrailingMetadata(elements));
        }

        pub fn proxy_on_grpc_close(&self, _plugin: u32, token: u32, status: u32) {
            self.on_grpc(token, GrpcEventKind::Closed(status));
        }
    };
}

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    /// `true` if any context takes responses in closures. Otherwise no code for closures is linked.
    pub(super) const CALLS: bool = H::CALLS || T::CALLS || PluginOf::<H>::CALLS;

    /// `true` if any context takes the responses to HTTP calls. Otherwise no call waits for one.
    pub(super) const ASKS: bool = Self::CALLS || H::HTTP_ANSWERS || T::HTTP_ANSWERS || PluginOf::<H>::HTTP_ANSWERS;

    pub fn proxy_on_http_call_response(&self, _plugin: u32, token: u32, headers: u32, body_size: usize, trailers: u32) {
        let Some(context) = asked(token) else { return };
        self.answered(context);
        let response = CallResponse { token, headers, body_size, trailers };
        if Self::CALLS && callout::waits(context, Kind::Http, token) {
            return self.answer_once(context, Kind::Http, token, Answered::Http(&response));
        }
        self.answer(
            "on_http_call_response",
            context,
            |plugin, handle| plugin.on_http_call_response(handle, &response),
            |filter, stream| filter.on_http_call_response(stream, &response),
            |filter, connection| filter.on_http_call_response(connection, &response),
        );
    }

    grpc_callbacks!();

    fn on_grpc(&self, token: u32, what: GrpcEventKind) {
        let Some((context, is_last)) = listens(token, what) else { return };
        if is_last {
            self.answered(context);
        }
        let event = GrpcEvent { token, what };
        if Self::CALLS && callout::waits(context, Kind::GrpcCall, token) {
            let last = matches!(what, GrpcEventKind::Closed(_));
            let of_stream = callout::lend(context, token, last, |each| {
                self.answer_closure("closure of a gRPC stream", context, &mut |asker| {
                    each(asker, Answered::Grpc(&event)) //
                });
            });
            // The closure of a call waits for the message or the end, and does not see the
            // metadata.
            if !of_stream && matches!(what, GrpcEventKind::Message(_) | GrpcEventKind::Closed(_)) {
                self.answer_once(context, Kind::GrpcCall, token, Answered::Grpc(&event));
            }
            return;
        }
        let there = self.answer(
            "on_grpc_event",
            context,
            |plugin, handle| plugin.on_grpc_event(handle, &event),
            |filter, stream| filter.on_grpc_event(stream, &event),
            |filter, connection| filter.on_grpc_event(connection, &event),
        );
        if !there {
            callout::hang_up(token);
        }
    }

    /// Notes that the stream that made the call waits for one call less.
    fn answered(&self, context: u32) {
        if H::TRACKED
            && let Some(stream) = self.streams.get(context)
        {
            stream.state.answered();
        }
    }

    /// Runs the closure that waits for a response. If the context is gone or busy, the closure is
    /// dropped.
    fn answer_once(&self, context: u32, kind: Kind, token: u32, answered: Answered<'_>) {
        let mut then = callout::take_then(context, kind, token);
        self.answer_closure("closure of a call", context, &mut |asker| match then.take() {
            Some(Then::Once(then, _)) => then(asker, answered),
            _ => Ok(()),
        });
        if let Some(Then::Once(_, Some(direction))) = then {
            // The closure did not run, so it no longer holds its direction.
            self.with_state(direction.into(), context, &mut |state| state.release(direction));
        }
    }

    /// Runs a closure with its context, if the context exists and is not busy.
    fn answer_closure(&self, name: &str, context: u32, closure: &mut dyn FnMut(ContextRef<'_>) -> Result<()>) {
        // Only one of the three closures runs.
        let closure = Cell::new(Some(closure));
        let run = |asker: ContextRef<'_>| closure.take().map_or(Ok(()), |closure| closure(asker));
        self.answer(
            name,
            context,
            |plugin, handle| run(ContextRef { id: context, context: plugin, above: handle.above }),
            |filter, stream| run(ContextRef { id: context, context: filter, above: stream.above }),
            |filter, connection| run(ContextRef { id: context, context: filter, above: connection.above }),
        );
    }

    /// Brings a response to the context that made the call. Returns `false` if the context is gone.
    pub(super) fn answer(
        &self,
        name: &str,
        context: u32,
        of_plugin: impl FnOnce(&mut PluginOf<H>, &mut PluginHandle<'_, VmOf<H>>) -> Result<()>,
        of_http: impl FnOnce(&mut H, &mut HttpHandle<'_, PluginOf<H>>) -> Result<()>,
        of_tcp: impl FnOnce(&mut T, &mut TcpHandle<'_, PluginOf<H>>) -> Result<()>,
    ) -> bool {
        if self.plugins.get(context).is_some() {
            if let Some(Err(error)) = self.with_plugin(context, 0, of_plugin) {
                log::failure(LogLevel::Error, name, context, &error);
            }
        } else if let Some(stream) = self.streams.get(context).filter(|_| H::TRACKED) {
            let answered = stream.run_answer(name, context, self, |filter, plugin| {
                of_http(filter, &mut HttpHandle::new(context, plugin)) //
            });
            if answered == FAILED || answered == FINE && stranded::is_stranded::<H>(name, context, &stream.state) {
                stream.state.within(|| http_policy::fail::<H>(context, &stream.state));
            }
        } else if let Some(connection) = self.connections.get(context).filter(|_| T::TRACKED) {
            let answered = connection.run_answer(name, context, self, |filter, plugin| {
                of_tcp(filter, &mut TcpHandle::new(context, plugin)) //
            });
            if answered == FAILED {
                connection.state.within(|| tcp_policy::fail::<T>(context, &connection.state));
            }
        } else {
            return false;
        }
        true
    }
}

impl<K: Runs> Stream<K> {
    /// Runs a callback for a response, with host calls acting on the stream.
    fn run_answer(
        &self,
        name: &str,
        id: u32,
        streams: &(dyn Streams + 'static),
        callback: impl FnOnce(&mut K::Filter, &K::Plugin) -> Result<()>,
    ) -> u32 {
        let mut acts = None;
        let answered = self.run_after(
            id,
            streams,
            || {
                let acting = act_on(name, id);
                acts = Some(acting);
                acting
            },
            |filter, plugin| http_policy::code_of(name, id, callback(filter, plugin), |()| FINE),
        );
        if acts.is_none() {
            // A callback of the stream is running, and the host brings the response within it. The
            // policy decides when that callback is over.
            failures::count();
            self.state.lose();
        }
        answered.unwrap_or(NOT_RUN)
    }
}
