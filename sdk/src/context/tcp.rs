//! The context of a connection.

use super::named::TcpAttribute;
use super::{FailurePolicy, FilterStatus, PluginContext};
use crate::PeerType;
use crate::callout::{CallResponse, GrpcEvent};
use crate::error::Result;
use crate::handle::{DownstreamData, TcpHandle, UpstreamData};

/// The context of a connection, for a network filter.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Count {
///     bytes: usize,
/// }
///
/// #[sluicegate::tcp_filter]
/// impl TcpFilter for Count {
///     fn on_downstream_data(&mut self, data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
///         self.bytes += data.size();
///         Ok(FilterStatus::Continue)
///     }
///
///     fn on_log(&mut self, connection: &mut TcpHandle<'_>) -> Result<()> {
///         info!("connection {}: {} bytes", connection.id(), self.bytes);
///         Ok(())
///     }
/// }
///
/// sluicegate::plugin!(tcp: Count);
/// # fn main() {}
/// ```
#[doc(alias("TcpContext", "DefaultTcpContext", "StreamContext"))]
pub trait TcpFilter: TcpAttribute + Sized + 'static {
    /// The plugin's context. The attribute fills in `()` if it is left out.
    type Plugin: PluginContext;

    /// The effect on the connection of a callback that returns an error. The connection is closed,
    /// unless this is [`FailurePolicy::Open`].
    const ON_ERROR: FailurePolicy = FailurePolicy::Closed;

    /// Returns whether a stream of this plugin is a connection, as
    /// [`HttpFilter::accepts`](super::HttpFilter::accepts) does for HTTP streams.
    #[doc(alias("get_type", "ContextType"))]
    fn accepts(plugin: &Self::Plugin, id: u32) -> bool {
        let _ = (plugin, id);
        true
    }

    /// Makes the context. The attribute fills in [`Default`] if it is left out.
    #[doc(alias("NewTcpContext", "create_stream_context", "NewStreamContext"))]
    fn create(plugin: &Self::Plugin, id: u32) -> Self;

    /// Handles a new connection of a client.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the connection.
    #[doc(alias = "OnNewConnection")]
    fn on_new_connection(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<FilterStatus> {
        let _ = connection;
        Ok(FilterStatus::Continue)
    }

    /// Handles data from the client. The last call usually brings no data.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the connection.
    #[doc(alias = "OnDownstreamData")]
    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_, Self::Plugin>) -> Result<FilterStatus> {
        let _ = data;
        Ok(FilterStatus::Continue)
    }

    /// Handles data from the upstream. The last call usually brings no data.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the connection.
    #[doc(alias = "OnUpstreamData")]
    fn on_upstream_data(&mut self, data: &mut UpstreamData<'_, Self::Plugin>) -> Result<FilterStatus> {
        let _ = data;
        Ok(FilterStatus::Continue)
    }

    /// Handles the close of the connection to the client.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnDownstreamClose")]
    fn on_downstream_close(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>, peer: PeerType) -> Result<()> {
        let _ = (connection, peer);
        Ok(())
    }

    /// Handles the close of the connection to the upstream.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnUpstreamClose")]
    fn on_upstream_close(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>, peer: PeerType) -> Result<()> {
        let _ = (connection, peer);
        Ok(())
    }

    /// Handles the response to a call that the connection dispatched, or its failure.
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

    /// Handles an event of a gRPC call or stream that this context opened.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the connection.
    #[doc(alias(
        "on_grpc_call_response",
        "on_grpc_stream_message",
        "on_grpc_stream_initial_metadata",
        "on_grpc_stream_trailing_metadata",
        "on_grpc_stream_close"
    ))]
    fn on_grpc_event(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>, event: &GrpcEvent) -> Result<()> {
        let _ = (connection, event);
        Ok(())
    }

    /// Handles a connection that goes to the access log. Envoy calls this after
    /// [`on_done`](Self::on_done). For HTTP, Envoy calls it before.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnStreamDone")]
    fn on_log(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = connection;
        Ok(())
    }

    /// Handles the end of the connection.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_done(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = connection;
        Ok(())
    }

    /// Handles the deletion of the context. This is its last callback, after which the context is
    /// dropped.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_delete(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = connection;
        Ok(())
    }
}
