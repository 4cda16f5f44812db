//! The poll of woken tasks, for a context that has no callback for them.

use super::Dispatcher;
use super::answers::act_on;
use super::contexts::PluginOf;
use super::task_ends::NAME;
use crate::abi::CallbackScope;
use crate::context::named::Facts;
use crate::context::{HttpFilter, TcpFilter};

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    /// `true` if any context runs tasks.
    pub(super) const TASKS: bool = H::TASKS || T::TASKS || PluginOf::<H>::TASKS;

    /// Polls the woken tasks of a context that has no callback for them.
    pub(super) fn poll_tasks(&self, context: u32) {
        let acts = || act_on(NAME, context);
        if self.plugins.contains(context) {
            // A host that calls back within this finds a callback running.
            let _scope = CallbackScope::new();
            if acts() {
                self.with_plugin(context, 0, |_, _| ());
            }
        } else if let Some(stream) = self.streams.get(context).filter(|_| H::TRACKED) {
            stream.run_after(context, self, acts, |_, _| ());
        } else if let Some(connection) = self.connections.get(context).filter(|_| T::TRACKED) {
            connection.run_after(context, self, acts, |_, _| ());
        }
    }
}
