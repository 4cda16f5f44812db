//! A body that is complete.

use core::marker::PhantomData;
use core::ops::Deref;

use super::{HttpHandle, Request, Response};
use crate::abi::{BufferType, HostBytes, MapType, Refused, Status, StreamType, call};
use crate::callout::{CallFailure, CallResponse, Closures, GrpcCall, GrpcEvent, GrpcFailure, HttpCall};
use crate::context::{Action, FilterStatus};
use crate::effective::write_at_trailers;
use crate::error::{Error, Result};
use crate::host_buffer::{self, WHOLE};
use crate::owner::HttpStream;
use crate::reply::LocalResponse;
use crate::{ToValue, stream_state};

/// The request's body, in
/// [`on_complete_request_body`](crate::HttpFilter::on_complete_request_body).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn on_complete_request_body(body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
///     if body.bytes()?.starts_with(b"{") { Ok(FilterStatus::Continue) } else { body.reply(&LocalResponse::new(400)) }
/// }
/// ```
pub type CompleteRequestBody<'cb, P = ()> = CompleteBody<'cb, Request, P>;

/// The response's body, in
/// [`on_complete_response_body`](crate::HttpFilter::on_complete_response_body).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn on_complete_response_body(body: &mut CompleteResponseBody<'_>) -> Result<FilterStatus> {
///     info!("{} bytes, trailers: {}", body.size()?, body.has_trailers());
///     Ok(FilterStatus::Continue)
/// }
/// ```
pub type CompleteResponseBody<'cb, P = ()> = CompleteBody<'cb, Response, P>;

/// A complete body, which the proxy holds until the callback has judged it.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct NoSecrets;
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for NoSecrets {
///     fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
///         if body.bytes()?.starts_with(b"secret") {
///             return body.reply(&LocalResponse::new(403).body("keep it"));
///         }
///         Ok(FilterStatus::Continue)
///     }
/// }
/// # sluicegate::plugin!(http: NoSecrets);
/// # fn main() {}
/// ```
///
/// # Changes
///
/// The proxy sends the headers before the body is complete, unless the filter holds the headers. So
/// a filter that changes the size of a body calls
/// [`body_will_change`](super::Headers::body_will_change) in the callback for the headers. Without
/// that call the change is an error: behind a wrong `content-length` the next message would begin
/// in the wrong place. If the filter still holds the headers, the SDK corrects their
/// `content-length`.
#[derive(Debug)]
pub struct CompleteBody<'cb, D, P = ()> {
    pub(crate) stream: HttpHandle<'cb, P>,
    pub(crate) buffer: BufferType,
    pub(crate) has_trailers: bool,
    /// `true` if the size changed while the filter held the headers.
    pub(crate) resized: bool,
    pub(crate) replied: bool,
    pub(crate) direction: PhantomData<D>,
}

/// The methods of the stream, such as its calls.
impl<'cb, D, P> Deref for CompleteBody<'cb, D, P> {
    type Target = HttpHandle<'cb, P>;

    fn deref(&self) -> &HttpHandle<'cb, P> {
        &self.stream
    }
}

impl<'cb, D, P> CompleteBody<'cb, D, P> {
    pub(crate) const fn new(stream: HttpHandle<'cb, P>, buffer: BufferType, has_trailers: bool) -> Self {
        Self { stream, buffer, has_trailers, resized: false, replied: false, direction: PhantomData }
    }

    /// Returns the stream, for its headers and its calls.
    #[must_use]
    pub const fn stream(&self) -> &HttpHandle<'cb, P> {
        &self.stream
    }

    /// Returns whether trailers follow the body. [`HttpHandle::request_trailers`] and
    /// [`HttpHandle::response_trailers`] read them.
    #[must_use]
    pub const fn has_trailers(&self) -> bool {
        self.has_trailers
    }

    /// Returns the number of bytes that the body has now.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that returns a number (0.02 µs in Envoy).
    pub fn size(&self) -> Result<usize> {
        match call::buffer_size(self.buffer) {
            // The host has no buffer for a body without parts.
            Err(Status::NotFound) => Ok(0),
            size => size.map_err(|status| Error::host("proxy_get_buffer_status", self.buffer, status)),
        }
    }

    /// Returns all bytes of the body.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the body's size. The host copies the bytes once.
    #[doc(alias = "GetHttpRequestBody")]
    #[doc(alias = "get_http_request_body")]
    pub fn bytes(&self) -> Result<HostBytes> {
        self.read(0, WHOLE)
    }

    /// Returns a part of the body: at most `size` bytes from `start` on. Returns no bytes if there
    /// are none at `start`.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the size that is read. The host copies the bytes once.
    pub fn read(&self, start: usize, size: usize) -> Result<HostBytes> {
        host_buffer::read(self.buffer, start, size)
    }

    /// Appends bytes to the body.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the headers have gone on and
    /// [`body_will_change`](super::Headers::body_will_change) was not called, or if trailers follow
    /// a body without a single part. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    #[doc(alias = "AppendHttpRequestBody")]
    pub fn append(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.write(WHOLE, 0, bytes.as_ref(), 0)
    }

    /// Puts bytes before the body.
    ///
    /// # Errors
    ///
    /// Fails as [`append`](Self::append) does.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes, and moves the bytes of the body.
    #[doc(alias = "PrependHttpRequestBody")]
    pub fn prepend(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.write(0, 0, bytes.as_ref(), 0)
    }

    /// Replaces the body.
    ///
    /// # Errors
    ///
    /// Fails as [`append`](Self::append) does. Bytes of the same size as the body can replace it
    /// even after the headers have gone on.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes, and one that returns the size of the body.
    #[doc(alias = "ReplaceHttpRequestBody")]
    pub fn replace(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let size = self.size()?;
        self.write(0, WHOLE, bytes.as_ref(), size)
    }

    /// Replaces the first `size` bytes of the body. [No other range](super::Body::replace_start)
    /// can be replaced.
    ///
    /// # Errors
    ///
    /// Fails as [`replace`](Self::replace) does.
    ///
    /// # Cost
    ///
    /// The cost of [`replace`](Self::replace).
    pub fn replace_start(&mut self, size: usize, bytes: impl AsRef<[u8]>) -> Result<()> {
        let replaced = size.min(self.size()?);
        self.write(0, size.min(WHOLE), bytes.as_ref(), replaced)
    }

    fn write(&mut self, start: usize, size: usize, bytes: &[u8], replaced: usize) -> Result<()> {
        if bytes.len() != replaced {
            self.take_another_size()?;
        }
        let write = if self.has_trailers { write_at_trailers } else { host_buffer::write };
        write(self.buffer, start, size, bytes)
    }

    /// Notes that the size of the body changes.
    ///
    /// # Errors
    ///
    /// Fails if the headers have gone on, and may have announced a length.
    fn take_another_size(&mut self) -> Result<()> {
        let direction = self.buffer.direction();
        let state = |state: Option<&stream_state::State>| {
            state.map_or((false, false), |state| (state.allows_another_size(direction), state.went_on(direction)))
        };
        let (is_allowed, went_on) = stream_state::current(state);
        if is_allowed {
            return Ok(());
        }
        if went_on {
            return Err(Error::new(
                "the headers have gone on with the length of the body: call `body_will_change` in the callback for the headers",
            ));
        }
        self.resized = true;
        Ok(())
    }

    /// Corrects `content-length` in headers that the filter holds, if the size of the body changed.
    /// If the host or the SDK is out of memory for that, this removes the header: the proxy then
    /// sends the body in chunks.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses that too.
    pub(crate) fn settle_length(&self) -> Result<()> {
        if !self.resized || self.replied {
            return Ok(());
        }
        let (map, name) = (headers_of(self.buffer.direction()), b"content-length");
        let is_right = match call::map_value(map, name) {
            Ok(_) => {
                self.size().is_ok_and(|size| size.with_value(|digits| call::replace_map_value(map, name, digits)) == 0)
            }
            // There is no length to correct.
            Err(refused) => matches!(refused, Refused::Status(Status::NotFound)),
        };
        if is_right {
            return Ok(());
        }
        match call::remove_map_value(map, name) {
            0 => Ok(()),
            refused => Err(Error::host("proxy_remove_header_map_value", map, Status::from(refused))),
        }
    }

    /// Sends a local reply to the client, and returns the status for the callback to return.
    ///
    /// A response cannot be replaced once its headers have gone on. Then Envoy resets the stream,
    /// and the client sees a response that is cut off.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the stream was replied to before, if it has ended, or if the
    /// [`LocalResponse`] is not valid. Fails if the headers are over the host's limits, if the SDK
    /// is out of memory, or if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call. If there are headers, one block for them.
    #[doc(alias = "SendHttpResponse")]
    #[doc(alias = "send_http_response")]
    pub fn reply<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        response: &LocalResponse<'_, N, V>,
    ) -> Result<FilterStatus> {
        response.send()?;
        self.replied = true;
        Ok(FilterStatus::Pause)
    }

    /// Runs a task, holds the body until the task ends, and then takes the action that the task
    /// returns; see [`task`](crate::task): `return body.hold_while(async { … });`
    ///
    /// # Errors
    ///
    /// Fails if the attribute of the filter does not say `tasks`, if the stream has ended, or if
    /// the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// Blocks for the future and for its task, until the task ends. No host call by itself.
    #[cfg(feature = "async")]
    pub fn hold_while(&mut self, task: impl Future<Output = Result<Action>> + 'static) -> Result<FilterStatus> {
        crate::task::hold(self.stream.id, self.buffer.direction(), task)?;
        Ok(FilterStatus::Held)
    }

    /// Calls a cluster over HTTP, and holds the body until the closure has run with the response,
    /// or with the reason for the failure:
    /// `return body.hold_for_call(&call, |filter: &mut Self, stream, answer| …);`
    ///
    /// The closure decides about the body. [`Action::Continue`] resumes the body when nobody else
    /// holds it. Any other action leaves the body paused: the closure has replied, or something
    /// else will resume the body. If the closure fails, the
    /// [failure policy](crate::HttpFilter::ON_ERROR) decides.
    ///
    /// # Errors
    ///
    /// Fails if the stream has ended, or if the call cannot be sent. Then nothing is held, and the
    /// closure does not run.
    ///
    /// # Cost
    ///
    /// The cost of [`call_then`](crate::HttpHandle::call_then).
    pub fn hold_for_call<F, N: AsRef<[u8]>, V: AsRef<[u8]>, T: AsRef<[u8]>>(
        &mut self,
        call: &HttpCall<'_, N, V, T>,
        then: impl FnOnce(&mut F, &mut HttpHandle<'_, P>, Result<&CallResponse, CallFailure>) -> Result<Action> + 'static,
    ) -> Result<FilterStatus>
    where
        F: Closures<Kind = HttpStream, Above = P>,
        P: 'static,
    {
        self.stream.hold_for(self.buffer.direction(), call, then)?;
        Ok(FilterStatus::Held)
    }

    /// Calls a method over gRPC, and holds the body until the closure has run, as
    /// [`hold_for_call`](Self::hold_for_call) does.
    ///
    /// # Errors
    ///
    /// Fails as [`hold_for_call`](Self::hold_for_call) does.
    ///
    /// # Cost
    ///
    /// The cost of [`hold_for_call`](Self::hold_for_call).
    pub fn hold_for_grpc_call<F>(
        &mut self,
        call: &GrpcCall<'_>,
        then: impl FnOnce(&mut F, &mut HttpHandle<'_, P>, Result<&GrpcEvent, GrpcFailure>) -> Result<Action> + 'static,
    ) -> Result<FilterStatus>
    where
        F: Closures<Kind = HttpStream, Above = P>,
        P: 'static,
    {
        self.stream.hold_for_grpc(self.buffer.direction(), call, then)?;
        Ok(FilterStatus::Held)
    }
}

const fn headers_of(direction: StreamType) -> MapType {
    match direction {
        StreamType::HttpRequest => MapType::HttpRequestHeaders,
        _ => MapType::HttpResponseHeaders,
    }
}
