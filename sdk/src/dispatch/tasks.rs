//! The end of a context's tasks, and their wake-up by a timer.

use super::answers::act_on;
use super::{Dispatcher, http, tcp};
use crate::abi::{Entry, LogLevel};
use crate::context::{HttpFilter, PluginContext, TcpFilter};
use crate::log;
use crate::stream_state::{self, State};
use crate::task::Ended;

/// The name of a task in the log.
const NAME: &str = "task";

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    /// `true` if any context runs tasks.
    pub(super) const TASKS: bool = H::TASKS || T::TASKS || <H::Plugin as PluginContext>::TASKS;

    /// Polls the woken tasks of a context that has no callback for them.
    pub(super) fn poll_tasks(&self, context: u32) {
        let acts = || act_on(NAME, context);
        if self.plugins.contains(context) {
            // A host that calls back within this finds a callback running.
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

/// Handles the end of a task that holds nothing, or of one whose error is all that is left.
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

/// Resumes the direction that the task held, or leaves it paused, as the task returned. For an
/// error `refuse` applies the policy, and returns `false` if the policy is to be open.
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
