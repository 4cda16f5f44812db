//! How the tasks of a context end, and how a timer wakes them.

use super::answers::act_on;
use super::{Dispatcher, http, tcp};
use crate::abi::{Entry, LogLevel};
use crate::context::{HttpFilter, PluginContext, TcpFilter};
use crate::log;
use crate::stream_state::{self, State};
use crate::task::Ended;

/// What the log names.
const NAME: &str = "task";

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    /// Whether any context runs tasks.
    pub(super) const TASKS: bool = H::TASKS || T::TASKS || <H::Plugin as PluginContext>::TASKS;

    /// Polls the woken tasks of a context, which has no callback for them.
    pub(super) fn poll_tasks(&self, context: u32) {
        let acts = || act_on(NAME, context);
        if self.plugins.contains(context) {
            // What the host calls within this finds a callback that runs.
            let _entry = Entry::new();
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

/// A task ended that holds nothing, or its error is all that is left of it.
pub(super) fn end_beside(context: u32, ended: Ended) {
    if let Ended::Beside(Err(error)) | Ended::Held { answer: Err(error), .. } = ended {
        log::failure(LogLevel::Error, NAME, context, &error);
    }
}

pub(super) fn end_http<H: HttpFilter>(context: u32, ended: Ended) {
    end(context, ended, |state| H::ON_ERROR.status().map(|status| http::refuse(state, status)).is_some());
}

pub(super) fn end_tcp<T: TcpFilter>(context: u32, ended: Ended) {
    end(context, ended, |state| T::ON_ERROR.status().map(|_| tcp::refuse(state)).is_some());
}

/// Lets go what the task held, or leaves it, as the task says. For an error `refuse` does what the
/// policy says, unless that is to be open.
fn end(context: u32, ended: Ended, refuse: impl FnOnce(&State) -> bool) {
    let Ended::Held { direction, answer } = ended else { return end_beside(context, ended) };
    stream_state::current(|state| {
        let Some(state) = state else { return };
        let failed = answer.is_err();
        if let Err(error) = state.judged(direction, answer) {
            log::failure(LogLevel::Error, NAME, context, &error);
            if failed
                && !refuse(state)
                && let Err(error) = state.let_go(direction)
            {
                log::failure(LogLevel::Error, NAME, context, &error);
            }
        }
    });
}
