//! The handle of a connection.

use super::Handle;
use crate::abi::StreamType;
use crate::callout::{CallFailure, CallResponse, Closures, GrpcCall, GrpcEvent, GrpcFailure, HttpCall};
use crate::context::{Action, FilterStatus};
use crate::effective::{close, resume};
use crate::error::Result;
use crate::owner::Connection;

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
pub type TcpHandle<'cb, P = ()> = Handle<'cb, Connection, P>;

impl<P> Handle<'_, Connection, P> {
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
