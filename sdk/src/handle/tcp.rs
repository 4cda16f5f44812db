//! A connection, and the data on it.

use core::marker::PhantomData;

use super::body::{read, write};
use super::{WHOLE, close, resume};
use crate::abi::{BufferType, HostBytes, StreamType};
#[cfg(feature = "async")]
use crate::context::{Action, Flow};
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

/// A connection, in the [`TcpFilter`](crate::TcpFilter) callbacks that come with no data of their own.
#[derive(Debug)]
pub struct TcpHandle<'cb, P = ()> {
    pub(crate) id: u32,
    pub(crate) plugin: &'cb P,
}

impl<'cb, P> TcpHandle<'cb, P> {
    calls!(TcpFilter<Plugin = P: PluginContext>, TcpHandle, |id, plugin| TcpHandle { id, plugin });
    arena!();

    /// Holds the client's data here while a task runs, and then does what it answers; see [`task`](crate::task): `return connection.hold_while(async { … });`
    ///
    /// # Errors
    ///
    /// If memory is out.
    ///
    /// # Cost
    ///
    /// Blocks for the future and for its task, until it ends; no host call by itself.
    #[cfg(feature = "async")]
    pub fn hold_while(&self, task: impl Future<Output = Result<Action>> + 'static) -> Result<Flow> {
        crate::task::hold(self.id, StreamType::Downstream, task)?;
        Ok(Flow::StopIteration)
    }

    /// The number that the host gave the connection.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The plugin's context: shared with the other connections, not copied.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.plugin
    }

    /// Lets the client's data go on that a callback held back.
    ///
    /// # Errors
    ///
    /// If the host refuses.
    ///
    /// # Cost
    ///
    /// One host call.
    pub fn resume_downstream(&self) -> Result<()> {
        resume(self.id, StreamType::Downstream)
    }

    /// Lets the upstream's data go on that a callback held back, where the host can. Envoy cannot: hold none there past a callback.
    ///
    /// # Errors
    ///
    /// If the host refuses: Envoy does so always, with [`Unimplemented`](crate::Status::Unimplemented).
    ///
    /// # Cost
    ///
    /// One host call.
    pub fn resume_upstream(&self) -> Result<()> {
        resume(self.id, StreamType::Upstream)
    }

    /// Closes the connection to the client.
    ///
    /// # Errors
    ///
    /// If the host refuses.
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
    /// If the host refuses.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "CloseUpstream")]
    pub fn close_upstream(&self) -> Result<()> {
        close(StreamType::Upstream)
    }
}

/// Data that is on its way: what was held back so far and what is new. [`BodyCursor`](crate::BodyCursor) reads only what is new, [`Rewriter`](crate::Rewriter) changes
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

    /// The number that the host gave the connection.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.connection.id
    }

    /// The plugin's context: shared with the other connections, not copied.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.connection.plugin
    }

    /// The connection, to close it.
    #[must_use]
    pub const fn connection(&self) -> &TcpHandle<'cb, P> {
        &self.connection
    }

    /// How many bytes there are. Nothing with the end of the stream is usual.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Whether this side sends no more.
    #[must_use]
    pub const fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// A part of the data: at most `size` bytes from `start` on, none if there are no bytes there.
    ///
    /// # Errors
    ///
    /// If the host refuses, or memory is out.
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
    /// If the host refuses.
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
    /// If the host refuses.
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
    /// If the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    pub fn replace(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, WHOLE, bytes.as_ref())
    }

    /// Replaces the first `size` bytes of the data; [no other range](crate::Body::replace_start) can be.
    ///
    /// # Errors
    ///
    /// If the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes.
    pub fn replace_start(&mut self, size: usize, bytes: impl AsRef<[u8]>) -> Result<()> {
        write(self.buffer, 0, size.min(WHOLE), bytes.as_ref())
    }
}
