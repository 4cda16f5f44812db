//! The context of an HTTP stream.

use super::{Action, DataAction, FailurePolicy, Flow, PluginContext, Upgrades};
use crate::callout::{CallResponse, GrpcEvent};
use crate::error::Result;
use crate::handle::{
    CompleteRequestBody, CompleteResponseBody, HttpHandle, RequestBody, RequestHeaders, RequestTrailers, ResponseBody,
    ResponseHeaders, ResponseTrailers,
};

/// A stream: one HTTP request and its response.
#[doc(alias = "HttpContext")]
pub trait HttpFilter: Sized + 'static {
    /// The plugin's context, which [`RequestHeaders::plugin`] and the other handles give without a
    /// copy. Filled in with `()` if left out.
    type Plugin: PluginContext;

    /// What happens to the stream when a callback answers an error. Closed unless the filter says
    /// otherwise.
    const ON_ERROR: FailurePolicy = FailurePolicy::Closed;

    /// What becomes of a request that asks for another protocol, if the filter judges complete
    /// bodies: refused unless the filter says otherwise.
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

    /// Returns whether a stream of this plugin is an HTTP stream. Hosts do not say: a module with
    /// both kinds of filter decides by its configuration. What is not accepted here is offered to
    /// the [`TcpFilter`](super::TcpFilter); what neither accepts has no context, and
    /// [`ON_ERROR`](Self::ON_ERROR) decides about it.
    fn accepts(plugin: &Self::Plugin, id: u32) -> bool {
        let _ = (plugin, id);
        true
    }

    /// Makes the context. Filled in with [`Default`] if left out.
    #[doc(alias = "NewHttpContext")]
    fn create(plugin: &Self::Plugin, id: u32) -> Self;

    /// Returns the request's headers are here.
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

    /// Returns a part of the request's body is here, or all of it that was held back so far.
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

    /// Judges the request's body, of which every byte is here: the obvious place to look at a body,
    /// to change it, or to refuse it.
    ///
    /// The callback runs once for each request that has a body, in whatever way the body ends: with
    /// a last part, which may be empty, or with trailers. Until then the SDK keeps the parts in the
    /// proxy, which nothing else lets go. The body goes on when the callback returns
    /// [`Flow::Continue`]. With [`Flow::Pause`], and while `hold_while` holds it, it waits. The
    /// headers have gone on before, unless the filter holds them.
    ///
    /// A request without a body has no such callback:
    /// [`on_request_headers`](Self::on_request_headers) tells it by
    /// [`end_of_stream`](crate::RequestHeaders::end_of_stream). A stream that is reset before the
    /// end has none either. A body over the proxy's buffer limit never comes here: Envoy
    /// answers 413. What becomes of a stream that is no HTTP any more is
    /// [`UPGRADES`](Self::UPGRADES).
    ///
    /// A filter that has this callback has no [`on_request_body`](Self::on_request_body). For a
    /// message whose body it does not want to judge it calls
    /// [`let_body_pass`](crate::Headers::let_body_pass) in the callback for the headers.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Self::Plugin>) -> Result<Flow> {
        let _ = body;
        Ok(Flow::Continue)
    }

    /// Returns the request's trailers are here.
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

    /// Returns an HTTP/2 METADATA frame of the request with this many elements, which cannot be
    /// read, is here.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_request_metadata(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>, elements: u32) -> Result<()> {
        let _ = (stream, elements);
        Ok(())
    }

    /// Returns the response's headers are here.
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

    /// Returns a part of the response's body is here, or all of it that was held back so far.
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

    /// Judges the response's body, of which every byte is here: the obvious place to look at a
    /// body, to change it, or to refuse it.
    ///
    /// The callback runs once for each response that has a body, in whatever way the body ends:
    /// with a last part, which may be empty, or with trailers. Until then the SDK keeps the parts
    /// in the proxy, which nothing else lets go. The body goes on when the callback returns
    /// [`Flow::Continue`]. With [`Flow::Pause`], and while `hold_while` holds it, it waits. The
    /// headers have gone on before, unless the filter holds them.
    ///
    /// A response without a body has no such callback:
    /// [`on_response_headers`](Self::on_response_headers) tells it by
    /// [`end_of_stream`](crate::ResponseHeaders::end_of_stream). A stream that is reset before the
    /// end has none either. A body over the proxy's buffer limit never comes here: Envoy resets the
    /// stream then, or answers 500 if the headers are held. What becomes of a stream that is no
    /// HTTP any more is [`UPGRADES`](Self::UPGRADES).
    ///
    /// A filter that has this callback has no [`on_response_body`](Self::on_response_body). For a
    /// message whose body it does not want to judge it calls
    /// [`let_body_pass`](crate::Headers::let_body_pass) in the callback for the headers.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_, Self::Plugin>) -> Result<Flow> {
        let _ = body;
        Ok(Flow::Continue)
    }

    /// Returns the response's trailers are here.
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

    /// Returns an HTTP/2 METADATA frame of the response with this many elements, which cannot be
    /// read, is here.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_response_metadata(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>, elements: u32) -> Result<()> {
        let _ = (stream, elements);
        Ok(())
    }

    /// Returns a call that the stream dispatched is answered, or has failed.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream: closed, the
    /// client gets a 500; open, what the filter holds back of the stream goes on.
    #[doc(alias = "OnHttpCallResponse")]
    fn on_http_call_response(
        &mut self,
        stream: &mut HttpHandle<'_, Self::Plugin>,
        response: &CallResponse,
    ) -> Result<()> {
        let _ = (stream, response);
        Ok(())
    }

    /// Returns a gRPC call or stream that this context opened has news.
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

    /// Returns the stream is complete and goes to the access log. All of its headers can be read.
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

    /// Returns the stream is over.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_done(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = stream;
        Ok(())
    }

    /// Returns the last callback; the context is dropped after it.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_delete(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) -> Result<()> {
        let _ = stream;
        Ok(())
    }
}
