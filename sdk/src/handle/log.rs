//! An entry of the access log.

use core::marker::PhantomData;

/// An entry of the access log, in [`PluginContext::on_log`](crate::PluginContext::on_log): a
/// request and its response that are over, and cannot be changed. [`property`](crate::property)
/// reads what else the proxy knows about them.
///
/// A connection that is logged has no headers.
#[derive(Debug)]
pub struct LogEntry<'cb> {
    pub(crate) callback: PhantomData<&'cb ()>,
}

impl LogEntry<'_> {
    maps!();
}
