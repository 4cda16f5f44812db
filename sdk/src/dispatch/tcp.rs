//! The callbacks of connections.

use core::marker::PhantomData;

use super::Dispatcher;
use super::contexts::{note_failure, note_pause};
use super::http_policy::{FAILED, code_of};
use super::tcp_policy::{missing, refuse};
use crate::abi::{BufferType, PeerType, StreamType};
use crate::context::{FilterStatus, HttpFilter, TcpFilter};
use crate::error::Result;
use crate::handle::{Body, Direction, TcpHandle};
use crate::owner::Connection;
use crate::stream_state::{Phase, STOP};

/// The phases of a connection.
const DOWNSTREAM: Phase = Phase::connection(StreamType::Downstream);
const UPSTREAM: Phase = Phase::connection(StreamType::Upstream);

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    pub fn proxy_on_new_connection(&self, context: u32) -> u32 {
        self.decide_tcp("on_new_connection", context, DOWNSTREAM, |filter, plugin| {
            filter.on_new_connection(&mut TcpHandle::new(context, plugin)) //
        })
    }

    pub fn proxy_on_downstream_data(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        self.decide_tcp("on_downstream_data", context, DOWNSTREAM, |filter, plugin| {
            filter.on_downstream_data(&mut data(context, plugin, BufferType::DownstreamData, size, end_of_stream))
        })
    }

    pub fn proxy_on_upstream_data(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        self.decide_tcp("on_upstream_data", context, UPSTREAM, |filter, plugin| {
            filter.on_upstream_data(&mut data(context, plugin, BufferType::UpstreamData, size, end_of_stream))
        })
    }

    /// Runs a callback whose status decides about a direction, and returns the status for the host.
    fn decide_tcp(
        &self,
        name: &str,
        context: u32,
        phase: Phase,
        callback: impl FnOnce(&mut T, &T::Plugin) -> Result<FilterStatus>,
    ) -> u32 {
        let Some(connection) = self.connections.known(context) else { return missing::<T>(None) };
        let state = &connection.state;
        let code = connection.run(context, self, |filter, plugin| {
            state.begin(phase);
            let code = code_of(name, context, callback(filter, plugin), |flow| flow as u32);
            state.returned(phase, code);
            code
        });
        match code {
            Some(FAILED) => {
                let code = if T::ON_ERROR.status().is_none() { FilterStatus::Continue as u32 } else { STOP };
                if code == STOP {
                    refuse(state);
                }
                state.returned(phase, code);
                state.status(phase, code)
            }
            Some(code) => state.status(phase, code),
            None => missing::<T>(Some(state)),
        }
    }

    pub fn proxy_on_downstream_connection_close(&self, context: u32, peer: u32) {
        let closed = self.connections.run(context, self, |filter, plugin| {
            filter.on_downstream_close(&mut TcpHandle::new(context, plugin), PeerType::from(peer))
        });
        note_failure("on_downstream_close", context, closed);
    }

    pub fn proxy_on_upstream_connection_close(&self, context: u32, peer: u32) {
        let closed = self.connections.run(context, self, |filter, plugin| {
            filter.on_upstream_close(&mut TcpHandle::new(context, plugin), PeerType::from(peer))
        });
        note_failure("on_upstream_close", context, closed);
    }

    /// Runs the callback for the access log. Returns whether the context was a connection, as the
    /// two methods below do.
    pub(super) fn log_tcp(&self, context: u32) -> bool {
        self.end_tcp(context, "on_log", T::on_log)
    }

    pub(super) fn done_tcp(&self, context: u32) -> bool {
        self.end_tcp(context, "on_done", T::on_done)
    }

    fn end_tcp(
        &self,
        context: u32,
        name: &str,
        callback: fn(&mut T, &mut TcpHandle<'_, T::Plugin>) -> Result<()>,
    ) -> bool {
        let Some(connection) = self.connections.get(context).filter(|_| T::TRACKED) else { return false };
        connection.state.end();
        let ended =
            connection.run(context, self, |filter, plugin| callback(filter, &mut TcpHandle::new(context, plugin)));
        note_failure(name, context, ended);
        true
    }

    pub(super) fn delete_tcp(&self, context: u32) -> bool {
        let Some(connection) = T::TRACKED.then(|| self.connections.remove(context)).flatten() else { return false };
        note_pause(&connection.state, context);
        connection.state.end();
        let ended =
            connection.run(context, self, |filter, plugin| filter.on_delete(&mut TcpHandle::new(context, plugin)));
        note_failure("on_delete", context, ended);
        true
    }
}

/// Makes the handle of a connection's data.
fn data<'cb, D: Direction<Kind = Connection>, P>(
    context: u32,
    plugin: &'cb P,
    buffer: BufferType,
    size: usize,
    end_of_stream: u32,
) -> Body<'cb, D, P> {
    let (handle, end_of_stream) = (TcpHandle::new(context, plugin), end_of_stream != 0);
    Body { handle, buffer, size, end_of_stream, sees_trailers: true, direction: PhantomData }
}
