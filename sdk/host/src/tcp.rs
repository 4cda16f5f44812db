//! A TCP connection, driven callback by callback.

use sluicegate::abi::{BufferType, StreamType};

use crate::host::{PLUGIN, Running};
use crate::state::Stream;
use crate::stream::{send, sent};

/// Who closed a connection, as hosts number it.
const CLOSED_BY_REMOTE: u32 = 2;

/// A connection of the simulated proxy.
///
/// A callback that the module does not export is answered with 0, Continue, as a proxy does.
#[must_use]
pub struct TcpConnection<'host> {
    host: &'host Running,
    id: u32,
    opened: u32,
}

impl<'host> TcpConnection<'host> {
    pub(crate) fn open(host: &'host Running, id: u32) -> Self {
        host.state().streams.insert(id, Stream::default());
        if let Some(create) = host.module.proxy_on_context_create {
            host.enter(id, || create(id, PLUGIN));
        }
        let opened = host.module.proxy_on_new_connection.map_or(0, |callback| host.enter(id, || callback(id)));
        Self { host, id, opened }
    }

    /// The number of the connection's context.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The filter's action for the new connection.
    #[must_use]
    pub fn opened(&self) -> u32 {
        self.opened
    }

    /// Sends data from the client; the filter's action. While the filter holds the data back, it sees all of it again.
    pub fn downstream_data(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> u32 {
        let callback = self.host.module.proxy_on_downstream_data;
        send(self.host, self.id, BufferType::DownstreamData, part.as_ref(), end_of_stream, callback)
    }

    /// Sends data from the upstream; likewise.
    pub fn upstream_data(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> u32 {
        let callback = self.host.module.proxy_on_upstream_data;
        send(self.host, self.id, BufferType::UpstreamData, part.as_ref(), end_of_stream, callback)
    }

    /// What the upstream got from the client.
    #[must_use]
    pub fn sent_upstream(&self) -> Vec<u8> {
        sent(self.host, self.id, BufferType::DownstreamData)
    }

    /// What the client got from the upstream.
    #[must_use]
    pub fn sent_downstream(&self) -> Vec<u8> {
        sent(self.host, self.id, BufferType::UpstreamData)
    }

    /// The client closes the connection.
    pub fn close_downstream(&self) {
        if let Some(callback) = self.host.module.proxy_on_downstream_connection_close {
            self.host.enter(self.id, || callback(self.id, CLOSED_BY_REMOTE));
        }
    }

    /// The upstream closes the connection.
    pub fn close_upstream(&self) {
        if let Some(callback) = self.host.module.proxy_on_upstream_connection_close {
            self.host.enter(self.id, || callback(self.id, CLOSED_BY_REMOTE));
        }
    }

    /// Whether the filter closed the client's side.
    #[must_use]
    pub fn closed_downstream(&self) -> bool {
        self.closed(StreamType::Downstream)
    }

    /// Whether the filter closed the upstream's side.
    #[must_use]
    pub fn closed_upstream(&self) -> bool {
        self.closed(StreamType::Upstream)
    }

    fn closed(&self, direction: StreamType) -> bool {
        self.host.state().streams.get(&self.id).is_some_and(|stream| stream.closed.contains(&(direction as u32)))
    }

    /// Ends the connection, in Envoy's order for TCP: done, log, delete.
    pub fn complete(self) {
        let (id, module) = (self.id, self.host.module);
        self.host.enter(id, || {
            if let Some(done) = module.proxy_on_done {
                done(id);
            }
            if let Some(log) = module.proxy_on_log {
                log(id);
            }
            if let Some(delete) = module.proxy_on_delete {
                delete(id);
            }
        });
        self.host.state().streams.remove(&id);
    }
}
