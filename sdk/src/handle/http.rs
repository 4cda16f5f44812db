//! The handle of an HTTP stream.

use super::Handle;
use crate::abi::{BufferType, HostBytes, MapType, StreamType};
#[cfg(feature = "budget")]
use crate::budget;
use crate::effective::{close, resume};
use crate::error::Result;
use crate::headers::MapEditor;
use crate::host_buffer::{WHOLE, read};
use crate::owner::HttpStream;
use crate::reply::LocalResponse;

/// The handle of a stream, in the [`HttpFilter`](crate::HttpFilter) callbacks that come with no
/// data of their own.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(stream: &HttpHandle<'_>) -> Result<()> {
///     let headers = stream.request_headers()?;
///     info!("stream {}: {} headers", stream.id(), headers.len());
///     Ok(())
/// }
/// # sluicegate_host::example::stream(example);
/// ```
pub type HttpHandle<'cb, P = ()> = Handle<'cb, HttpStream, P>;

impl<'cb, P> Handle<'cb, HttpStream, P> {
    /// Resumes the request that a callback of the filter paused. While a task or a closure holds
    /// the request too, the request goes on when the last of them ends. In a callback of the
    /// request the returned status decides, and this method makes no host call.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn decide(stream: &HttpHandle<'_>, may_pass: bool) -> Result<()> {
    ///     if may_pass { stream.resume_request() } else { stream.reply(&LocalResponse::new(403)) }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the filter does not hold the request, or if the stream has
    /// ended. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// At most one host call.
    #[doc(alias = "ResumeHttpRequest")]
    #[doc(alias = "resume_http_request")]
    pub fn resume_request(&self) -> Result<()> {
        resume(StreamType::HttpRequest)
    }

    /// Resumes the response that a callback of the filter paused. While a task or a closure holds
    /// the response too, the response goes on when the last of them ends. In a callback of the
    /// response the returned status decides, and this method makes no host call.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn go_on(stream: &HttpHandle<'_>) -> Result<()> {
    ///     stream.edit_response_headers().replace("x-checked", "yes")?;
    ///     stream.resume_response()
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the filter does not hold the response, or if the stream has
    /// ended. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// At most one host call.
    #[doc(alias = "ResumeHttpResponse")]
    #[doc(alias = "resume_http_response")]
    pub fn resume_response(&self) -> Result<()> {
        resume(StreamType::HttpResponse)
    }

    /// Sends a local reply to the client, while the request or the response is paused.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(stream: &HttpHandle<'_>) -> Result<()> {
    ///     stream.reply(&LocalResponse::new(503).body("try again"))
    /// }
    /// # sluicegate_host::example::stream(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the stream was replied to before, if it has ended, if the
    /// callback that runs has resumed its response, or if the [`LocalResponse`] is not valid. Fails
    /// if the headers are over the host's limits, if the SDK is out of memory, or if the host
    /// refuses. The host refuses once a response is on its way.
    ///
    /// # Cost
    ///
    /// One host call. If there are headers, one block for them.
    #[doc(alias("SendHttpResponse", "send_http_response", "send_grpc_response"))]
    pub fn reply<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, response: &LocalResponse<'_, N, V>) -> Result<()> {
        response.send()
    }

    /// Reserves bytes of the budgets for the request's body before the body comes. Reserve the size
    /// that `content-length` announces, if the filter will hold the body. The bytes are given back
    /// when the body goes on or the stream ends. So give streams a timeout: a client that announces
    /// a body and does not send it keeps its share until then.
    ///
    /// # Errors
    ///
    /// Fails if the bytes do not fit the budgets: the error
    /// [is out of memory](crate::Error::is_out_of_memory). If the callback returns the error, the
    /// budget's policy decides.
    ///
    /// # Cost
    ///
    /// No host call.
    #[cfg(feature = "budget")]
    pub fn reserve_body(&self, size: usize) -> Result<()> {
        budget::reserve_body(size)
    }

    /// Returns an editor of the request's headers, while they are paused.
    /// [`RequestHeaders`](crate::RequestHeaders) has the same edits. Each edit is one host call.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(stream: &HttpHandle<'_>) -> Result<()> {
    ///     let headers = stream.edit_request_headers();
    ///     headers.replace("x-user", "ada")?;
    ///     headers.remove("authorization")
    /// }
    /// # sluicegate_host::example::stream(example);
    /// ```
    #[doc(alias(
        "AddHttpRequestHeader",
        "ReplaceHttpRequestHeader",
        "RemoveHttpRequestHeader",
        "add_http_request_header",
        "set_http_request_header",
        "remove_http_request_header"
    ))]
    #[must_use]
    pub const fn edit_request_headers(&self) -> MapEditor<'cb> {
        MapEditor::new(MapType::HttpRequestHeaders)
    }

    /// Returns an editor of the response's headers, while they are paused. Each edit is one host
    /// call.
    #[doc(alias(
        "AddHttpResponseHeader",
        "ReplaceHttpResponseHeader",
        "RemoveHttpResponseHeader",
        "add_http_response_header",
        "set_http_response_header",
        "remove_http_response_header"
    ))]
    #[must_use]
    pub const fn edit_response_headers(&self) -> MapEditor<'cb> {
        MapEditor::new(MapType::HttpResponseHeaders)
    }

    /// Returns an editor of the request's trailers, while they are paused. A request whose body
    /// ended with its last part has no trailers and gets none: an edit fails without a host call.
    #[doc(alias(
        "AddHttpRequestTrailer",
        "ReplaceHttpRequestTrailer",
        "RemoveHttpRequestTrailer",
        "add_http_request_trailer",
        "set_http_request_trailer",
        "remove_http_request_trailer"
    ))]
    #[must_use]
    pub const fn edit_request_trailers(&self) -> MapEditor<'cb> {
        MapEditor::new(MapType::HttpRequestTrailers)
    }

    /// Returns an editor of the response's trailers, while they are paused. Each edit is one host
    /// call.
    #[doc(alias(
        "AddHttpResponseTrailer",
        "ReplaceHttpResponseTrailer",
        "RemoveHttpResponseTrailer",
        "add_http_response_trailer",
        "set_http_response_trailer",
        "remove_http_response_trailer"
    ))]
    #[must_use]
    pub const fn edit_response_trailers(&self) -> MapEditor<'cb> {
        MapEditor::new(MapType::HttpResponseTrailers)
    }

    /// Resets the stream: the client gets no response. The stream has then ended: a later reply,
    /// resume or reset fails, and the callback that runs stops its message, whatever status it
    /// returns.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(stream: &HttpHandle<'_>) -> Result<()> {
    ///     stream.reset()
    /// }
    /// # sluicegate_host::example::stream(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the stream has ended, or if the callback that runs has replied
    /// to it or resumed its response: Envoy could complete the stream twice, or end. Fails if the
    /// host refuses.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "reset_http_request")]
    pub fn reset(&self) -> Result<()> {
        close(StreamType::HttpRequest)
    }

    /// Resets the response: the client does not get the rest of it. Envoy ends the whole stream
    /// with it, as with [`reset`](Self::reset).
    ///
    /// # Errors
    ///
    /// Fails as [`reset`](Self::reset) does.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "reset_http_response")]
    pub fn reset_response(&self) -> Result<()> {
        close(StreamType::HttpResponse)
    }

    /// Returns the bytes of the request's body that the filter holds. The bytes are the whole body
    /// when trailers follow, because such a body has no last part.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn judge(stream: &HttpHandle<'_>) -> Result<()> {
    ///     let body = stream.request_body()?; // held so far
    ///     if body.starts_with(b"{") { stream.resume_request() } else { stream.reply(&LocalResponse::new(400)) }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the body's size. The host copies the bytes once.
    #[doc(alias("GetHttpRequestBody", "get_http_request_body"))]
    pub fn request_body(&self) -> Result<HostBytes> {
        read(BufferType::HttpRequestBody, 0, WHOLE)
    }

    /// Returns the bytes of the response's body that the filter holds, as
    /// [`request_body`](Self::request_body) does for the request.
    ///
    /// # Errors
    ///
    /// Fails as [`request_body`](Self::request_body) does.
    ///
    /// # Cost
    ///
    /// The cost of [`request_body`](Self::request_body).
    #[doc(alias("GetHttpResponseBody", "get_http_response_body"))]
    pub fn response_body(&self) -> Result<HostBytes> {
        read(BufferType::HttpResponseBody, 0, WHOLE)
    }
}
