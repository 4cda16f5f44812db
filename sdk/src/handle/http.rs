//! The handle of an HTTP stream.

use super::{WHOLE, close, read, resume};
use crate::abi::{BufferType, HostBytes, MapType, StreamType};
#[cfg(feature = "budget")]
use crate::budget;
use crate::error::Result;
use crate::headers::MapEditor;
use crate::reply::LocalResponse;

/// A stream, in the [`HttpFilter`](crate::HttpFilter) callbacks that come with no data of their
/// own.
#[derive(Debug)]
pub struct HttpHandle<'cb, P = ()> {
    pub(crate) id: u32,
    pub(crate) plugin: &'cb P,
}

impl<'cb, P> HttpHandle<'cb, P> {
    calls!(HttpFilter<Plugin = P: PluginContext>, HttpHandle, |id, plugin| HttpHandle { id, plugin });
    holds!(HttpFilter<Plugin = P: PluginContext>, HttpHandle, |id, plugin| HttpHandle { id, plugin });
    arena!();
    maps!();

    /// Returns the number that the host gave the stream.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Returns the plugin's context.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.plugin
    }

    /// Lets the request go on that a callback of the filter paused. While a task or a closure holds
    /// the request too, it goes on when the last of them ends. In a callback of the request the
    /// status that the callback returns decides, and this makes no host call.
    ///
    /// # Errors
    ///
    /// Fails if the stream does not hold the request, or has ended: the host is not asked then. If
    /// the host refuses.
    ///
    /// # Cost
    ///
    /// At most one host call.
    #[doc(alias = "ResumeHttpRequest")]
    #[doc(alias = "resume_http_request")]
    pub fn resume_request(&self) -> Result<()> {
        resume(StreamType::HttpRequest)
    }

    /// Lets the response go on that a callback of the filter paused. While a task or a closure
    /// holds the response too, it goes on when the last of them ends. In a callback of the response
    /// the status that the callback returns decides, and this makes no host call.
    ///
    /// # Errors
    ///
    /// Fails if the stream does not hold the response, or has ended: the host is not asked then. If
    /// the host refuses.
    ///
    /// # Cost
    ///
    /// At most one host call.
    #[doc(alias = "ResumeHttpResponse")]
    #[doc(alias = "resume_http_response")]
    pub fn resume_response(&self) -> Result<()> {
        resume(StreamType::HttpResponse)
    }

    /// Answers the client from here, while the request or the response is held back.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the stream was answered before, if it has ended, or if the
    /// callback that runs has let its response go on. Fails if the headers are over the host's
    /// limits, if the SDK is out of memory, or if the host refuses: it does once a response is on
    /// its way.
    ///
    /// # Cost
    ///
    /// One host call, and a block for the headers if there are any.
    #[doc(alias = "SendHttpResponse")]
    #[doc(alias = "send_http_response")]
    pub fn reply<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, response: &LocalResponse<'_, N, V>) -> Result<()> {
        response.send()
    }

    /// Takes so many bytes of the budgets for the request's body before it comes: what
    /// `content-length` says, if the filter will hold the body back. They are given back when the
    /// body goes on or the stream ends, so give streams a timeout: who announces a body and does
    /// not send it has its share all that time.
    ///
    /// # Errors
    ///
    /// Fails if they do not fit: the error [is out of memory](crate::Error::is_out_of_memory), and
    /// if the callback answers it the budget's policy decides.
    ///
    /// # Cost
    ///
    /// No host call.
    #[cfg(feature = "budget")]
    pub fn reserve_body(&self, size: usize) -> Result<()> {
        budget::reserve_body(size)
    }

    /// Edits the request's headers while they are held back, as
    /// [`RequestHeaders`](crate::RequestHeaders) does: each edit is one host call.
    #[must_use]
    pub const fn edit_request_headers(&self) -> MapEditor<'cb> {
        MapEditor::new(MapType::HttpRequestHeaders)
    }

    /// Edits the response's headers while they are held back, likewise.
    #[must_use]
    pub const fn edit_response_headers(&self) -> MapEditor<'cb> {
        MapEditor::new(MapType::HttpResponseHeaders)
    }

    /// Edits the request's trailers while they are held back. A request whose body ended with its
    /// last part has none and gets none: an edit fails, and the host is not asked.
    #[must_use]
    pub const fn edit_request_trailers(&self) -> MapEditor<'cb> {
        MapEditor::new(MapType::HttpRequestTrailers)
    }

    /// Edits the response's trailers while they are held back, likewise.
    #[must_use]
    pub const fn edit_response_trailers(&self) -> MapEditor<'cb> {
        MapEditor::new(MapType::HttpResponseTrailers)
    }

    /// Resets the stream: the client gets no answer. The stream has ended then: a later reply,
    /// resume or reset fails, and the callback that runs stops its message, whatever it returns.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the stream has ended, or if the callback that runs has answered
    /// it or let its response go on: Envoy may complete the stream twice, or end. Fails if the host
    /// refuses.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "reset_http_request")]
    pub fn reset(&self) -> Result<()> {
        close(StreamType::HttpRequest)
    }

    /// Resets the response: what the client has not got of it does not come. Envoy ends the whole
    /// stream with it, as [`reset`](Self::reset) does.
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

    /// What the filter holds back of the request's body: all of it when trailers follow, which end
    /// a body without a last part.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the body's size, copied once by the host.
    pub fn request_body(&self) -> Result<HostBytes> {
        read(BufferType::HttpRequestBody, 0, WHOLE)
    }

    /// What the filter holds back of the response's body, likewise.
    ///
    /// # Errors
    ///
    /// Fails as [`request_body`](Self::request_body) does.
    ///
    /// # Cost
    ///
    /// The cost of [`request_body`](Self::request_body).
    pub fn response_body(&self) -> Result<HostBytes> {
        read(BufferType::HttpResponseBody, 0, WHOLE)
    }
}
