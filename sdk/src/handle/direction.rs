//! The directions of bytes: the two of an HTTP message, and the two of a connection.

use crate::context::{DataAction, FilterStatus};
use crate::owner::{Connection, HttpStream, StreamKind};

/// A direction in which bytes pass a filter: [`Request`] and [`Response`] of an HTTP stream, or
/// [`Downstream`] and [`Upstream`] of a connection.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::{Body, Direction};
///
/// /// Reads the start of a body, or of a connection's data.
/// fn is_json<D: Direction>(part: &Body<'_, D>) -> Result<bool> {
///     Ok(part.read(0, 1)?.starts_with(b"{"))
/// }
/// # sluicegate_host::example::body(|body| is_json(body).map(|_| DataAction::Continue));
/// ```
pub trait Direction: sealed::Sealed {
    /// The kind of the context: of an HTTP stream, or of a connection.
    type Kind: StreamKind;

    /// The status that the callback for a part returns.
    type Status;

    /// The status that lets the part go on.
    #[doc(hidden)]
    const GO: Self::Status;

    /// The status that keeps the part in the proxy, where [`IS_KEPT`](Self::IS_KEPT) says that the
    /// proxy can.
    #[doc(hidden)]
    const KEEP: Self::Status;

    /// The status of a part that a call or a task holds.
    #[doc(hidden)]
    const HELD: Self::Status;

    /// `true` if trailers may follow, so that the proxy keeps a part for the bytes that are left.
    #[doc(hidden)]
    const IS_KEPT: bool;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Request {}
    impl Sealed for super::Response {}
    impl Sealed for super::Downstream {}
    impl Sealed for super::Upstream {}
}

/// Marks the direction from the client to the upstream.
///
/// ```
/// use sluicegate::prelude::*;
/// use sluicegate::{Head, Headers, Request};
///
/// /// The same as [`RequestHeaders`].
/// fn path<P>(headers: &Headers<'_, Request, P, Head>) -> Result<Option<String>> {
///     Ok(headers.get(":path")?.map(|path| path.display().to_string()))
/// }
/// ```
#[derive(Debug)]
pub enum Request {}

/// Marks the direction from the upstream to the client.
///
/// ```
/// use sluicegate::prelude::*;
/// use sluicegate::{Headers, Response, Tail};
///
/// /// The same as [`ResponseTrailers`].
/// fn grpc_status<P>(trailers: &Headers<'_, Response, P, Tail>) -> Result<Option<String>> {
///     Ok(trailers.get("grpc-status")?.map(|status| status.display().to_string()))
/// }
/// ```
#[derive(Debug)]
pub enum Response {}

/// Marks the side of the client.
///
/// ```
/// use sluicegate::prelude::*;
/// use sluicegate::{Body, Downstream};
///
/// /// The same as [`DownstreamData`].
/// fn count<P>(data: &Body<'_, Downstream, P>) -> usize {
///     data.size()
/// }
/// ```
#[derive(Debug)]
pub enum Downstream {}

/// Marks the side of the upstream.
///
/// ```
/// use sluicegate::prelude::*;
/// use sluicegate::{Body, Upstream};
///
/// /// The same as [`UpstreamData`].
/// fn count<P>(data: &Body<'_, Upstream, P>) -> usize {
///     data.size()
/// }
/// ```
#[derive(Debug)]
pub enum Upstream {}

impl Direction for Request {
    type Kind = HttpStream;
    type Status = DataAction;
    const GO: DataAction = DataAction::Continue;
    const KEEP: DataAction = DataAction::StopIterationAndBuffer;
    const HELD: DataAction = DataAction::Held;
    const IS_KEPT: bool = true;
}

impl Direction for Response {
    type Kind = HttpStream;
    type Status = DataAction;
    const GO: DataAction = DataAction::Continue;
    const KEEP: DataAction = DataAction::StopIterationAndBuffer;
    const HELD: DataAction = DataAction::Held;
    const IS_KEPT: bool = true;
}

impl Direction for Downstream {
    type Kind = Connection;
    type Status = FilterStatus;
    const GO: FilterStatus = FilterStatus::Continue;
    const KEEP: FilterStatus = FilterStatus::StopIteration;
    const HELD: FilterStatus = FilterStatus::Held;
    const IS_KEPT: bool = false;
}

impl Direction for Upstream {
    type Kind = Connection;
    type Status = FilterStatus;
    const GO: FilterStatus = FilterStatus::Continue;
    const KEEP: FilterStatus = FilterStatus::StopIteration;
    const HELD: FilterStatus = FilterStatus::Held;
    const IS_KEPT: bool = false;
}
