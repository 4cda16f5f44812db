//! What a callback may ask of the proxy: each callback gets the handle with the host calls that are
//! good in it.
//!
//! | file | the handles of |
//! |---|---|
//! | this one | the VM, the plugin, a stream without data of its own |
//! | `headers` | headers and trailers on their way |
//! | `body` | a body on its way |
//! | `complete` | a body that is complete |
//! | `tcp` | a connection and its data |
//! | `part` | what the two have in common, read as it grows |
//! | `rewrite` | the same, changed as it passes, with what waits for the next part in `carry` |
//! | `calls` | what each of them can call |
//! | `maps` | what can be read of a stream's headers and trailers |
//! | `log` | an entry of the access log |

#[macro_use]
mod calls;
#[macro_use]
mod maps;
mod body;
mod carry;
mod complete;
mod headers;
mod http;
mod log;
mod part;
mod rewrite;
mod tcp;

pub use body::{Body, RequestBody, ResponseBody};
pub(crate) use body::{buffer_of, read};
pub use complete::{CompleteBody, CompleteRequestBody, CompleteResponseBody};
pub use headers::{Headers, RequestHeaders, RequestTrailers, ResponseHeaders, ResponseTrailers};
pub use http::HttpHandle;
pub use log::LogEntry;
pub(crate) use maps::{fetch, value as map_value};
pub use part::{BodyCursor, Part};
pub use rewrite::{Chunk, Output, Rewriter};
pub use tcp::{ConnectionData, Downstream, DownstreamData, TcpHandle, Upstream, UpstreamData};

use core::marker::PhantomData;
use core::time::Duration;

use crate::abi::{BufferType, HostBytes, StreamType, call};
use crate::arena::Slot;
#[cfg(feature = "budget")]
use crate::budget;
use crate::callout::wrong_context;
use crate::context::{PluginContext, VmContext};
use crate::dispatch::{Kind, with_stream};
use crate::error::{Error, On, Result};
use crate::stream_state;
use crate::timer::{self, Timer, Timers};

/// The most bytes to ask a buffer for: hosts add it to the start, as 32-bit numbers.
pub(crate) const WHOLE: usize = i32::MAX as usize;

/// The VM, in [`VmContext`](crate::VmContext) callbacks.
#[derive(Debug)]
pub struct VmHandle<'cb> {
    pub(crate) configuration_size: usize,
    pub(crate) callback: PhantomData<&'cb ()>,
}

impl VmHandle<'_> {
    /// Returns the VM's configuration, empty if there is none.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the host's for each call.
    #[doc(alias = "GetVMConfiguration")]
    pub fn configuration(&self) -> Result<HostBytes> {
        read(BufferType::VmConfiguration, 0, WHOLE)
    }

    /// Returns the configuration's size in bytes, as the host announced it.
    #[must_use]
    pub const fn configuration_size(&self) -> usize {
        self.configuration_size
    }
}

/// The plugin, in [`PluginContext`](crate::PluginContext) callbacks.
#[derive(Debug)]
pub struct PluginHandle<'cb, V = ()> {
    pub(crate) id: u32,
    pub(crate) vm: &'cb V,
    pub(crate) configuration_size: usize,
}

impl<'cb, V> PluginHandle<'cb, V> {
    calls!(PluginContext<Vm = V: VmContext>, PluginHandle, |id, vm| PluginHandle { id, vm, configuration_size: 0 });

    /// Returns the number that the host gave the plugin context.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Returns the VM's context.
    #[must_use]
    pub const fn vm(&self) -> &'cb V {
        self.vm
    }

    /// Returns the plugin's configuration, empty if there is none. Hosts give it in `on_configure`
    /// only.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the host's for each call.
    #[doc(alias = "GetPluginConfiguration")]
    pub fn configuration(&self) -> Result<HostBytes> {
        read(BufferType::PluginConfiguration, 0, WHOLE)
    }

    /// Returns the arguments of a call of the proxy's, in `on_foreign_function`; empty elsewhere.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the host's for each call.
    pub fn foreign_arguments(&self) -> Result<HostBytes> {
        read(BufferType::ForeignFunctionArguments, 0, WHOLE)
    }

    /// Returns the configuration's size in bytes, as the host announced it; 0 outside of
    /// `on_configure`.
    #[must_use]
    pub const fn configuration_size(&self) -> usize {
        self.configuration_size
    }

    /// Asks for `on_tick` at this period; zero ends the ticks. A host counts in milliseconds: less
    /// than one is rounded up to it, more than 49 days are cut to that.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call; beside timers, one more for the time.
    #[doc(alias = "SetTickPeriodMilliSeconds")]
    pub fn set_tick_period(&self, period: Duration) -> Result<()> {
        let milliseconds = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        let milliseconds = if period.is_zero() { 0 } else { milliseconds.max(1) };
        timer::set_tick(self.id, milliseconds)
    }

    /// Runs the closure at this period, until it is stopped or the plugin is deleted; see
    /// [`timer`]. It takes the place of a timer of the same name.
    ///
    /// An error that the closure answers is logged with the name, and the timer goes on.
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory, or the host refuses to tick.
    ///
    /// # Cost
    ///
    /// Two blocks; a host call for the time, and one more if the tick changes.
    pub fn every<F>(
        &self,
        name: &'static str,
        period: Duration,
        mut run: impl FnMut(&mut F, &mut PluginHandle<'_, V>) -> Result<()> + 'static,
    ) -> Result<Timer>
    where
        F: PluginContext<Vm = V> + Timers,
        V: VmContext,
    {
        timer::start(self.id, name, period, true, move |asker| {
            let (Some(plugin), Some(vm)) = (asker.context.downcast_mut::<F>(), asker.above.downcast_ref::<V>()) else {
                return Err(wrong_context());
            };
            run(plugin, &mut PluginHandle { id: asker.id, vm, configuration_size: 0 })
        })
    }

    /// Runs the closure once, after this time, unless it is stopped before or the plugin is
    /// deleted; as [`every`](Self::every) otherwise.
    ///
    /// # Errors
    ///
    /// Fails as [`every`](Self::every) does.
    ///
    /// # Cost
    ///
    /// Two blocks until it has run; a host call for the time, and one more if the tick changes.
    pub fn after<F>(
        &self,
        name: &'static str,
        delay: Duration,
        run: impl FnOnce(&mut F, &mut PluginHandle<'_, V>) -> Result<()> + 'static,
    ) -> Result<Timer>
    where
        F: PluginContext<Vm = V> + Timers,
        V: VmContext,
    {
        let mut run = Some(run);
        timer::start(self.id, name, delay, false, move |asker| {
            let (Some(plugin), Some(vm)) = (asker.context.downcast_mut::<F>(), asker.above.downcast_ref::<V>()) else {
                return Err(wrong_context());
            };
            let handle = &mut PluginHandle { id: asker.id, vm, configuration_size: 0 };
            run.take().map_or(Ok(()), |run| run(plugin, handle))
        })
    }

    /// Stops a timer and drops its closure; false if it has run for the last time already.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses to change the tick; the timer is stopped all the same.
    ///
    /// # Cost
    ///
    /// A host call for the time, and one more if the tick changes.
    pub fn stop(&self, timer: Timer) -> Result<bool> {
        timer::stop(timer)
    }

    /// Lets a request go on that one of its callbacks held back: from a tick, say.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the plugin has no such stream, if the stream does not hold
    /// that, or if the callback has let 128 streams go on already: keep its number, and resume the
    /// stream from a later tick. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// Three host calls: to act on the stream, to let it go on, and back.
    #[doc(alias = "SetEffectiveContext")]
    #[doc(alias = "resume_http_request")]
    pub fn resume_request(&self, stream: u32) -> Result<()> {
        self.resume(stream, StreamType::HttpRequest)
    }

    /// Lets a response go on that one of its callbacks held back.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the plugin has no such stream, if the stream does not hold
    /// that, or if the callback has let 128 streams go on already: keep its number, and resume the
    /// stream from a later tick. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// Three host calls: to act on the stream, to let it go on, and back.
    #[doc(alias = "resume_http_response")]
    pub fn resume_response(&self, stream: u32) -> Result<()> {
        self.resume(stream, StreamType::HttpResponse)
    }

    /// Lets the client's data of a connection go on that one of its callbacks held back.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the plugin has no such connection, if the connection does not
    /// hold its data, or if the callback has let 128 streams go on already: resume the connection
    /// from a later tick. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// Three host calls: to act on the connection, to let it go on, and back.
    #[doc(alias = "ContinueTcpStream")]
    pub fn resume_downstream(&self, connection: u32) -> Result<()> {
        self.resume(connection, StreamType::Downstream)
    }

    /// Acts on an HTTP stream by its number, as that stream's own callbacks do: from a tick, say,
    /// to answer, reset, read, edit or resume what one of its callbacks held back. What the closure
    /// asks for is the stream's, and the answers to its calls come to the stream. Its filter's
    /// context, its arena and its budget are out of reach.
    ///
    /// An error of the closure is this call's: the policy of the stream's filter does not hear of
    /// it.
    ///
    /// # Errors
    ///
    /// Fails if the host does not know the number, the stream being gone: then the closure does not
    /// run. What the closure answers.
    ///
    /// # Cost
    ///
    /// Two host calls that return nothing, and those of the closure.
    #[doc(alias = "SetEffectiveContext")]
    #[doc(alias = "set_effective_context")]
    pub fn with_http_stream<R>(
        &mut self,
        stream: u32,
        act: impl FnOnce(&mut HttpHandle<'_>) -> Result<R>,
    ) -> Result<R> {
        self.acting_on(Kind::Http, stream, || Slot::new().within(|| act(&mut HttpHandle { id: stream, plugin: &() })))
    }

    /// Acts on a connection by its number, likewise.
    ///
    /// # Errors
    ///
    /// Fails as [`with_http_stream`](Self::with_http_stream) does.
    ///
    /// # Cost
    ///
    /// The cost of [`with_http_stream`](Self::with_http_stream).
    pub fn with_tcp_connection<R>(
        &mut self,
        connection: u32,
        act: impl FnOnce(&mut TcpHandle<'_>) -> Result<R>,
    ) -> Result<R> {
        self.acting_on(Kind::Tcp, connection, || {
            Slot::new().within(|| act(&mut TcpHandle { id: connection, plugin: &() }))
        })
    }

    fn resume(&self, stream: u32, direction: StreamType) -> Result<()> {
        self.acting_on(direction.into(), stream, || resume(direction))
    }

    /// Acts on the stream, and on the plugin again whatever comes of it.
    fn acting_on<R>(&self, kind: Kind, stream: u32, act: impl FnOnce() -> Result<R>) -> Result<R> {
        with_stream(kind, stream, |state| {
            set_effective_context(stream)?;
            let acted = state.within(act);
            // An error of the closure must not keep the plugin from being the one again that host
            // calls act on.
            set_effective_context(self.id)?;
            acted
        })
    }

    /// Sets the budgets of the VM, under what the plugin's configuration
    /// [says](crate::budget#from-the-configuration), and in the place of what was set before.
    ///
    /// # Errors
    ///
    /// Fails if fields do not fit each other, memory for the reserve is out, or there are `pages`
    /// and the module's allocator takes no limit: the standard library's, picked by `alloc-system`
    /// or because nothing is.
    ///
    /// # Cost
    ///
    /// No host call, but for the metrics, each of which is defined once.
    #[cfg(feature = "budget")]
    pub fn set_budget(&self, budget: budget::Budget) -> Result<()> {
        budget::apply(budget)
    }

    /// How much memory is where in this VM, for a log line or an answer.
    #[cfg(feature = "budget")]
    #[must_use]
    pub fn memory_report(&self) -> budget::MemoryReport {
        budget::report()
    }

    /// Ends a plugin whose `on_done` answered `false`.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "PluginDone")]
    pub fn done(&self) -> Result<()> {
        call::done().map_err(|status| Error::host("proxy_done", On::Nothing, status))
    }
}

/// Closes a direction of the stream that host calls act on, unless that has ended or was answered
/// in the callback that runs.
pub(crate) fn close(direction: StreamType) -> Result<()> {
    stream_state::current(|state| {
        if let Some(state) = state {
            state.may_close(direction)?;
        }
        call::close_stream(direction).map_err(|status| Error::host("proxy_close_stream", direction, status))?;
        if let Some(state) = state {
            state.closed(direction);
        }
        Ok(())
    })
}

/// Lets go what callbacks pause of the stream that host calls act on.
pub(crate) fn resume(direction: StreamType) -> Result<()> {
    stream_state::current(|state| match state {
        Some(state) => state.resume(direction),
        None => Err(Error::stream(direction, "there is no stream")),
    })
}

/// Makes host calls act on a context.
pub(crate) fn set_effective_context(context: u32) -> Result<()> {
    call::set_effective_context(context)
        .map_err(|status| Error::host("proxy_set_effective_context", On::Context(context), status))
}

/// Marks what goes from the client to the upstream.
#[derive(Debug)]
pub enum Request {}

/// Marks what goes from the upstream to the client.
#[derive(Debug)]
pub enum Response {}

/// Marks the headers of a message.
#[derive(Debug)]
pub enum Head {}

/// Marks the trailers of a message.
#[derive(Debug)]
pub enum Tail {}
