//! A connection, and the data on it.

use core::marker::PhantomData;

use super::body::{read, write};
use super::{WHOLE, close, resume};
use crate::abi::{BufferType, HostBytes, StreamType};
use crate::callout::{CallFailure, CallResponse, Closures, GrpcCall, GrpcEvent, GrpcFailure, HttpCall};
use crate::context::{Action, Flow, PluginContext, TcpFilter};
use crate::error::Result;

/// Marks the side of the client.
#[derive(Debug)]
pub enum Downstream {}

/// Marks the side of the upstream.
#[derive(Debug)]
pub enum Upstream {}

/// Data from the client, in [`on_downstream_data`](crate::TcpFilter::on_downstream_data).
pub type DownstreamData<'cb, P = ()> = ConnectionData<'cb, Downstream, P>;

/// Data from the upstream, in [`on_upstream_data`](crate::TcpFilter::on_upstream_data).
pub type UpstreamData<'cb, P = ()> = ConnectionData<'cb, Upstream, P>;

/// A connection, in the [`TcpFilter`](crate::TcpFilter) callbacks that come with no data of their
/// own.
#[derive(Debug)]
pub struct TcpHandle<'cb, P = ()> {
    pub(crate) id: u32,
    pub(crate) plugin: &'cb P,
}

impl<'cb, P> TcpHandle<'cb, P> {
    calls!(TcpFilter<Plugin = P: PluginContext>, TcpHandle, |id, plugin| TcpHandle { id, plugin });
    holds!(TcpFilter<Plugin = P: PluginContext>, TcpHandle, |id, plugin| TcpHandle { id, plugin });
    arena!();

    /// Calls a cluster, and holds the client's data here until the closure has run with the answer,
    /// or with the reason why there is none:
    /// `return connection.hold_for_call(&call, |filter: &mut Self, connection, answer| …);`
    ///
    /// The closure says what becomes of the client's data. [`Action::Continue`] lets it go on when
    /// nobody else holds it. Any other action leaves it paused, because the closure has replied, or
    /// something else will resume it. For an error the [failure policy](crate::TcpFilter::ON_ERROR)
    /// decides.
    ///
    /// # Errors
    ///
    /// Fails if the call cannot be sent: then nothing is held, and the closure does not run.
    ///
    /// # Cost
    ///
    /// The cost of [`call_then`](crate::TcpHandle::call_then).
    pub fn hold_for_call<F, N: AsRef<[u8]>, V: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        call: &HttpCall<'_, N, V, T>,
        then: impl FnOnce(&mut F, &mut TcpHandle<'_, P>, Result<&CallResponse, CallFailure>) -> Result<Action> + 'static,
    ) -> Result<Flow>
    where
        F: TcpFilter<Plugin = P> + Closures,
        P: PluginContext,
    {
        self.hold_for(StreamType::Downstream, call, then)?;
        Ok(Flow::Held)
    }

    /// Calls a method over gRPC, and holds the client's data here until the closure has run, as
    /// [`hold_for_call`](Self::hold_for_call).
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
    ) -> Result<Flow>
    where
        F: TcpFilter<Plugin = P> + Closures,
        P: PluginContext,
    {
        self.hold_for_grpc(StreamType::Downstream, call, then)?;
        Ok(Flow::Held)
    }

    /// Holds the client's data here while a task runs, and then does what it answers; see
    /// [`task`](crate::task): `return connection.hold_while(async { … });`
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// Blocks for the future and for its task, until it ends; no host call by itself.
    #[cfg(feature = "async")]
    pub fn hold_while(&self, task: impl Future<Output = Result<Action>> + 'static) -> Result<Flow> {
        crate::task::hold(self.id, StreamType::Downstream, task)?;
        Ok(Flow::Held)
    }

    /// Returns the number that the host gave the connection.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Returns the plugin's context: shared with the other connections, not copied.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.plugin
    }

    /// Lets the client's data go on that a callback held back.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call.
    pub fn resume_downstream(&self) -> Result<()> {
        resume(StreamType::Downstream)
    }

    /// Lets the upstream's data go on that a callback held back, where the host can. Envoy cannot:
    /// hold none there past a callback.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses: Envoy does so always, with
    /// [`Unimplemented`](crate::Status::Unimplemented).
    ///
    /// # Cost
    ///
    /// One host call.
    pub fn resume_upstream(&self) -> Result<()> {
        resume(StreamType::Upstream)
    }

    /// Closes the connection to the client.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
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
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "CloseUpstream")]
    pub fn close_upstream(&self) -> Result<()> {
        close(StreamType::Upstream)
    }
}

/// Data that is on its way: what was held back so far and what is new.
/// [`BodyCursor`](crate::BodyCursor) reads only what is new, [`Rewriter`](crate::Rewriter) changes
/// it as it passes.
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

    /// Returns the plugin's context: shared with the other connections, not copied.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.connection.plugin
    }

    /// Returns the connection, to close it.
    #[must_use]
    pub const fn connection(&self) -> &TcpHandle<'cb, P> {
        &self.connection
    }

    /// How many bytes there are. Nothing with the end of the stream is usual.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Returns whether this side sends no more.
    #[must_use]
    pub const fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// Returns a part of the data: at most `size` bytes from `start` on, none if there are no bytes
    /// there.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the size that is read, copied once by the host.
    #[doc(alias = "GetDownstreamData")]
    #[doc(alias = "GetUpstreamData")]
    pub fn read(&self, start: usize, size: usize) -> Result<HostBytes> {
        read(self.buffer, start, size)
    }

    /// Appends bytes to the data.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
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
    /// One host call, which copies the bytes, and moves what is held.
    pub fn prepend(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, 0, bytes.as_ref())
    }

    /// Replaces the data.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    pub fn replace(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, WHOLE, bytes.as_ref())
    }

    /// Replaces the first `size` bytes of the data; [no other range](crate::Body::replace_start)
    /// can be.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    pub fn replace_start(&mut self, size: usize, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, size.min(WHOLE), bytes.as_ref())
    }
}
