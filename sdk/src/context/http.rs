//! The context of an HTTP stream.

use super::named::HttpAttribute;
use super::{Action, DataAction, FailurePolicy, FilterStatus, PluginContext, Upgrades};
use crate::callout::{CallResponse, GrpcEvent};
use crate::error::Result;
use crate::handle::{
    CompleteRequestBody, CompleteResponseBody, HttpHandle, RequestBody, RequestHeaders, RequestTrailers, ResponseBody,
    ResponseHeaders, ResponseTrailers,
};

/// The context of a stream: one HTTP request and its response.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Tag;
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Tag {
///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
///         request.replace("x-seen", "yes")?;
///         Ok(Action::Continue)
///     }
///
///     fn on_log(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
///         info!("stream {} is over", stream.id());
///         Ok(())
///     }
/// }
///
/// sluicegate::plugin!(http: Tag);
/// # fn main() {}
/// ```
#[doc(alias("HttpContext", "DefaultHttpContext"))]
pub trait HttpFilter: HttpAttribute + Sized + 'static {
    /// The plugin's context. Each handle of the stream returns a reference to it: [`plugin`]. The
    /// attribute fills in `()` if it is left out.
    ///
    /// [`plugin`]: crate::HttpHandle::plugin
    type Plugin: PluginContext;

    /// The effect on the stream of a callback that returns an error. The default is
    /// [`FailurePolicy::Closed`].
    const ON_ERROR: FailurePolicy = FailurePolicy::Closed;

    /// The treatment of a request that asks for another protocol, if the filter judges complete
    /// bodies. The default is [`Upgrades::Refuse`].
    const UPGRADES: Upgrades = Upgrades::Refuse;

    /// Returns whether a stream of this plugin is an HTTP stream. Hosts do not tell: a module with
    /// both kinds of filter decides by its configuration. A stream that is not accepted here is
    /// offered to the [`TcpFilter`](super::TcpFilter). A stream that neither accepts has no
    /// context, and [`ON_ERROR`](Self::ON_ERROR) decides about it.
    #[doc(alias("get_type", "ContextType"))]
    fn accepts(plugin: &Self::Plugin, id: u32) -> bool {
        let _ = (plugin, id);
        true
    }

    /// Makes the context. The attribute fills in [`Default`] if it is left out.
    #[doc(alias("NewHttpContext", "create_http_context"))]
    fn create(plugin: &Self::Plugin, id: u32) -> Self;

    /// Handles the request's headers.
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

    /// Handles a part of the request's body, or all parts that are kept so far.
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

    /// Judges the complete request body. This is the place to look at a body, to change it, or to
    /// refuse it.
    ///
    /// The callback runs once for each request that has a body, however the body ends: with a last
    /// part, which may be empty, or with trailers. Until then the SDK keeps the parts in the proxy,
    /// and nothing else lets them go on. The body goes on when the callback returns
    /// [`FilterStatus::Continue`]. With [`FilterStatus::Pause`], and while `hold_while` holds the
    /// body, the body waits. The headers have gone on before, unless the filter holds them.
    ///
    /// The callback does not run for a request without a body:
    /// [`end_of_stream`](crate::RequestHeaders::end_of_stream) in
    /// [`on_request_headers`](Self::on_request_headers) tells such a request. It does not run for a
    /// stream that is reset before the end of the body. It does not run for a body over the proxy's
    /// buffer limit: Envoy replies with 413. [`UPGRADES`](Self::UPGRADES) decides about a stream
    /// that changes to another protocol.
    ///
    /// A filter that has this callback has no [`on_request_body`](Self::on_request_body). For a
    /// message whose body it does not want to judge, the filter calls
    /// [`let_body_pass`](crate::Headers::let_body_pass) in the callback for the headers.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Self::Plugin>) -> Result<FilterStatus> {
        let _ = body;
        Ok(FilterStatus::Continue)
    }

    /// Handles the request's trailers.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "OnHttpRequestTrailers")]
    #[doc(alias = "on_http_request_trailers")]
    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Self::Plugin>) -> Result<FilterStatus> {
        let _ = trailers;
        Ok(FilterStatus::Continue)
    }

    /// Handles an HTTP/2 METADATA frame of the request with this number of elements. The elements
    /// cannot be read.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_request_metadata(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>, elements: u32) -> Result<()> {
        let _ = (stream, elements);
        Ok(())
    }

    /// Handles the response's headers.
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

    /// Handles a part of the response's body, or all parts that are kept so far.
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

    /// Judges the complete response body. This is the place to look at a body, to change it, or to
    /// refuse it.
    ///
    /// The callback runs once for each response that has a body, however the body ends: with a last
    /// part, which may be empty, or with trailers. Until then the SDK keeps the parts in the proxy,
    /// and nothing else lets them go on. The body goes on when the callback returns
    /// [`FilterStatus::Continue`]. With [`FilterStatus::Pause`], and while `hold_while` holds the
    /// body, the body waits. The headers have gone on before, unless the filter holds them.
    ///
    /// The callback does not run for a response without a body:
    /// [`end_of_stream`](crate::ResponseHeaders::end_of_stream) in
    /// [`on_response_headers`](Self::on_response_headers) tells such a response. It does not run
    /// for a stream that is reset before the end of the body. It does not run for a body over the
    /// proxy's buffer limit: Envoy resets the stream, or replies with 500 if the headers are
    /// paused. [`UPGRADES`](Self::UPGRADES) decides about a stream that changes to another
    /// protocol.
    ///
    /// A filter that has this callback has no [`on_response_body`](Self::on_response_body). For a
    /// message whose body it does not want to judge, the filter calls
    /// [`let_body_pass`](crate::Headers::let_body_pass) in the callback for the headers.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_, Self::Plugin>) -> Result<FilterStatus> {
        let _ = body;
        Ok(FilterStatus::Continue)
    }

    /// Handles the response's trailers.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "OnHttpResponseTrailers")]
    #[doc(alias = "on_http_response_trailers")]
    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Self::Plugin>) -> Result<FilterStatus> {
        let _ = trailers;
        Ok(FilterStatus::Continue)
    }

    /// Handles an HTTP/2 METADATA frame of the response with this number of elements. The elements
    /// cannot be read. A reply or a reset from this callback, or from a task that it wakes, is an
    /// error without a host call: Envoy would end.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_response_metadata(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>, elements: u32) -> Result<()> {
        let _ = (stream, elements);
        Ok(())
    }

    /// Handles the response to a call that the stream dispatched, or its failure.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream. Closed, the
    /// client gets a 500. Open, the parts that the filter holds of the stream go on.
    #[doc(alias = "OnHttpCallResponse")]
    fn on_http_call_response(
        &mut self,
        stream: &mut HttpHandle<'_, Self::Plugin>,
        response: &CallResponse,
    ) -> Result<()> {
        let _ = (stream, response);
        Ok(())
    }

    /// Handles an event of a gRPC call or stream that this context opened.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias(
        "on_grpc_call_response",
        "on_grpc_stream_message",
        "on_grpc_stream_initial_metadata",
        "on_grpc_stream_trailing_metadata",
        "on_grpc_stream_close"
    ))]
    fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>, event: &GrpcEvent) -> Result<()> {
        let _ = (stream, event);
        Ok(())
    }

    /// Handles a stream that is complete and goes to the access log. All headers of the stream can
    /// be read.
    ///
    /// Envoy calls this before [`on_done`](Self::on_done), other hosts after it.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnHttpStreamDone")]
    fn on_log(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = stream;
        Ok(())
    }

    /// Handles the end of the stream.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_done(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = stream;
        Ok(())
    }

    /// Handles the deletion of the context. This is its last callback, after which the context is
    /// dropped.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_delete(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = stream;
        Ok(())
    }
}
