//! The traits of the four kinds of context, which a filter's author implements.
//!
//! A proxy runs a module in one VM per worker thread. A VM holds one plugin context for each
//! configuration of the plugin. A plugin context holds one context for each open HTTP stream or
//! connection. The attributes [`vm_context`](crate::vm_context),
//! [`plugin_context`](crate::plugin_context), [`http_filter`](crate::http_filter) and
//! [`tcp_filter`](crate::tcp_filter) stand above the implementations. They fill in the parts that
//! are left out, and tell [`plugin!`](crate::plugin) which callbacks to export. So the proxy does
//! not enter the VM for a callback that does nothing.
//!
//! The order in Envoy is: create the plugin context, start the VM, configure; then for each stream
//! create, headers, log, done, delete. A host may start a VM and throw it away again, as Envoy does
//! once for each configuration. A host may call `on_vm_start` once for each plugin.

mod actions;
mod http;
#[doc(hidden)]
pub mod named;
mod plugin;
mod tcp;

pub use actions::{Action, DataAction, FailurePolicy, FilterStatus, StartStatus, Upgrades};
pub use http::HttpFilter;
pub use plugin::PluginContext;
pub use tcp::TcpFilter;

use crate::error::Result;
use crate::handle::VmHandle;
use named::VmAttribute;

/// The context of a VM. There is one for each worker thread, which all plugin contexts of the VM
/// share.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Vm;
///
/// #[sluicegate::vm_context]
/// impl VmContext for Vm {
///     fn on_vm_start(&mut self, vm: &mut VmHandle<'_>) -> Result<StartStatus> {
///         Ok(if vm.configuration()?.is_empty() { StartStatus::Failed } else { StartStatus::Ok })
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
#[doc(alias("VMContext", "DefaultVMContext"))]
pub trait VmContext: VmAttribute + Sized + 'static {
    /// Makes the context, before any other callback. The attribute fills in [`Default`] if it is
    /// left out.
    fn create() -> Self;

    /// Handles the start of the VM, or of a further plugin context in the VM.
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

impl VmAttribute for () {}

impl VmContext for () {
    fn create() -> Self {}
}
