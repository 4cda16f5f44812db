//! The three kinds of context, as traits: what a filter's author implements.
//!
//! A proxy runs a module in one VM per worker thread. A VM holds one plugin context for each configuration of the plugin, and each plugin context
//! one HTTP context for each stream that is open. The attributes [`vm_context`](crate::vm_context), [`plugin_context`](crate::plugin_context) and
//! [`http_filter`](crate::http_filter) go on the implementations; they fill in what is left out and tell [`plugin!`](crate::plugin) which callbacks to
//! export, so that the proxy does not enter the VM for a callback that does nothing.
//!
//! The order in Envoy: plugin context created, VM start, configure; then for each stream created, headers, log, done, delete. A host may start a
//! VM and throw it away again (Envoy does so once for each configuration), and may call `on_vm_start` once for each plugin.

use crate::error::Result;
use crate::handle::{HttpHandle, PluginHandle, RequestHeaders, ResponseHeaders, VmHandle};
use crate::queue::Queue;

/// Whether a VM or plugin can work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartStatus {
    /// It can.
    Ok,
    /// It cannot: the proxy refuses the configuration.
    Failed,
}

/// What the proxy does with a stream after a headers callback.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Action {
    /// Go on to the next filter.
    Continue = 0,
    /// Hold the headers here. Envoy holds the body too, as if [`StopAllIterationAndWatermark`](Self::StopAllIterationAndWatermark) were answered,
    /// unless its plugin configuration sets `allow_on_headers_stop_iteration`.
    StopIteration = 1,
    /// Go on, and end the stream here. Envoy takes it for [`Continue`](Self::Continue).
    ContinueAndEndStream = 2,
    /// Hold everything; a body over the buffer's limit is answered with 413, or 500 for a response.
    StopAllIterationAndBuffer = 3,
    /// Hold everything; a body over the buffer's limit makes the sender wait.
    StopAllIterationAndWatermark = 4,
}

impl Action {
    /// The name that the specification and other SDKs have for [`StopIteration`](Self::StopIteration).
    #[allow(non_upper_case_globals, reason = "it stands beside the variants")]
    pub const Pause: Self = Self::StopIteration;
}

/// What happens to a stream when a callback answers an error, or its context is missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailurePolicy {
    /// The client gets a 500; nothing passes unfiltered.
    Closed,
    /// The stream goes on as if the filter were not there.
    Open,
}

/// The VM: one for each worker thread, shared by all plugin contexts in it.
#[doc(alias = "VMContext")]
pub trait VmContext: Sized + 'static {
    /// Makes the context, before anything else. Filled in with [`Default`] if left out.
    fn create() -> Self;

    /// The VM starts, or a further plugin context starts in it.
    ///
    /// # Errors
    ///
    /// An error is logged, and refuses the VM like [`StartStatus::Failed`].
    #[doc(alias = "OnVMStart")]
    fn on_vm_start(&mut self, vm: &mut VmHandle<'_>) -> Result<StartStatus> {
        let _ = vm;
        Ok(StartStatus::Ok)
    }
}

impl VmContext for () {
    fn create() -> Self {}
}

/// A plugin: one for each configuration in a VM. Its streams reach it by reference, so what they change in it is in a `Cell` or `RefCell`.
#[doc(alias = "RootContext")]
pub trait PluginContext: Sized + 'static {
    /// The VM's context. Filled in with `()` if left out.
    type Vm: VmContext;

    /// Makes the context. Filled in with [`Default`] if left out.
    fn create(vm: &Self::Vm, id: u32) -> Self;

    /// The plugin starts: its configuration can be read, ticks can be asked for.
    ///
    /// # Errors
    ///
    /// An error is logged, and refuses the configuration like [`StartStatus::Failed`].
    #[doc(alias = "OnPluginStart")]
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<StartStatus> {
        let _ = plugin;
        Ok(StartStatus::Ok)
    }

    /// The period that [`PluginHandle::set_tick_period`] asked for has passed.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnTick")]
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> Result<()> {
        let _ = plugin;
        Ok(())
    }

    /// There is an item in a queue that this plugin registered. Another VM may have taken it meanwhile.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[doc(alias = "OnQueueReady")]
    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>, queue: Queue) -> Result<()> {
        let _ = (plugin, queue);
        Ok(())
    }

    /// The plugin ends. With `false` the proxy waits until [`PluginHandle::done`].
    #[doc(alias = "OnPluginDone")]
    fn on_done(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) -> bool {
        let _ = plugin;
        true
    }

    /// The last callback; the context is dropped after it.
    fn on_delete(&mut self, plugin: &mut PluginHandle<'_, Self::Vm>) {
        let _ = plugin;
    }
}

impl PluginContext for () {
    type Vm = ();

    fn create((): &(), _: u32) -> Self {}
}

/// A stream: one HTTP request and its response.
#[doc(alias = "HttpContext")]
pub trait HttpFilter: Sized + 'static {
    /// The plugin's context, which [`RequestHeaders::plugin`] and the other handles give without a copy. Filled in with `()` if left out.
    type Plugin: PluginContext;

    /// What happens to the stream when a callback answers an error. Closed unless the filter says otherwise.
    const ON_ERROR: FailurePolicy = FailurePolicy::Closed;

    /// Makes the context. Filled in with [`Default`] if left out.
    #[doc(alias = "NewHttpContext")]
    fn create(plugin: &Self::Plugin, id: u32) -> Self;

    /// The request's headers are here.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "OnHttpRequestHeaders")]
    #[doc(alias = "on_http_request_headers")]
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Self::Plugin>) -> Result<Action> {
        let _ = request;
        Ok(Action::Continue)
    }

    /// The response's headers are here.
    ///
    /// # Errors
    ///
    /// An error is logged, and [`ON_ERROR`](Self::ON_ERROR) decides about the stream.
    #[doc(alias = "OnHttpResponseHeaders")]
    #[doc(alias = "on_http_response_headers")]
    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Self::Plugin>) -> Result<Action> {
        let _ = response;
        Ok(Action::Continue)
    }

    /// The stream is complete and goes to the access log. All of its headers can be read.
    ///
    /// Envoy calls it before [`on_done`](Self::on_done), other hosts after it.
    #[doc(alias = "OnHttpStreamDone")]
    fn on_log(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) {
        let _ = stream;
    }

    /// The stream is over.
    fn on_done(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) {
        let _ = stream;
    }

    /// The last callback; the context is dropped after it.
    fn on_delete(&mut self, stream: &mut HttpHandle<'_, Self::Plugin>) {
        let _ = stream;
    }
}
