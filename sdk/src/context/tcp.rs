//! The context of a connection.

use super::{FailurePolicy, Flow, PluginContext};
use crate::PeerType;
use crate::callout::{CallResponse, GrpcEvent};
use crate::error::Result;
use crate::handle::{DownstreamData, TcpHandle, UpstreamData};

/// A connection, for a network filter.
#[doc(alias = "TcpContext")]
#[doc(alias = "StreamContext")]
pub trait TcpFilter: Sized + 'static {
    /// The plugin's context. Filled in with `()` if left out.
    type Plugin: PluginContext;

    /// What happens to the connection when a callback answers an error: it is closed, unless this
    /// is [`FailurePolicy::Open`].
    const ON_ERROR: FailurePolicy = FailurePolicy::Closed;

    /// Whether the SDK keeps contexts of this kind at all.
    #[doc(hidden)]
    const TRACKED: bool = true;

    /// Whether the attribute says `calls`: answers may come to closures.
    #[doc(hidden)]
    const CALLS: bool = false;

    /// Whether the attribute says `tasks`.
    #[doc(hidden)]
    const TASKS: bool = false;

    /// Whether it has [`on_http_call_response`](Self::on_http_call_response).
    #[doc(hidden)]
    const HTTP_ANSWERS: bool = false;

    /// Whether it has [`on_grpc_event`](Self::on_grpc_event).
    #[doc(hidden)]
    const GRPC_ANSWERS: bool = false;

    /// Returns whether a stream of this plugin is a connection: as
    /// [`HttpFilter::accepts`](super::HttpFilter::accepts).
    fn accepts(plugin: &Self::Plugin, id: u32) -> bool {
        let _ = (plugin, id);
        true
    }

    /// Makes the context. Filled in with [`Default`] if left out.
    #[doc(alias = "NewTcpContext")]
    fn create(plugin: &Self::Plugin, id: u32) -> Self;

    /// Returns a client has connected.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the connection.
    #[doc(alias = "OnNewConnection")]
    fn on_new_connection(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<Flow> {
        let _ = connection;
        Ok(Flow::Continue)
    }

    /// Data from the client is here. A last call without data is usual.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the connection.
    #[doc(alias = "OnDownstreamData")]
    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_, Self::Plugin>) -> Result<Flow> {
        let _ = data;
        Ok(Flow::Continue)
    }

    /// Data from the upstream is here. A last call without data is usual.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the connection.
    #[doc(alias = "OnUpstreamData")]
    fn on_upstream_data(&mut self, data: &mut UpstreamData<'_, Self::Plugin>) -> Result<Flow> {
        let _ = data;
        Ok(Flow::Continue)
    }

    /// Returns the connection to the client is closed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnDownstreamClose")]
    fn on_downstream_close(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>, peer: PeerType) -> Result<()> {
        let _ = (connection, peer);
        Ok(())
    }

    /// Returns the connection to the upstream is closed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnUpstreamClose")]
    fn on_upstream_close(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>, peer: PeerType) -> Result<()> {
        let _ = (connection, peer);
        Ok(())
    }

    /// Returns a call that the connection dispatched is answered, or has failed.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the connection.
    fn on_http_call_response(
        &mut self,
        connection: &mut TcpHandle<'_, Self::Plugin>,
        response: &CallResponse,
    ) -> Result<()> {
        let _ = (connection, response);
        Ok(())
    }

    /// Returns a gRPC call or stream that this context opened has news.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the connection.
    #[doc(alias = "on_grpc_call_response")]
    #[doc(alias = "on_grpc_stream_message")]
    fn on_grpc_event(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>, event: &GrpcEvent) -> Result<()> {
        let _ = (connection, event);
        Ok(())
    }

    /// Returns the connection goes to the access log. Envoy calls it after
    /// [`on_done`](Self::on_done) here, and before it for HTTP.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnStreamDone")]
    fn on_log(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = connection;
        Ok(())
    }

    /// Returns the connection is over.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_done(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = connection;
        Ok(())
    }

    /// Returns the last callback; the context is dropped after it.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_delete(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = connection;
        Ok(())
    }
}
