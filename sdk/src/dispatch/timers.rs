//! The tick of the host, and the timers that are due at it.

use super::Dispatcher;
use super::contexts::PluginOf;
use crate::abi::{CallbackScope, LogLevel};
use crate::callout::ContextRef;
use crate::context::named::Facts;
use crate::context::{HttpFilter, TcpFilter};
use crate::log;
use crate::stream_state::begin_entry;
use crate::timer::{self, Due};

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    /// `true` if there are timers beside `on_tick`. Otherwise no code for timers is linked.
    pub(super) const TIMERS: bool = H::TASKS || T::TASKS || PluginOf::<H>::TIMERS || PluginOf::<H>::TASKS;

    pub(super) fn run_timers(&self, plugin: u32) {
        // All timers of a tick run in one entry: the host carries out what they ask for when the
        // last of them has returned.
        let _scope = CallbackScope::new();
        begin_entry();
        // Timers that are started meanwhile are due later than this.
        let by = timer::ticked(plugin);
        while let Some(due) = timer::take_due(plugin, by) {
            match due {
                Due::Tick => self.tick(plugin),
                Due::Run(number, name, mut run) => {
                    let ran = self.with_plugin(plugin, 0, |context, handle| {
                        run(ContextRef { id: plugin, context, above: handle.above }) //
                    });
                    if let Some(Err(error)) = ran {
                        log::failure(LogLevel::Error, name, plugin, &error);
                    }
                    timer::give_back(plugin, number, run);
                }
            }
        }
        if let Err(error) = timer::rearm(plugin) {
            log::failure(LogLevel::Error, "timers", plugin, &error);
        }
    }
}
