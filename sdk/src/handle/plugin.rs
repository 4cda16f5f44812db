//! The handle of a plugin.

use core::time::Duration;

use super::calls::with_context;
use super::{Handle, HttpHandle, TcpHandle};
use crate::abi::arenas::Slot;
use crate::abi::{BufferType, HostBytes, StreamType, call};
#[cfg(feature = "budget")]
use crate::budget;
use crate::effective::{resume, set_effective_context};
use crate::error::{Error, Result, Subject};
use crate::host_buffer::{WHOLE, read};
use crate::owner::Plugin;
use crate::stream_state::{Kind, with_stream};
use crate::timer::{self, Timer, Timers};

/// The handle of the plugin, in [`PluginContext`](crate::PluginContext) callbacks.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
///     info!("plugin {} starts", plugin.id());
///     plugin.set_tick_period(std::time::Duration::from_secs(1))
/// }
/// # sluicegate_host::example::plugin(example);
/// ```
pub type PluginHandle<'cb, V = ()> = Handle<'cb, Plugin, V>;

impl<'cb, V> Handle<'cb, Plugin, V> {
    pub(crate) const fn configured(id: u32, vm: &'cb V, configuration_size: usize) -> Self {
        Self { id, above: vm, of: Plugin { configuration_size } }
    }

    /// Returns the VM's context.
    #[must_use]
    pub const fn vm(&self) -> &'cb V {
        self.above
    }

    /// Returns the plugin's configuration, which is empty if there is none. Hosts hand it over in
    /// `on_configure` only.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// use sluicegate::json;
    /// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
    ///     let configuration = plugin.configuration()?;
    ///     let limit = json::parse(&configuration)?.get("limit").and_then(|limit| limit.to_u64());
    ///     assert_eq!(limit, Some(5));
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::plugin(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block, which the host allocates, for each call.
    #[doc(alias("GetPluginConfiguration", "get_plugin_configuration"))]
    pub fn configuration(&self) -> Result<HostBytes> {
        read(BufferType::PluginConfiguration, 0, WHOLE)
    }

    /// Returns the arguments of a call by the proxy, in `on_foreign_function`. They are empty in
    /// other callbacks.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block, which the host allocates, for each call.
    pub fn foreign_arguments(&self) -> Result<HostBytes> {
        read(BufferType::ForeignFunctionArguments, 0, WHOLE)
    }

    /// Returns the size of the configuration in bytes, as the host announced it. The size is 0
    /// outside of `on_configure`.
    #[must_use]
    pub const fn configuration_size(&self) -> usize {
        self.of.configuration_size
    }

    /// Asks the host to call `on_tick` at this period. A period of zero ends the ticks. A host
    /// counts milliseconds: a shorter period is rounded up to one millisecond, and a period over 49
    /// days is cut to 49 days.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// use std::time::Duration;
    /// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
    ///     plugin.set_tick_period(Duration::from_millis(250))
    /// }
    /// # sluicegate_host::example::plugin(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call. If the plugin has timers, one more host call for the time.
    #[doc(alias = "SetTickPeriodMilliSeconds")]
    pub fn set_tick_period(&self, period: Duration) -> Result<()> {
        let milliseconds = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        let milliseconds = if period.is_zero() { 0 } else { milliseconds.max(1) };
        timer::set_tick(self.id, milliseconds)
    }

    /// Starts a timer that runs the closure at this period, until the timer is stopped or the
    /// plugin is deleted; see [`timer`]. The timer replaces a timer of the same name.
    ///
    /// An error that the closure returns is logged with the name, and the timer goes on.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// # use std::time::Duration;
    /// #[derive(Default)]
    /// struct Cache {
    ///     age: u32,
    /// }
    ///
    /// #[sluicegate::plugin_context(timers)]
    /// impl PluginContext for Cache {
    ///     fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
    ///         plugin.run_every("refresh", Duration::from_secs(60), |cache: &mut Self, _| {
    ///             cache.age += 1;
    ///             Ok(())
    ///         })?;
    ///         Ok(StartStatus::Ok)
    ///     }
    /// }
    /// # sluicegate::plugin!(plugin: Cache);
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory, or if the host refuses to tick.
    ///
    /// # Cost
    ///
    /// Two blocks and a host call for the time. One more host call if the tick changes.
    pub fn run_every<F>(
        &self,
        name: &'static str,
        period: Duration,
        mut run: impl FnMut(&mut F, &mut PluginHandle<'_, V>) -> Result<()> + 'static,
    ) -> Result<Timer>
    where
        F: Timers<Kind = Plugin, Above = V>,
        V: 'static,
    {
        timer::start(self.id, name, period, true, move |context| with_context(context, &mut run))
    }

    /// Starts a timer that runs the closure once, after this time, unless the timer is stopped or
    /// the plugin is deleted before. Otherwise the timer works like that of
    /// [`run_every`](Self::run_every).
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// # use std::time::Duration;
    /// #[derive(Default)]
    /// struct Cache {
    ///     age: u32,
    /// }
    ///
    /// #[sluicegate::plugin_context(timers)]
    /// impl PluginContext for Cache {
    ///     fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
    ///         plugin.run_after("warm up", Duration::from_secs(1), |cache: &mut Self, _| {
    ///             cache.age += 1;
    ///             Ok(())
    ///         })?;
    ///         Ok(StartStatus::Ok)
    ///     }
    /// }
    /// # sluicegate::plugin!(plugin: Cache);
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`run_every`](Self::run_every) does.
    ///
    /// # Cost
    ///
    /// Two blocks until the closure has run, and a host call for the time. One more host call if
    /// the tick changes.
    pub fn run_after<F>(
        &self,
        name: &'static str,
        delay: Duration,
        run: impl FnOnce(&mut F, &mut PluginHandle<'_, V>) -> Result<()> + 'static,
    ) -> Result<Timer>
    where
        F: Timers<Kind = Plugin, Above = V>,
        V: 'static,
    {
        let mut run = Some(run);
        timer::start(self.id, name, delay, false, move |context| {
            run.take().map_or(Ok(()), |run| with_context(context, run))
        })
    }

    /// Stops a timer and drops its closure. Returns `false` if the timer has run for the last time
    /// already.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// # use sluicegate::timer::Timer;
    /// fn give_up(plugin: &PluginHandle<'_>, retry: Timer) -> Result<()> {
    ///     if !plugin.cancel_timer(retry)? {
    ///         info!("it has run already");
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses to change the tick. The timer is stopped even then.
    ///
    /// # Cost
    ///
    /// A host call for the time. One more host call if the tick changes.
    pub fn cancel_timer(&self, timer: Timer) -> Result<bool> {
        timer::stop(timer)
    }

    /// Resumes a request that one of its callbacks paused, for example from a tick.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn let_go(plugin: &PluginHandle<'_>, paused: &mut Vec<u32>) {
    ///     // One callback resumes at most 128 streams. The others wait for the next tick.
    ///     for stream in paused.drain(..paused.len().min(128)) {
    ///         if let Err(error) = plugin.resume_request(stream) {
    ///             debug!("stream {stream}: {error}");
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the plugin has no such stream, if the stream does not hold its
    /// request, or if the callback has resumed or replied to 128 streams already. In the last case
    /// keep the number of the stream, and resume it from a later tick. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// Three host calls: one to act on the stream, one to resume it, and one to act on the plugin
    /// again.
    #[doc(alias("SetEffectiveContext", "resume_http_request", "ResumeHttpRequest"))]
    pub fn resume_request(&self, stream: u32) -> Result<()> {
        self.resume(stream, StreamType::HttpRequest)
    }

    /// Resumes a response that one of its callbacks paused.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the plugin has no such stream, if the stream does not hold its
    /// response, or if the callback has resumed or replied to 128 streams already. In the last case
    /// keep the number of the stream, and resume it from a later tick. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// Three host calls: one to act on the stream, one to resume it, and one to act on the plugin
    /// again.
    #[doc(alias("resume_http_response", "SetEffectiveContext", "ResumeHttpResponse"))]
    pub fn resume_response(&self, stream: u32) -> Result<()> {
        self.resume(stream, StreamType::HttpResponse)
    }

    /// Resumes the client's data of a connection that one of its callbacks paused.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the plugin has no such connection, if the connection does not
    /// hold its data, or if the callback has resumed or replied to 128 streams already. In the last
    /// case resume the connection from a later tick. Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// Three host calls: one to act on the connection, one to resume it, and one to act on the
    /// plugin again.
    #[doc(alias = "ContinueTcpStream")]
    pub fn resume_downstream(&self, connection: u32) -> Result<()> {
        self.resume(connection, StreamType::Downstream)
    }

    /// Runs a closure that acts on an HTTP stream, given by its number, as the stream's own
    /// callbacks do. From a tick, for example, the closure can reply to, reset, read, edit or
    /// resume a stream that one of its callbacks paused. The stream owns the calls that the closure
    /// makes, and gets their responses. The context of the stream's filter, the stream's arena and
    /// its budget are out of reach.
    ///
    /// An error of the closure is the error of this call. The failure policy of the stream's filter
    /// does not apply to it.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn refuse(plugin: &mut PluginHandle<'_>, streams: &mut Vec<u32>) {
    ///     // One callback answers at most 128 streams. The others wait for the next tick.
    ///     for stream in streams.drain(..streams.len().min(128)) {
    ///         // A stream that is gone meanwhile is an error of this call alone.
    ///         let reply = |stream: &mut HttpHandle<'_>| stream.reply(&LocalResponse::new(503));
    ///         if let Err(error) = plugin.with_http_stream(stream, reply) {
    ///             debug!("stream {stream}: {error}");
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without running the closure if the plugin has no open stream of this number, or if the
    /// host refuses. Fails with the closure's error.
    ///
    /// # Cost
    ///
    /// Two host calls that return nothing, and the host calls of the closure.
    #[doc(alias = "SetEffectiveContext")]
    #[doc(alias = "set_effective_context")]
    pub fn with_http_stream<R>(
        &mut self,
        stream: u32,
        act: impl FnOnce(&mut HttpHandle<'_>) -> Result<R>,
    ) -> Result<R> {
        self.acting_on(Kind::Http, stream, || Slot::new().within(|| act(&mut HttpHandle::new(stream, &()))))
    }

    /// Runs a closure that acts on a connection, given by its number, as
    /// [`with_http_stream`](Self::with_http_stream) does for an HTTP stream.
    ///
    /// # Errors
    ///
    /// Fails as [`with_http_stream`](Self::with_http_stream) does.
    ///
    /// # Cost
    ///
    /// The cost of [`with_http_stream`](Self::with_http_stream).
    #[doc(alias("SetEffectiveContext", "set_effective_context"))]
    pub fn with_tcp_connection<R>(
        &mut self,
        connection: u32,
        act: impl FnOnce(&mut TcpHandle<'_>) -> Result<R>,
    ) -> Result<R> {
        self.acting_on(Kind::Tcp, connection, || Slot::new().within(|| act(&mut TcpHandle::new(connection, &()))))
    }

    fn resume(&self, stream: u32, direction: StreamType) -> Result<()> {
        self.acting_on(direction.into(), stream, || resume(direction))
    }

    /// Acts on the stream, and then on the plugin again, whether the closure fails or not.
    fn acting_on<R>(&self, kind: Kind, stream: u32, act: impl FnOnce() -> Result<R>) -> Result<R> {
        with_stream(kind, stream, |state| {
            set_effective_context(stream)?;
            let acted = state.within(act);
            // Host calls must act on the plugin again even if the closure fails.
            set_effective_context(self.id)?;
            acted
        })
    }

    /// Sets the budgets of the VM, in place of the budgets that the code set before. Values of the
    /// plugin's configuration [take precedence](crate::budget#from-the-configuration).
    ///
    /// # Errors
    ///
    /// Fails if the fields do not fit each other, or if there is no memory for the reserve. Fails
    /// if `pages` are given and the module's allocator takes no limit. The standard library's
    /// allocator takes none, whether `alloc-system` selected it or no feature selected another.
    ///
    /// # Cost
    ///
    /// No host call, except for the metrics, each of which is defined once.
    #[cfg(feature = "budget")]
    pub fn set_budget(&self, budget: budget::Budget) -> Result<()> {
        budget::apply(budget)
    }

    /// Returns a report of where the memory of this VM is, for a log line or a response.
    #[cfg(feature = "budget")]
    #[must_use]
    pub fn memory_report(&self) -> budget::MemoryReport {
        budget::report()
    }

    /// Ends a plugin whose `on_done` returned `false`.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn on_tick(plugin: &mut PluginHandle<'_>, unsent: usize) -> Result<()> {
    ///     // `on_done` returned `false`, because lines were left to send.
    ///     if unsent == 0 { plugin.done() } else { Ok(()) }
    /// }
    /// ```
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
        call::done().map_err(|status| Error::host("proxy_done", Subject::Nothing, status))
    }
}
