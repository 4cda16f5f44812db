//! The four kinds of context, as traits: what a filter's author implements.
//!
//! A proxy runs a module in one VM per worker thread. A VM holds one plugin context for each
//! configuration of the plugin, and each plugin context one context for each HTTP stream or
//! connection that is open. The attributes [`vm_context`](crate::vm_context),
//! [`plugin_context`](crate::plugin_context), [`http_filter`](crate::http_filter) and
//! [`tcp_filter`](crate::tcp_filter) go on the implementations; they fill in what is left out and
//! tell [`plugin!`](crate::plugin) which callbacks to export, so that the proxy does not enter the
//! VM for a callback that does nothing.
//!
//! The order in Envoy: plugin context created, VM start, configure; then for each stream created,
//! headers, log, done, delete. A host may start a VM and throw it away again (Envoy does so once
//! for each configuration), and may call `on_vm_start` once for each plugin.

mod actions;
mod http;
#[doc(hidden)]
pub mod named;
mod plugin;
mod tcp;

pub use actions::{Action, DataAction, FailurePolicy, Flow, StartStatus, Upgrades};
pub use http::HttpFilter;
pub use plugin::PluginContext;
pub use tcp::TcpFilter;

use crate::error::Result;
use crate::handle::VmHandle;

/// The VM: one for each worker thread, shared by all plugin contexts in it.
#[doc(alias = "VMContext")]
pub trait VmContext: Sized + 'static {
    /// Makes the context, before anything else. Filled in with [`Default`] if left out.
    fn create() -> Self;

    /// Returns the VM starts, or a further plugin context starts in it.
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
