//! The context of a plugin.

use super::{StartStatus, VmContext};
use crate::callout::{CallResponse, GrpcEvent};
use crate::error::Result;
use crate::handle::{LogEntry, PluginHandle};
use crate::queue::Queue;

/// A plugin: one for each configuration in a VM. Its streams reach it by reference, so what they
/// change in it is in a `Cell` or `RefCell`.
#[doc(alias = "RootContext")]
pub trait PluginContext: Sized + 'static {
    /// The VM's context. Filled in with `()` if left out.
    type Vm: VmContext;

    /// Whether the attribute says `calls`: answers may come to closures.
    #[doc(hidden)]
    const CALLS: bool = false;

    /// Whether the attribute says `tasks`.
    #[doc(hidden)]
    const TASKS: bool = false;

    /// Whether the attribute says `timers`.
    #[doc(hidden)]
    const TIMERS: bool = false;

    /// Whether it has [`on_log`](Self::on_log).
    #[doc(hidden)]
    const LOGS: bool = false;

    /// Whether it has [`on_http_call_response`](Self::on_http_call_response).
    #[doc(hidden)]
    const HTTP_ANSWERS: bool = false;

    /// Whether it has [`on_grpc_event`](Self::on_grpc_event).
    #[doc(hidden)]
    const GRPC_ANSWERS: bool = false;

    /// Whether it has callbacks from which it may let streams go on.
    #[doc(hidden)]
    const RESUMES: bool = false;

    /// Whether there is no plugin, which then reaches no streams.
    #[doc(hidden)]
    const ABSENT: bool = false;

    /// Makes the context. Filled in with [`Default`] if left out.
    fn create(vm: &Self::Vm, id: u32) -> Self;

    /// Returns the plugin starts: its configuration can be read, ticks can be asked for.
    ///
    /// # Errors
    ///
    /// An error is logged, and refuses the configuration like [`StartStatus::Failed`].
    #[doc(alias = "OnPluginStart")]
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<StartStatus> {
        let _ = plugin;
        Ok(StartStatus::Ok)
    }

    /// Returns the proxy asks whether it could start with a configuration, which
    /// [`PluginHandle::configuration`] gives. Envoy knows the callback and does not call it.
    ///
    /// # Errors
    ///
    /// An error is logged, and refuses the configuration like [`StartStatus::Failed`].
    #[doc(alias = "validateConfiguration")]
    fn on_validate_configuration(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<StartStatus> {
        let _ = plugin;
        Ok(StartStatus::Ok)
    }

    /// Returns the proxy calls a function of the plugin, with arguments that
    /// [`PluginHandle::foreign_arguments`] gives. Envoy does so in tests only.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, function: u32) -> Result<()> {
        let _ = (plugin, function);
        Ok(())
    }

    /// Returns the period that [`PluginHandle::set_tick_period`] asked for has passed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnTick")]
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<()> {
        let _ = plugin;
        Ok(())
    }

    /// There is an item in a queue that this plugin registered. Another VM may have taken it
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnQueueReady")]
    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, queue: Queue) -> Result<()> {
        let _ = (plugin, queue);
        Ok(())
    }

    /// Returns a call that the plugin dispatched is answered, or has failed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_http_call_response(
        &mut self,
        plugin: &mut PluginHandle<'_, Self::Vm>,
        response: &CallResponse,
    ) -> Result<()> {
        let _ = (plugin, response);
        Ok(())
    }

    /// Returns a gRPC call or stream that this context opened has news.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "on_grpc_call_response")]
    #[doc(alias = "on_grpc_stream_message")]
    fn on_grpc_event(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, event: &GrpcEvent) -> Result<()> {
        let _ = (plugin, event);
        Ok(())
    }

    /// More or less of the [total budget](crate::budget) is used than before: caches may shrink.
    /// After the callback in which it changed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[cfg(feature = "budget")]
    fn on_memory_pressure(
        &mut self,
        plugin: &mut PluginHandle<'_, Self::Vm>,
        pressure: crate::budget::Pressure,
    ) -> Result<()> {
        let _ = (plugin, pressure);
        Ok(())
    }

    /// Returns a request is over and goes to the access log that the plugin writes: one of a
    /// proxy's `access_log`, not of its filters. Its headers, trailers and properties can be read
    /// here, and nowhere else.
    ///
    /// Of a plugin that is a filter's too, hosts call it for no stream of the filter's: those have
    /// [`HttpFilter::on_log`](super::HttpFilter::on_log).
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_log(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, entry: &LogEntry<'_>) -> Result<()> {
        let _ = (plugin, entry);
        Ok(())
    }

    /// Returns the plugin ends. With `false` the proxy waits until [`PluginHandle::done`].
    ///
    /// # Errors
    ///
    /// An error is logged, and the proxy does not wait.
    #[doc(alias = "OnPluginDone")]
    fn on_done(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<bool> {
        let _ = plugin;
        Ok(true)
    }

    /// Returns the last callback; the context is dropped after it.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_delete(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<()> {
        let _ = plugin;
        Ok(())
    }
}

impl PluginContext for () {
    type Vm = ();
    const ABSENT: bool = true;

    fn create((): &(), _: u32) -> Self {}
}
