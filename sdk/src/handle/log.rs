//! An entry of the access log.

use core::marker::PhantomData;

/// What goes to the access log, in [`PluginContext::on_log`](crate::PluginContext::on_log): a
/// request and its response that are over, and cannot be changed. What the proxy knows beside them
/// is in [`property`](crate::property).
///
/// A connection that is logged has no headers.
#[derive(Debug)]
pub struct LogEntry<'cb> {
    pub(crate) callback: PhantomData<&'cb ()>,
}

impl LogEntry<'_> {
    maps!();
}
