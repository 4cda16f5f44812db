//! An entry of the access log.

use super::Handle;
use crate::owner::AccessLog;

/// An entry of the access log, in [`PluginContext::on_log`](crate::PluginContext::on_log): a
/// request and its response that are over, and cannot be changed. [`property`](crate::property)
/// reads what else the proxy knows about them.
///
/// A connection that is logged has no headers.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Plugin;
///
/// #[sluicegate::plugin_context]
/// impl PluginContext for Plugin {
///     fn on_log(&mut self, _: &mut PluginHandle<'_>, entry: &AccessLogEntry<'_>) -> Result<()> {
///         let status = entry.fetch_response_header(":status")?;
///         info!("status {:?}", status.as_deref().map(ByteStr::new));
///         Ok(())
///     }
/// }
/// # sluicegate::plugin!(plugin: Plugin);
/// # fn main() {}
/// ```
pub type AccessLogEntry<'cb> = Handle<'cb, AccessLog>;
