//! The context of a plugin.

use super::named::{Facts, PluginAttribute};
use super::{StartStatus, VmContext};
use crate::callout::{CallResponse, GrpcEvent};
use crate::error::Result;
use crate::handle::{AccessLogEntry, PluginHandle};
use crate::queue::Queue;

/// The context of a plugin. A VM has one for each configuration. The streams of the plugin share it
/// by reference, so values that they change are in a `Cell` or `RefCell`.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Plugin {
///     greeting: Vec<u8>,
/// }
///
/// #[sluicegate::plugin_context]
/// impl PluginContext for Plugin {
///     fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
///         self.greeting = plugin.configuration()?.to_vec();
///         Ok(StartStatus::Ok)
///     }
/// }
///
/// #[derive(Default)]
/// struct Greet;
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Greet {
///     type Plugin = Plugin;
///
///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
///         request.replace("x-greeting", &request.plugin().greeting)?;
///         Ok(Action::Continue)
///     }
/// }
///
/// sluicegate::plugin!(plugin: Plugin, http: Greet);
/// # fn main() {}
/// ```
#[doc(alias("RootContext", "DefaultPluginContext"))]
pub trait PluginContext: PluginAttribute + Sized + 'static {
    /// The VM's context. The attribute fills in `()` if it is left out.
    type Vm: VmContext;

    /// Makes the context. The attribute fills in [`Default`] if it is left out.
    #[doc(alias("NewPluginContext", "NewRootContext"))]
    fn create(vm: &Self::Vm, id: u32) -> Self;

    /// Handles the start of the plugin. The callback can read the plugin's configuration, and ask
    /// for ticks.
    ///
    /// # Errors
    ///
    /// An error is logged, and refuses the configuration like [`StartStatus::Failed`].
    #[doc(alias = "OnPluginStart")]
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<StartStatus> {
        let _ = plugin;
        Ok(StartStatus::Ok)
    }

    /// Handles a question of the proxy: could the plugin start with the configuration that
    /// [`PluginHandle::configuration`] returns? Envoy knows the callback and does not call it.
    ///
    /// # Errors
    ///
    /// An error is logged, and refuses the configuration like [`StartStatus::Failed`].
    #[doc(alias = "validateConfiguration")]
    fn on_validate_configuration(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<StartStatus> {
        let _ = plugin;
        Ok(StartStatus::Ok)
    }

    /// Handles a call by the proxy of a function of the plugin, whose arguments
    /// [`PluginHandle::foreign_arguments`] returns. Envoy makes such calls in tests only.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, function: u32) -> Result<()> {
        let _ = (plugin, function);
        Ok(())
    }

    /// Handles a tick: the period that [`PluginHandle::set_tick_period`] asked for has passed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnTick")]
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<()> {
        let _ = plugin;
        Ok(())
    }

    /// Handles a new item in a queue that this plugin registered. Another VM may have taken the
    /// item meanwhile.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnQueueReady")]
    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, queue: Queue) -> Result<()> {
        let _ = (plugin, queue);
        Ok(())
    }

    /// Handles the response to a call that the plugin dispatched, or its failure.
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

    /// Handles an event of a gRPC call or stream that this context opened.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias(
        "on_grpc_call_response",
        "on_grpc_stream_message",
        "on_grpc_stream_initial_metadata",
        "on_grpc_stream_trailing_metadata",
        "on_grpc_stream_close"
    ))]
    fn on_grpc_event(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, event: &GrpcEvent) -> Result<()> {
        let _ = (plugin, event);
        Ok(())
    }

    /// Handles a change in how much of the [total budget](crate::budget) is used, so that caches
    /// may shrink. The callback runs after the one in which the use changed.
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

    /// Handles a request that is over and goes to the access log that the plugin writes: an
    /// `access_log` of the proxy that names the plugin, not one of its filters. The request's
    /// headers, trailers and properties can be read here, and nowhere else.
    ///
    /// If the plugin has a filter too, hosts do not call this for the streams of the filter: those
    /// have [`HttpFilter::on_log`](super::HttpFilter::on_log).
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_log(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, entry: &AccessLogEntry<'_>) -> Result<()> {
        let _ = (plugin, entry);
        Ok(())
    }

    /// Handles the end of the plugin. If the callback returns `false`, the proxy waits until
    /// [`PluginHandle::done`].
    ///
    /// # Errors
    ///
    /// An error is logged, and the proxy does not wait.
    #[doc(alias = "OnPluginDone")]
    fn on_done(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<bool> {
        let _ = plugin;
        Ok(true)
    }

    /// Handles the deletion of the context. This is its last callback, after which the context is
    /// dropped.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn on_delete(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<()> {
        let _ = plugin;
        Ok(())
    }
}

impl PluginAttribute for () {}

impl Facts for () {
    const ABSENT: bool = true;
}

impl PluginContext for () {
    type Vm = ();

    fn create((): &(), _: u32) -> Self {}
}
