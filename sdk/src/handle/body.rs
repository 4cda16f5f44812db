//! A body, or the data of a connection, on its way.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use super::{Direction, Downstream, Handle, HttpHandle, Request, Response, TcpHandle, Upstream};
use crate::abi::{BufferType, HostBytes, call};
use crate::callout::{CallFailure, CallResponse, Closures, GrpcCall, GrpcEvent, GrpcFailure, HttpCall};
use crate::context::{Action, DataAction};
use crate::error::{Error, Result};
use crate::host_buffer::{WHOLE, read, write};
use crate::owner::{Connection, HttpStream};
use crate::reply::LocalResponse;

/// The request's body, in [`on_request_body`](crate::HttpFilter::on_request_body).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn on_request_body(body: &mut RequestBody<'_>) -> Result<DataAction> {
///     info!("{} bytes", body.size());
///     Ok(DataAction::Continue)
/// }
/// # sluicegate_host::example::body(on_request_body);
/// ```
pub type RequestBody<'cb, P = ()> = Body<'cb, Request, P>;

/// The response's body, in [`on_response_body`](crate::HttpFilter::on_response_body).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn on_response_body(body: &mut ResponseBody<'_>) -> Result<DataAction> {
///     info!("{} bytes", body.size());
///     Ok(DataAction::Continue)
/// }
/// ```
pub type ResponseBody<'cb, P = ()> = Body<'cb, Response, P>;

/// Data from the client, in [`on_downstream_data`](crate::TcpFilter::on_downstream_data).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
///     info!("{} bytes from the client", data.size());
///     Ok(FilterStatus::Continue)
/// }
/// # sluicegate_host::example::data(example);
/// ```
pub type DownstreamData<'cb, P = ()> = Body<'cb, Downstream, P>;

/// Data from the upstream, in [`on_upstream_data`](crate::TcpFilter::on_upstream_data).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn on_upstream_data(data: &mut UpstreamData<'_>) -> Result<FilterStatus> {
///     info!("{} bytes from the upstream", data.size());
///     Ok(FilterStatus::Continue)
/// }
/// ```
pub type UpstreamData<'cb, P = ()> = Body<'cb, Upstream, P>;

/// A part of a body, or of the data of a connection, that is on its way, or all parts that are kept
/// so far.
///
/// While a filter returns [`DataAction::StopIterationAndBuffer`], the proxy keeps the parts, and
/// each callback sees all kept parts again: [`size`](Self::size) grows.
/// [`BodyCursor`](crate::BodyCursor) reads only the new bytes, so that a growing body is not copied
/// again and again.
///
/// | to | use |
/// |---|---|
/// | have all of it at once, and judge or change it | another callback: [`on_complete_request_body`](crate::HttpFilter::on_complete_request_body) or its like for the response |
/// | look at it as it grows | [`BodyCursor`](crate::BodyCursor) |
/// | change it as it passes, part by part | [`Rewriter`](crate::Rewriter) |
///
/// A filter that changes a body's size calls [`body_will_change`](super::Headers::body_will_change)
/// in the headers callback before it. The proxy has sent the headers by the time that the body
/// comes, unless the headers were paused as well.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn on_request_body(body: &mut RequestBody<'_>) -> Result<DataAction> {
///     info!("{} bytes, the last of them: {}", body.size(), body.end_of_stream());
///     Ok(DataAction::Continue)
/// }
/// ```
pub struct Body<'cb, D: Direction, P = ()> {
    pub(crate) handle: Handle<'cb, D::Kind, P>,
    pub(crate) buffer: BufferType,
    pub(crate) size: usize,
    pub(crate) end_of_stream: bool,
    /// `true` if the filter sees the end of a body that ends with trailers. Data has no trailers.
    pub(crate) sees_trailers: bool,
    pub(crate) direction: PhantomData<D>,
}

impl<D: Direction, P> fmt::Debug for Body<'_, D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("buffer", &self.buffer)
            .field("context", &self.handle.id)
            .field("size", &self.size)
            .field("end_of_stream", &self.end_of_stream)
            .finish_non_exhaustive()
    }
}

/// The methods of the stream or connection, such as its calls.
impl<'cb, D: Direction, P> Deref for Body<'cb, D, P> {
    type Target = Handle<'cb, D::Kind, P>;

    fn deref(&self) -> &Handle<'cb, D::Kind, P> {
        &self.handle
    }
}

impl<D: Direction, P> Body<'_, D, P> {
    /// Calls a cluster over HTTP, and holds the body until the closure has run with the response,
    /// or with the reason for the failure:
    /// `return body.hold_for_call(&call, |filter: &mut Self, stream, answer| …);`
    ///
    /// The closure decides about the body. [`Action::Continue`] resumes the body when nobody else
    /// holds it. Any other action leaves the body paused: the closure has replied, or something
    /// else will resume the body. If the closure fails, the failure policy decides:
    /// [`HttpFilter::ON_ERROR`](crate::HttpFilter::ON_ERROR) or
    /// [`TcpFilter::ON_ERROR`](crate::TcpFilter::ON_ERROR).
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
        then: impl FnOnce(&mut F, &mut Handle<'_, D::Kind, P>, Result<&CallResponse, CallFailure>) -> Result<Action>
        + 'static,
    ) -> Result<D::Status>
    where
        F: Closures<Kind = D::Kind, Above = P>,
        P: 'static,
    {
        self.handle.hold_for(self.buffer.direction(), call, then)?;
        Ok(D::HELD)
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
        then: impl FnOnce(&mut F, &mut Handle<'_, D::Kind, P>, Result<&GrpcEvent, GrpcFailure>) -> Result<Action> + 'static,
    ) -> Result<D::Status>
    where
        F: Closures<Kind = D::Kind, Above = P>,
        P: 'static,
    {
        self.handle.hold_for_grpc(self.buffer.direction(), call, then)?;
        Ok(D::HELD)
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
    pub fn hold_while(&mut self, task: impl Future<Output = Result<Action>> + 'static) -> Result<D::Status> {
        crate::task::hold(self.handle.id, self.buffer.direction(), task)?;
        Ok(D::HELD)
    }

    /// Returns the number of bytes as the host announced it: the kept bytes and the new ones.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of bytes that the proxy has now, for example after changes.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(body: &mut RequestBody<'_>) -> Result<DataAction> {
    ///     body.append("!")?;
    ///     assert_eq!(body.current_size()?, body.size() + 1);
    ///     Ok(DataAction::Continue)
    /// }
    /// # sluicegate_host::example::body(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that returns a number (0.02 µs in Envoy).
    pub fn current_size(&self) -> Result<usize> {
        call::buffer_size(self.buffer).map_err(|status| Error::host("proxy_get_buffer_status", self.buffer, status))
    }

    /// Returns whether the body ends with this part. The last part may bring no new bytes: then its
    /// size is that of the part before.
    ///
    /// A body that trailers follow has no last part. So a filter that judges bodies takes
    /// [complete bodies](crate::HttpFilter::on_complete_request_body), however they end.
    #[must_use]
    pub const fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// Returns a part of the body: at most `size` bytes from `start` on. Returns no bytes if there
    /// are none at `start`.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(body: &mut RequestBody<'_>) -> Result<DataAction> {
    ///     let start = body.read(0, 4)?; // at most four bytes
    ///     if start.starts_with(b"\x7fELF") {
    ///         return body.reply(&LocalResponse::new(415));
    ///     }
    ///     Ok(DataAction::Continue)
    /// }
    /// # sluicegate_host::example::body(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the size that is read. The host copies the bytes once.
    #[doc(alias(
        "GetHttpRequestBody",
        "get_http_request_body",
        "GetHttpResponseBody",
        "get_http_response_body",
        "GetDownstreamData",
        "GetUpstreamData",
        "get_downstream_data",
        "get_upstream_data",
        "get_buffer"
    ))]
    pub fn read(&self, start: usize, size: usize) -> Result<HostBytes> {
        read(self.buffer, start, size)
    }

    /// Appends bytes to the bytes that the proxy keeps.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(body: &mut RequestBody<'_>) -> Result<DataAction> {
    ///     if body.end_of_stream() {
    ///         body.append("\n")?;
    ///     }
    ///     Ok(DataAction::Continue)
    /// }
    /// # sluicegate_host::example::body(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    #[doc(alias(
        "AppendHttpRequestBody",
        "AppendHttpResponseBody",
        "AppendDownstreamData",
        "AppendUpstreamData",
        "set_downstream_data",
        "set_upstream_data",
        "set_http_request_body",
        "set_http_response_body",
        "set_buffer"
    ))]
    pub fn append(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, WHOLE, 0, bytes.as_ref())
    }

    /// Puts bytes before the bytes that the proxy keeps.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(body: &mut RequestBody<'_>) -> Result<DataAction> {
    ///     body.prepend("> ")?; // before each part that passes
    ///     Ok(DataAction::Continue)
    /// }
    /// # sluicegate_host::example::body(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes, and moves the kept ones.
    #[doc(alias(
        "PrependHttpRequestBody",
        "PrependHttpResponseBody",
        "PrependDownstreamData",
        "PrependUpstreamData",
        "set_downstream_data",
        "set_upstream_data",
        "set_http_request_body",
        "set_http_response_body",
        "set_buffer"
    ))]
    pub fn prepend(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, 0, bytes.as_ref())
    }

    /// Replaces all bytes that the proxy keeps.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(body: &mut RequestBody<'_>) -> Result<DataAction> {
    ///     if !body.end_of_stream() {
    ///         return Ok(DataAction::StopIterationAndBuffer);
    ///     }
    ///     body.replace("redacted")?; // all of it
    ///     Ok(DataAction::Continue)
    /// }
    /// # sluicegate_host::example::body(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    #[doc(alias(
        "ReplaceHttpRequestBody",
        "ReplaceHttpResponseBody",
        "ReplaceDownstreamData",
        "ReplaceUpstreamData",
        "set_downstream_data",
        "set_upstream_data",
        "set_http_request_body",
        "set_http_response_body",
        "set_buffer"
    ))]
    pub fn replace(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, WHOLE, bytes.as_ref())
    }

    /// Replaces the first `size` bytes that the proxy keeps. A range in the middle or at the end
    /// cannot be replaced: Envoy refuses every start but 0 with
    /// [`Status::BadArgument`](crate::Status::BadArgument), and takes a start past the end for an
    /// append.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(body: &mut RequestBody<'_>) -> Result<DataAction> {
    ///     if body.read(0, 3)?.starts_with(b"one") {
    ///         body.replace_start(3, "two")?;
    ///     }
    ///     Ok(DataAction::Continue)
    /// }
    /// # sluicegate_host::example::body(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    #[doc(alias(
        "set_http_request_body",
        "set_http_response_body",
        "set_downstream_data",
        "set_upstream_data",
        "set_buffer"
    ))]
    pub fn replace_start(&mut self, size: usize, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, size.min(WHOLE), bytes.as_ref())
    }
}

/// The methods of an HTTP body.
impl<'cb, D: Direction<Kind = HttpStream, Status = DataAction>, P> Body<'cb, D, P> {
    /// Returns the stream, through which the callback reads and edits headers.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(body: &mut RequestBody<'_>) -> Result<DataAction> {
    ///     if let Some(kind) = body.stream().fetch_request_header("content-type")? {
    ///         info!("a part of {}", ByteStr::new(&kind).display());
    ///     }
    ///     Ok(DataAction::Continue)
    /// }
    /// # sluicegate_host::example::body(example);
    /// ```
    #[must_use]
    pub const fn stream(&self) -> &HttpHandle<'cb, P> {
        &self.handle
    }

    /// Sends a local reply to the client, and returns the action for the callback to return.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(body: &mut RequestBody<'_>) -> Result<DataAction> {
    ///     if body.size() > 1 << 20 {
    ///         return body.reply(&LocalResponse::new(413));
    ///     }
    ///     Ok(DataAction::Continue)
    /// }
    /// # sluicegate_host::example::body(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the stream was replied to before, if it has ended, or if the
    /// [`LocalResponse`] is not valid. Fails if the headers are over the host's limits, if the SDK
    /// is out of memory, or if the host refuses. The host refuses once a response is on its way.
    ///
    /// # Cost
    ///
    /// One host call. If there are headers, one block for them.
    #[doc(alias = "SendHttpResponse")]
    #[doc(alias = "send_http_response")]
    pub fn reply<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, response: &LocalResponse<'_, N, V>) -> Result<DataAction> {
        response.send()?;
        Ok(DataAction::Pause)
    }
}

/// The methods of the data of a connection.
impl<'cb, D: Direction<Kind = Connection>, P> Body<'cb, D, P> {
    /// Returns the connection, through which the callback can close it.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
    ///     if data.read(0, 4)?.starts_with(b"EHLO") {
    ///         data.connection().close_downstream()?; // no mail here
    ///     }
    ///     Ok(FilterStatus::Continue)
    /// }
    /// # sluicegate_host::example::data(example);
    /// ```
    #[must_use]
    pub const fn connection(&self) -> &TcpHandle<'cb, P> {
        &self.handle
    }
}
