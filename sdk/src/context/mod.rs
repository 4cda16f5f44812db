//! The four kinds of context, as traits: what a filter's author implements.
//!
//! A proxy runs a module in one VM per worker thread. A VM holds one plugin context for each configuration of the plugin, and each plugin context
//! one context for each HTTP stream or connection that is open. The attributes [`vm_context`](crate::vm_context),
//! [`plugin_context`](crate::plugin_context), [`http_filter`](crate::http_filter) and [`tcp_filter`](crate::tcp_filter) go on the implementations; they fill in what is left out and tell [`plugin!`](crate::plugin) which callbacks to
//! export, so that the proxy does not enter the VM for a callback that does nothing.
//!
//! The order in Envoy: plugin context created, VM start, configure; then for each stream created, headers, log, done, delete. A host may start a
//! VM and throw it away again (Envoy does so once for each configuration), and may call `on_vm_start` once for each plugin.

mod actions;
#[doc(hidden)]
pub mod named;

pub use actions::{Action, DataAction, FailurePolicy, Flow, StartStatus, Upgrades};

use crate::PeerType;
use crate::callout::{CallResponse, GrpcEvent};
use crate::error::Result;
use crate::handle::{
    CompleteRequestBody, CompleteResponseBody, DownstreamData, HttpHandle, LogEntry, PluginHandle, RequestBody,
    RequestHeaders, RequestTrailers, ResponseBody, ResponseHeaders, ResponseTrailers, TcpHandle, UpstreamData,
    VmHandle,
};
use crate::queue::Queue;

/// The VM: one for each worker thread, shared by all plugin contexts in it.
#[doc(alias = "VMContext")]
pub trait VmContext: Sized + 'static {
    /// Makes the context, before anything else. Filled in with [`Default`] if left out.
    fn create() -> Self;

    /// The VM starts, or a further plugin context starts in it.
    ///
    /// # Errors
    ///
    /// An error is logged, and refuses the VM like [`StartStatus::Failed`].
    #[doc(alias = "OnVMStart")]
    fn on_vm_start(&mut self, vm: &mut VmHandle<'_>) -> Result<StartStatus> {
        let _ = vm;
        Ok(StartStatus::Ok)
    }
}

impl VmContext for () {
    fn create() -> Self {}
}

/// A plugin: one for each configuration in a VM. Its streams reach it by reference, so what they change in it is in a `Cell` or `RefCell`.
#[doc(alias = "RootContext")]
pub trait PluginContext: Sized + 'static {
    /// The VM's context. Filled in with `()` if left out.
    type Vm: VmContext;

    /// Whether the attribute says `calls`: answers may come to closures.
    #[doc(hidden)]
    const CALLS: bool = false;

    /// Whether the attribute says `tasks`.
    #[doc(hidden)]
    const TASKS: bool = false;

    /// Whether the attribute says `timers`.
    #[doc(hidden)]
    const TIMERS: bool = false;

    /// Whether it has [`on_log`](Self::on_log).
    #[doc(hidden)]
    const LOGS: bool = false;

    /// Whether it has [`on_http_call_response`](Self::on_http_call_response).
    #[doc(hidden)]
    const HTTP_ANSWERS: bool = false;

    /// Whether it has [`on_grpc_event`](Self::on_grpc_event).
    #[doc(hidden)]
    const GRPC_ANSWERS: bool = false;

    /// Whether it has callbacks from which it may let streams go on.
    #[doc(hidden)]
    const RESUMES: bool = false;

    /// Whether there is no plugin, which then reaches no streams.
    #[doc(hidden)]
    const ABSENT: bool = false;

    /// Makes the context. Filled in with [`Default`] if left out.
    fn create(vm: &Self::Vm, id: u32) -> Self;

    /// The plugin starts: its configuration can be read, ticks can be asked for.
    ///
    /// # Errors
    ///
    /// An error is logged, and refuses the configuration like [`StartStatus::Failed`].
    #[doc(alias = "OnPluginStart")]
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<StartStatus> {
        let _ = plugin;
        Ok(StartStatus::Ok)
    }

    /// The proxy asks whether it could start with a configuration, which [`PluginHandle::configuration`] gives. Envoy knows the callback and does not call it.
    ///
    /// # Errors
    ///
    /// An error is logged, and refuses the configuration like [`StartStatus::Failed`].
    #[doc(alias = "validateConfiguration")]
    fn on_validate_configuration(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<StartStatus> {
        let _ = plugin;
        Ok(StartStatus::Ok)
    }

    /// The proxy calls a function of the plugin, with arguments that [`PluginHandle::foreign_arguments`] gives. Envoy does so in tests only.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, function: u32) -> Result<()> {
        let _ = (plugin, function);
        Ok(())
    }

    /// The period that [`PluginHandle::set_tick_period`] asked for has passed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnTick")]
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<()> {
        let _ = plugin;
        Ok(())
    }

    /// There is an item in a queue that this plugin registered. Another VM may have taken it meanwhile.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnQueueReady")]
    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, queue: Queue) -> Result<()> {
        let _ = (plugin, queue);
        Ok(())
    }

    /// A call that the plugin dispatched is answered, or has failed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_http_call_response(
        &mut self,
        plugin: &mut PluginHandle<'_, Self::Vm>,
        response: &CallResponse,
    ) -> Result<()> {
        let _ = (plugin, response);
        Ok(())
    }

    /// A gRPC call or stream that this context opened has news.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "on_grpc_call_response")]
    #[doc(alias = "on_grpc_stream_message")]
    fn on_grpc_event(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, event: &GrpcEvent) -> Result<()> {
        let _ = (plugin, event);
        Ok(())
    }

    /// More or less of the [total budget](crate::budget) is used than before: caches may shrink. After the callback in which it changed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[cfg(feature = "budget")]
    fn on_memory_pressure(
        &mut self,
        plugin: &mut PluginHandle<'_, Self::Vm>,
        pressure: crate::budget::Pressure,
    ) -> Result<()> {
        let _ = (plugin, pressure);
        Ok(())
    }

    /// A request is over and goes to the access log that the plugin writes: one of a proxy's `access_log`, not of its filters. Its headers, trailers and properties can be read here, and
    /// nowhere else.
    ///
    /// Of a plugin that is a filter's too, hosts call it for no stream of the filter's: those have [`HttpFilter::on_log`].
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_log(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, entry: &LogEntry<'_>) -> Result<()> {
        let _ = (plugin, entry);
        Ok(())
    }

    /// The plugin ends. With `false` the proxy waits until [`PluginHandle::done`].
    ///
    /// # Errors
    ///
    /// An error is logged, and the proxy does not wait.
    #[doc(alias = "OnPluginDone")]
    fn on_done(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<bool> {
        let _ = plugin;
        Ok(true)
    }

    /// The last callback; the context is dropped after it.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_delete(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<()> {
        let _ = plugin;
        Ok(())
    }
}

impl PluginContext for () {
    type Vm = ();
    const ABSENT: bool = true;

    fn create((): &(), _: u32) -> Self {}
}

/// A stream: one HTTP request and its response.
#[doc(alias = "HttpContext")]
pub trait HttpFilter: Sized + 'static {
    /// The plugin's context, which [`RequestHeaders::plugin`] and the other handles give without a copy. Filled in with `()` if left out.
    type Plugin: PluginContext;

    /// What happens to the stream when a callback answers an error. Closed unless the filter says otherwise.
    const ON_ERROR: FailurePolicy = FailurePolicy::Closed;

    /// What becomes of a request that asks for another protocol, if the filter judges complete bodies: refused unless the filter says otherwise.
    const UPGRADES: Upgrades = Upgrades::Refuse;

    /// Whether it has [`on_complete_request_body`](Self::on_complete_request_body).
    #[doc(hidden)]
    const COMPLETE_REQUEST: bool = false;

    /// Whether it has [`on_complete_response_body`](Self::on_complete_response_body).
    #[doc(hidden)]
    const COMPLETE_RESPONSE: bool = false;

    /// Whether it has [`on_request_body`](Self::on_request_body).
    #[doc(hidden)]
    const REQUEST_BODY: bool = false;

    /// Whether it has [`on_response_body`](Self::on_response_body).
    #[doc(hidden)]
    const RESPONSE_BODY: bool = false;

    /// Whether it has [`on_request_trailers`](Self::on_request_trailers).
    #[doc(hidden)]
    const REQUEST_TRAILERS: bool = false;

    /// Whether it has [`on_response_trailers`](Self::on_response_trailers).
    #[doc(hidden)]
    const RESPONSE_TRAILERS: bool = false;

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

    /// Whether a stream of this plugin is an HTTP stream. Hosts do not say: a module with both kinds of filter decides by its configuration. What is not
    /// accepted here is offered to the [`TcpFilter`]; what neither accepts has no context, and [`ON_ERROR`](Self::ON_ERROR) decides about it.
    fn accepts(plugin: &Self::Plugin, id: u32) -> bool {
        let _ = (plugin, id);
        true
    }

    /// Makes the context. Filled in with [`Default`] if left out.
    #[doc(alias = "NewHttpContext")]
    fn create(plugin: &Self::Plugin, id: u32) -> Self;

    /// The request's headers are here.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "OnHttpRequestHeaders")]
    #[doc(alias = "on_http_request_headers")]
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Self::Plugin>) -> Result<Action> {
        let _ = request;
        Ok(Action::Continue)
    }

    /// A part of the request's body is here, or all of it that was held back so far.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "OnHttpRequestBody")]
    #[doc(alias = "on_http_request_body")]
    fn on_request_body(&mut self, body: &mut RequestBody<'_, Self::Plugin>) -> Result<DataAction> {
        let _ = body;
        Ok(DataAction::Continue)
    }

    /// Judges the request's body, of which every byte is here: the obvious place to look at a body, to change it, or to refuse it.
    ///
    /// The callback runs once for each request that has a body, in whatever way the body ends: with a last part, which may be empty, or with trailers. Until then the SDK
    /// keeps the parts in the proxy, which nothing else lets go. The body goes on when the callback returns [`Flow::Continue`]. With [`Flow::Pause`], and while
    /// `hold_while` holds it, it waits. The headers have gone on before, unless the filter holds them.
    ///
    /// A request without a body has no such callback: [`on_request_headers`](Self::on_request_headers) tells it by
    /// [`end_of_stream`](crate::RequestHeaders::end_of_stream). A stream that is reset before the end has none either. A body over the proxy's buffer limit never comes here:
    /// Envoy answers 413. What becomes of a stream that is no HTTP any more is [`UPGRADES`](Self::UPGRADES).
    ///
    /// A filter that has this callback has no [`on_request_body`](Self::on_request_body).
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Self::Plugin>) -> Result<Flow> {
        let _ = body;
        Ok(Flow::Continue)
    }

    /// The request's trailers are here.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "OnHttpRequestTrailers")]
    #[doc(alias = "on_http_request_trailers")]
    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Self::Plugin>) -> Result<Flow> {
        let _ = trailers;
        Ok(Flow::Continue)
    }

    /// An HTTP/2 METADATA frame of the request with this many elements, which cannot be read, is here.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_request_metadata(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>, elements: u32) -> Result<()> {
        let _ = (stream, elements);
        Ok(())
    }

    /// The response's headers are here.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "OnHttpResponseHeaders")]
    #[doc(alias = "on_http_response_headers")]
    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Self::Plugin>) -> Result<Action> {
        let _ = response;
        Ok(Action::Continue)
    }

    /// A part of the response's body is here, or all of it that was held back so far.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "OnHttpResponseBody")]
    #[doc(alias = "on_http_response_body")]
    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Self::Plugin>) -> Result<DataAction> {
        let _ = body;
        Ok(DataAction::Continue)
    }

    /// Judges the response's body, of which every byte is here: the obvious place to look at a body, to change it, or to refuse it.
    ///
    /// The callback runs once for each response that has a body, in whatever way the body ends: with a last part, which may be empty, or with trailers. Until then the SDK
    /// keeps the parts in the proxy, which nothing else lets go. The body goes on when the callback returns [`Flow::Continue`]. With [`Flow::Pause`], and while
    /// `hold_while` holds it, it waits. The headers have gone on before, unless the filter holds them.
    ///
    /// A response without a body has no such callback: [`on_response_headers`](Self::on_response_headers) tells it by
    /// [`end_of_stream`](crate::ResponseHeaders::end_of_stream). A stream that is reset before the end has none either. A body over the proxy's buffer limit never comes here:
    /// Envoy resets the stream then, or answers 500 if the headers are held. What becomes of a stream that is no HTTP any more is [`UPGRADES`](Self::UPGRADES).
    ///
    /// A filter that has this callback has no [`on_response_body`](Self::on_response_body).
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_, Self::Plugin>) -> Result<Flow> {
        let _ = body;
        Ok(Flow::Continue)
    }

    /// The response's trailers are here.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "OnHttpResponseTrailers")]
    #[doc(alias = "on_http_response_trailers")]
    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Self::Plugin>) -> Result<Flow> {
        let _ = trailers;
        Ok(Flow::Continue)
    }

    /// An HTTP/2 METADATA frame of the response with this many elements, which cannot be read, is here.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_response_metadata(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>, elements: u32) -> Result<()> {
        let _ = (stream, elements);
        Ok(())
    }

    /// A call that the stream dispatched is answered, or has failed.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream: closed, the client gets a 500; open, what the filter holds back of the stream
    /// goes on.
    #[doc(alias = "OnHttpCallResponse")]
    fn on_http_call_response(
        &mut self,
        stream: &mut HttpHandle<'_, Self::Plugin>,
        response: &CallResponse,
    ) -> Result<()> {
        let _ = (stream, response);
        Ok(())
    }

    /// A gRPC call or stream that this context opened has news.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "on_grpc_call_response")]
    #[doc(alias = "on_grpc_stream_message")]
    fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>, event: &GrpcEvent) -> Result<()> {
        let _ = (stream, event);
        Ok(())
    }

    /// The stream is complete and goes to the access log. All of its headers can be read.
    ///
    /// Envoy calls it before [`on_done`](Self::on_done), other hosts after it.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnHttpStreamDone")]
    fn on_log(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = stream;
        Ok(())
    }

    /// The stream is over.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_done(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = stream;
        Ok(())
    }

    /// The last callback; the context is dropped after it.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_delete(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = stream;
        Ok(())
    }
}

/// A connection, for a network filter.
#[doc(alias = "TcpContext")]
#[doc(alias = "StreamContext")]
pub trait TcpFilter: Sized + 'static {
    /// The plugin's context. Filled in with `()` if left out.
    type Plugin: PluginContext;

    /// What happens to the connection when a callback answers an error: it is closed, unless this is [`FailurePolicy::Open`].
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

    /// Whether a stream of this plugin is a connection: as [`HttpFilter::accepts`].
    fn accepts(plugin: &Self::Plugin, id: u32) -> bool {
        let _ = (plugin, id);
        true
    }

    /// Makes the context. Filled in with [`Default`] if left out.
    #[doc(alias = "NewTcpContext")]
    fn create(plugin: &Self::Plugin, id: u32) -> Self;

    /// A client has connected.
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

    /// The connection to the client is closed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnDownstreamClose")]
    fn on_downstream_close(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>, peer: PeerType) -> Result<()> {
        let _ = (connection, peer);
        Ok(())
    }

    /// The connection to the upstream is closed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnUpstreamClose")]
    fn on_upstream_close(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>, peer: PeerType) -> Result<()> {
        let _ = (connection, peer);
        Ok(())
    }

    /// A call that the connection dispatched is answered, or has failed.
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

    /// A gRPC call or stream that this context opened has news.
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

    /// The connection goes to the access log. Envoy calls it after [`on_done`](Self::on_done) here, and before it for HTTP.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnStreamDone")]
    fn on_log(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = connection;
        Ok(())
    }

    /// The connection is over.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_done(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = connection;
        Ok(())
    }

    /// The last callback; the context is dropped after it.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_delete(&mut self, connection: &mut TcpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = connection;
        Ok(())
    }
}
