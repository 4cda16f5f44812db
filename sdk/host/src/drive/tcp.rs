//! TCP connections, driven callback by callback.

use sluicegate::abi::{BufferType, StreamType};

use crate::drive::flow::{NO_BUFFER, STOP, next_unread, send};
use crate::drive::running::RunningHost;
use crate::drive::stream::{close, create, sent, set_property};
use crate::model::property::PropertyValue;

/// The side that closed a connection, as hosts number it.
const CLOSED_BY_UNKNOWN: u32 = 0;
const CLOSED_BY_PROXY: u32 = 1;
const CLOSED_BY_REMOTE: u32 = 2;

/// Tells the filter that it closed a connection itself.
pub(crate) fn closed_by_filter(host: &RunningHost, id: u32) {
    disconnect(host, id, CLOSED_BY_PROXY);
}

/// Tells the filter that a connection is closed, and by which side. Only the first call has an
/// effect.
fn disconnect(host: &RunningHost, id: u32, peer: u32) {
    let told = {
        let mut state = host.state();
        let Some(stream) = state.streams.get_mut(&id) else { return };
        std::mem::replace(&mut stream.disconnected, true)
    };
    if !told {
        host.enter(id, "proxy_on_downstream_connection_close", &[id, peer]);
        host.run_deferred();
    }
}

/// Shows the filter data of one direction. Returns the filter's action.
fn data(host: &RunningHost, id: u32, buffer: BufferType, part: &[u8], end_of_stream: bool) -> u32 {
    if host.is_over(id) {
        return NO_BUFFER;
    }
    if end_of_stream && let Some(stream) = host.state().streams.get_mut(&id) {
        stream.ended.insert(buffer as u32);
    }
    let callback = match buffer {
        BufferType::UpstreamData => "proxy_on_upstream_data",
        _ => "proxy_on_downstream_data",
    };
    send(host, id, buffer, part, |size| {
        host.connection_filter(id, callback, &[id, size, end_of_stream.into()], NO_BUFFER) //
    })
}

/// Shows the filter the data that the proxy did not read while it held back too much.
pub(crate) fn read_on(host: &RunningHost, id: u32, buffer: BufferType) {
    while let Some((part, end_of_stream)) = next_unread(host, id, buffer) {
        data(host, id, buffer, &part, end_of_stream);
    }
}

/// A TCP connection of the simulated proxy.
///
/// If the module does not export a callback, the method that drives it returns 0, Continue, as a
/// proxy does.
#[must_use]
pub struct TcpConnection<'host> {
    host: &'host RunningHost,
    id: u32,
    opened: u32,
}

impl<'host> TcpConnection<'host> {
    pub(crate) fn open(host: &'host RunningHost, plugin: u32) -> Self {
        let id = create(host, plugin, true);
        let opened = host.connection_filter(id, "proxy_on_new_connection", &[id], STOP);
        host.run_deferred();
        Self { host, id, opened }
    }

    /// Returns the number of the connection's context.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns the filter's action for the new connection.
    #[must_use]
    pub fn opened(&self) -> u32 {
        self.opened
    }

    /// Sends data from the client. Returns the filter's action.
    ///
    /// While the filter holds the data back, it sees all of the data again with each part.
    pub fn downstream_data(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> u32 {
        self.data(BufferType::DownstreamData, part.as_ref(), end_of_stream)
    }

    /// Sends data from the upstream. Returns the filter's action.
    ///
    /// While the filter holds the data back, it sees all of the data again with each part.
    pub fn upstream_data(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> u32 {
        self.data(BufferType::UpstreamData, part.as_ref(), end_of_stream)
    }

    fn data(&self, buffer: BufferType, part: &[u8], end_of_stream: bool) -> u32 {
        read_on(self.host, self.id, buffer);
        if let Some(body) = self.host.state().body(self.id, buffer).filter(|body| body.full) {
            body.unread.push_back((part.to_vec(), end_of_stream));
            return STOP;
        }
        data(self.host, self.id, buffer, part, end_of_stream)
    }

    /// Sets a property of this connection, in place of the proxy's at this path, from now on.
    pub fn set_property(&self, path: &[&str], value: impl Into<PropertyValue>) -> &Self {
        set_property(self.host, self.id, path, value.into());
        self
    }

    /// Returns an object of Envoy's own that the filter put into the filter state: its text, and
    /// the number of its life span.
    #[must_use]
    pub fn envoy_filter_state(&self, name: &str) -> Option<(Vec<u8>, u64)> {
        self.host.state().streams.get(&self.id)?.envoy_filter_state.get(name.as_bytes()).cloned()
    }

    pub(crate) fn host(&self) -> &'host RunningHost {
        self.host
    }

    /// Returns the bytes that the upstream got from the client.
    #[must_use]
    pub fn sent_upstream(&self) -> Vec<u8> {
        sent(self.host, self.id, BufferType::DownstreamData)
    }

    /// Returns the bytes that the client got from the upstream.
    #[must_use]
    pub fn sent_downstream(&self) -> Vec<u8> {
        sent(self.host, self.id, BufferType::UpstreamData)
    }

    /// Ends the connection from the client's side. The client's data ends first, if the test did
    /// not end it.
    ///
    /// Envoy then tells the filter that the proxy closed the connection.
    pub fn close_downstream(&self) {
        self.end(BufferType::DownstreamData);
        disconnect(self.host, self.id, CLOSED_BY_PROXY);
    }

    /// Ends the connection from the upstream's side. The upstream's data ends first, if the test
    /// did not end it.
    ///
    /// Envoy then closes the client's side.
    pub fn close_upstream(&self) {
        self.end(BufferType::UpstreamData);
        self.host.enter(self.id, "proxy_on_upstream_connection_close", &[self.id, CLOSED_BY_UNKNOWN]);
        self.host.run_deferred();
        disconnect(self.host, self.id, CLOSED_BY_REMOTE);
    }

    fn end(&self, buffer: BufferType) {
        let ended =
            self.host.state().streams.get(&self.id).is_some_and(|stream| stream.ended.contains(&(buffer as u32)));
        match buffer {
            _ if ended => {}
            BufferType::DownstreamData => drop(self.downstream_data("", true)),
            _ => drop(self.upstream_data("", true)),
        }
    }

    /// Returns whether the filter closed the client's side.
    #[must_use]
    pub fn closed_downstream(&self) -> bool {
        self.closed(StreamType::Downstream)
    }

    /// Returns whether the filter closed the upstream's side.
    #[must_use]
    pub fn closed_upstream(&self) -> bool {
        self.closed(StreamType::Upstream)
    }

    fn closed(&self, direction: StreamType) -> bool {
        self.host.state().streams.get(&self.id).is_some_and(|stream| stream.closed.contains(&(direction as u32)))
    }

    /// Ends the connection. The callbacks come in Envoy's order for TCP: done, log, delete.
    pub fn complete(self) {
        close(self.host, self.id, ["proxy_on_done", "proxy_on_log", "proxy_on_delete"]);
    }
}
