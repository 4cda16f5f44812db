//! Handles: the host calls that a callback can make. Each callback gets the handle with the host
//! calls that work in it.
//!
//! | file | contents |
//! |---|---|
//! | this one | the handle of a context, and the handle of the VM |
//! | `calls` | the calls of every handle |
//! | `plugin`, `http`, `tcp` | the further host calls of a plugin, an HTTP stream and a connection |
//! | `maps`, `log` | the headers and trailers of a stream, and of an entry of the access log |
//! | `headers` | headers and trailers on their way |
//! | `body`, `direction` | a body, or the data of a connection, on its way |
//! | `cursor`, `rewrite`, `carry` | reading and changing these bytes as they pass |
//! | `complete`, `replaced` | a complete body |

mod body;
mod calls;
mod carry;
mod complete;
mod cursor;
mod direction;
mod headers;
mod http;
mod log;
mod maps;
mod plugin;
mod replaced;
mod rewrite;
mod tcp;

pub use body::{Body, DownstreamData, RequestBody, ResponseBody, UpstreamData};
#[cfg(feature = "async")]
pub(crate) use calls::with_context;
pub use complete::{CompleteBody, CompleteRequestBody, CompleteResponseBody};
pub use cursor::BodyCursor;
pub use direction::{Direction, Downstream, Request, Response, Upstream};
pub use headers::{Head, Headers, RequestHeaders, RequestTrailers, ResponseHeaders, ResponseTrailers, Tail};
pub use http::HttpHandle;
pub use log::AccessLogEntry;
pub use plugin::PluginHandle;
pub use rewrite::{Chunk, Output, Rewriter};
pub use tcp::TcpHandle;

use core::marker::PhantomData;

use crate::abi::{BufferType, HostBytes};
use crate::error::Result;
use crate::host_buffer::{WHOLE, read};
use crate::owner::{ContextKind, StreamKind};

/// The handle of a context, with the host calls that work in its callbacks. `K` is the kind of the
/// context, and `A` the type of the context above it. Filters name the handles by their aliases:
/// [`HttpHandle`], [`TcpHandle`] and [`PluginHandle`].
///
/// The calls to other clusters are the same on every handle. [`Headers`], [`Body`] and
/// [`CompleteBody`] dereference to the handle of their stream, so they have its methods too.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::Handle;
/// use sluicegate::owner::ContextKind;
///
/// /// Works for a stream, a connection and a plugin.
/// fn mirror<K: ContextKind, A>(handle: &Handle<'_, K, A>) -> Result<()> {
///     let headers = [(":method", "POST"), (":path", "/log"), (":authority", "collector")];
///     handle.call_and_forget(&HttpCall::new("service").headers(&headers))
/// }
/// # sluicegate_host::example::stream(|stream| mirror(stream));
/// ```
#[derive(Debug)]
pub struct Handle<'cb, K, A = ()> {
    pub(crate) id: u32,
    /// The plugin of a stream or connection, or the VM of a plugin.
    pub(crate) above: &'cb A,
    pub(crate) of: K,
}

impl<'cb, K: ContextKind, A> Handle<'cb, K, A> {
    pub(crate) const fn new(id: u32, above: &'cb A) -> Self {
        Self { id, above, of: K::NEW }
    }
}

impl<K, A> Handle<'_, K, A> {
    /// Returns the number that the host gave the context.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }
}

/// The parts that an HTTP stream and a connection have in common.
impl<'cb, K: StreamKind, P> Handle<'cb, K, P> {
    /// Returns the plugin's context, which all streams of the plugin share.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.above
    }

    /// Returns the stream's arena. The arena is empty when it is first asked for, is the same
    /// in every callback of the stream, and is reset when the stream is deleted.
    ///
    /// A value that [`alloc`](crate::arena::Bump::alloc) puts into the arena is never dropped;
    /// [`arena`](crate::arena) says which values are dropped. Views end with the handle that
    /// this method returns. A filter may keep a collection over a clone of the handle.
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// The first call of a stream takes an arena from the VM's pool, or makes one of 1 KiB.
    /// Further calls count an owner.
    #[cfg(feature = "request-arena")]
    pub fn arena(&self) -> Result<crate::arena::RequestArena> {
        crate::arena::current()
    }
}

/// The handle of the VM, in [`VmContext`](crate::VmContext) callbacks.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Vm;
///
/// #[sluicegate::vm_context]
/// impl VmContext for Vm {
///     fn on_vm_start(&mut self, vm: &mut VmHandle<'_>) -> Result<StartStatus> {
///         info!("{} bytes of configuration", vm.configuration_size());
///         Ok(StartStatus::Ok)
///     }
/// }
/// # #[derive(Default)]
/// # struct Plugin;
/// # #[sluicegate::plugin_context]
/// # impl PluginContext for Plugin {
/// #     type Vm = Vm;
/// # }
/// # sluicegate::plugin!(vm: Vm, plugin: Plugin);
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct VmHandle<'cb> {
    pub(crate) configuration_size: usize,
    pub(crate) callback: PhantomData<&'cb ()>,
}

impl VmHandle<'_> {
    /// Returns the VM's configuration, which is empty if there is none.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block, which the host allocates, for each call.
    #[doc(alias("GetVMConfiguration", "get_vm_configuration"))]
    pub fn configuration(&self) -> Result<HostBytes> {
        read(BufferType::VmConfiguration, 0, WHOLE)
    }

    /// Returns the size of the configuration in bytes, as the host announced it.
    #[must_use]
    pub const fn configuration_size(&self) -> usize {
        self.configuration_size
    }
}
