//! A connection, and the data on it.

use core::marker::PhantomData;

use crate::abi::{BufferType, HostBytes, StreamType};
use crate::callout::{CallFailure, CallResponse, Closures, GrpcCall, GrpcEvent, GrpcFailure, HttpCall};
use crate::context::{Action, FilterStatus};
use crate::effective::{close, resume};
use crate::error::Result;
use crate::host_buffer::{WHOLE, read, write};
use crate::owner::Connection;

/// Marks the side of the client.
///
/// ```
/// use sluicegate::prelude::*;
/// use sluicegate::{ConnectionData, Downstream};
///
/// /// The same as [`DownstreamData`].
/// fn count<P>(data: &ConnectionData<'_, Downstream, P>) -> usize {
///     data.size()
/// }
/// ```
#[derive(Debug)]
pub enum Downstream {}

/// Marks the side of the upstream.
///
/// ```
/// use sluicegate::prelude::*;
/// use sluicegate::{ConnectionData, Upstream};
///
/// /// The same as [`UpstreamData`].
/// fn count<P>(data: &ConnectionData<'_, Upstream, P>) -> usize {
///     data.size()
/// }
/// ```
#[derive(Debug)]
pub enum Upstream {}

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
pub type DownstreamData<'cb, P = ()> = ConnectionData<'cb, Downstream, P>;

/// Data from the upstream, in [`on_upstream_data`](crate::TcpFilter::on_upstream_data).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn on_upstream_data(data: &mut UpstreamData<'_>) -> Result<FilterStatus> {
///     info!("{} bytes from the upstream", data.size());
///     Ok(FilterStatus::Continue)
/// }
/// ```
pub type UpstreamData<'cb, P = ()> = ConnectionData<'cb, Upstream, P>;

/// The handle of a connection, in the [`TcpFilter`](crate::TcpFilter) callbacks that come with no
/// data of their own.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn on_new_connection(connection: &mut TcpHandle<'_>) -> Result<FilterStatus> {
///     info!("connection {}", connection.id());
///     Ok(FilterStatus::Continue)
/// }
/// ```
#[derive(Debug)]
pub struct TcpHandle<'cb, P = ()> {
    pub(crate) id: u32,
    pub(crate) plugin: &'cb P,
}

impl<'cb, P> TcpHandle<'cb, P> {
    calls!(TcpFilter, Connection, P, TcpHandle, |id, plugin| TcpHandle { id, plugin });
    holds!(Connection, P, TcpHandle, |id, plugin| TcpHandle { id, plugin });
    arena!();

    /// Calls a cluster over HTTP, and holds the client's data until the closure has run with the
    /// response, or with the reason for the failure:
    /// `return connection.hold_for_call(&call, |filter: &mut Self, connection, answer| …);`
    ///
    /// The closure decides about the client's data. [`Action::Continue`] resumes the data when
    /// nobody else holds it. Any other action leaves the data paused: the closure has closed the
    /// connection, or something else will resume the data. If the closure fails, the
    /// [failure policy](crate::TcpFilter::ON_ERROR) decides.
    ///
    /// # Errors
    ///
    /// Fails if the stream has ended, or if the call cannot be sent. Then nothing is held, and the
    /// closure does not run.
    ///
    /// # Cost
    ///
    /// The cost of [`call_then`](crate::TcpHandle::call_then).
    pub fn hold_for_call<F, N: AsRef<[u8]>, V: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        call: &HttpCall<'_, N, V, T>,
        then: impl FnOnce(&mut F, &mut TcpHandle<'_, P>, Result<&CallResponse, CallFailure>) -> Result<Action> + 'static,
    ) -> Result<FilterStatus>
    where
        F: Closures<Kind = Connection, Above = P>,
        P: 'static,
    {
        self.hold_for(StreamType::Downstream, call, then)?;
        Ok(FilterStatus::Held)
    }

    /// Calls a method over gRPC, and holds the client's data until the closure has run, as
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
        &self,
        call: &GrpcCall<'_>,
        then: impl FnOnce(&mut F, &mut TcpHandle<'_, P>, Result<&GrpcEvent, GrpcFailure>) -> Result<Action> + 'static,
    ) -> Result<FilterStatus>
    where
        F: Closures<Kind = Connection, Above = P>,
        P: 'static,
    {
        self.hold_for_grpc(StreamType::Downstream, call, then)?;
        Ok(FilterStatus::Held)
    }

    /// Runs a task, holds the client's data until the task ends, and then takes the action that the
    /// task returns; see [`task`](crate::task): `return connection.hold_while(async { … });`
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
    pub fn hold_while(&self, task: impl Future<Output = Result<Action>> + 'static) -> Result<FilterStatus> {
        crate::task::hold(self.id, StreamType::Downstream, task)?;
        Ok(FilterStatus::Held)
    }

    /// Returns the number that the host gave the connection.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Returns the plugin's context, which all connections of the plugin share.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.plugin
    }

    /// Resumes the client's data that a callback paused.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the filter does not hold the data, or if the connection has
    /// ended. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// At most one host call.
    #[doc(alias = "ContinueTcpStream")]
    pub fn resume_downstream(&self) -> Result<()> {
        resume(StreamType::Downstream)
    }

    /// Resumes the upstream's data that a callback paused, if the host can. Envoy cannot: in Envoy
    /// do not pause the upstream's data past a callback.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the filter does not hold the data, or if the connection has
    /// ended. Fails if the host refuses: Envoy always refuses, with
    /// [`Unimplemented`](crate::Status::Unimplemented).
    ///
    /// # Cost
    ///
    /// At most one host call.
    pub fn resume_upstream(&self) -> Result<()> {
        resume(StreamType::Upstream)
    }

    /// Closes the connection to the client.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
    ///     if data.read(0, 3)?.starts_with(b"bad") {
    ///         data.connection().close_downstream()?;
    ///     }
    ///     Ok(FilterStatus::Continue)
    /// }
    /// # sluicegate_host::example::data(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the connection has ended. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "CloseDownstream")]
    pub fn close_downstream(&self) -> Result<()> {
        close(StreamType::Downstream)
    }

    /// Closes the connection to the upstream.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the connection has ended. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "CloseUpstream")]
    pub fn close_upstream(&self) -> Result<()> {
        close(StreamType::Upstream)
    }
}

/// Data that is on its way: the bytes that are kept so far and the new ones.
/// [`BodyCursor`](crate::BodyCursor) reads only the new bytes, [`Rewriter`](crate::Rewriter)
/// changes the data as it passes.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
///     info!("{} bytes on connection {}", data.size(), data.id());
///     Ok(FilterStatus::Continue)
/// }
/// # sluicegate_host::example::data(example);
/// ```
#[derive(Debug)]
pub struct ConnectionData<'cb, D, P = ()> {
    pub(crate) connection: TcpHandle<'cb, P>,
    pub(crate) buffer: BufferType,
    pub(crate) size: usize,
    pub(crate) end_of_stream: bool,
    pub(crate) direction: PhantomData<D>,
}

impl<'cb, D, P> ConnectionData<'cb, D, P> {
    arena!();

    /// Returns the number that the host gave the connection.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.connection.id
    }

    /// Returns the plugin's context, which all connections of the plugin share.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.connection.plugin
    }

    /// Returns the connection, through which the callback can close it.
    #[must_use]
    pub const fn connection(&self) -> &TcpHandle<'cb, P> {
        &self.connection
    }

    /// Returns the number of bytes. At the end of the stream the number is usually 0.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Returns whether this side sends no more data.
    #[must_use]
    pub const fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// Returns a part of the data: at most `size` bytes from `start` on. Returns no bytes if there
    /// are none at `start`.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
    ///     if data.read(0, 4)?.starts_with(b"EHLO") {
    ///         info!("a mail client");
    ///     }
    ///     Ok(FilterStatus::Continue)
    /// }
    /// # sluicegate_host::example::data(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the size that is read. The host copies the bytes once.
    #[doc(alias("GetDownstreamData", "GetUpstreamData", "get_downstream_data", "get_upstream_data"))]
    pub fn read(&self, start: usize, size: usize) -> Result<HostBytes> {
        read(self.buffer, start, size)
    }

    /// Appends bytes to the data.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
    ///     data.append("\n")?;
    ///     Ok(FilterStatus::Continue)
    /// }
    /// # sluicegate_host::example::data(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    #[doc(alias("AppendDownstreamData", "AppendUpstreamData", "set_downstream_data", "set_upstream_data"))]
    pub fn append(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, WHOLE, 0, bytes.as_ref())
    }

    /// Puts bytes before the data.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes, and moves the kept ones.
    #[doc(alias("PrependDownstreamData", "PrependUpstreamData", "set_downstream_data", "set_upstream_data"))]
    pub fn prepend(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, 0, bytes.as_ref())
    }

    /// Replaces the data.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
    ///     let upper = data.read(0, data.size())?.to_ascii_uppercase();
    ///     data.replace(upper)?;
    ///     Ok(FilterStatus::Continue)
    /// }
    /// # sluicegate_host::example::data(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    #[doc(alias("ReplaceDownstreamData", "ReplaceUpstreamData", "set_downstream_data", "set_upstream_data"))]
    pub fn replace(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, WHOLE, bytes.as_ref())
    }

    /// Replaces the first `size` bytes of the data. [No other range](crate::Body::replace_start)
    /// can be replaced.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    #[doc(alias("set_downstream_data", "set_upstream_data"))]
    pub fn replace_start(&mut self, size: usize, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, size.min(WHOLE), bytes.as_ref())
    }
}
