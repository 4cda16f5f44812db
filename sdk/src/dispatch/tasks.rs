//! How the tasks of a context end, and how a timer wakes them.

use super::{Dispatcher, http, tcp};
use crate::abi::{LogLevel, call};
use crate::callout::held;
use crate::context::{Action, FailurePolicy, HttpFilter, PluginContext, TcpFilter};
use crate::handle::resume;
use crate::log;
use crate::task::{self, Ended};

/// What the log names.
const NAME: &str = "task";

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    /// Whether any context runs tasks.
    pub(super) const TASKS: bool = H::TASKS || T::TASKS || <H::Plugin as PluginContext>::TASKS;

    /// Polls the tasks of a context of the plugin.
    pub(super) fn wake(&self, plugin: u32, context: u32) {
        self.answer(NAME, context, |_, _| Ok(()), |_, _| Ok(()), |_, _| Ok(()));
        // The plugin's other timers act on the plugin. If the host refuses, they are refused too.
        if context != plugin {
            let _ = call::set_effective_context(plugin);
        }
    }
}

/// A task ended that holds nothing, or its error is all that is left of it.
pub(super) fn end_beside(ended: Ended) {
    if let Ended::Beside(Err(error)) | Ended::Held { answer: Err(error), .. } = ended {
        log::failure(LogLevel::Error, NAME, &error);
    }
}

pub(super) fn end_http<H: HttpFilter>(ended: Ended) {
    end(ended, H::ON_ERROR, |status| {
        http::refuse(status, 0);
    });
}

pub(super) fn end_tcp<T: TcpFilter>(ended: Ended) {
    end(ended, T::ON_ERROR, |_| tcp::close());
}

fn end(ended: Ended, policy: FailurePolicy, refuse: impl FnOnce(u16)) {
    let Ended::Held { context, direction, answer, at_once } = ended else { return end_beside(ended) };
    let goes_on = match answer {
        Ok(action) => matches!(action, Action::Continue | Action::ContinueAndEndStream),
        Err(error) => {
            log::failure(LogLevel::Error, NAME, &error);
            let refused = policy.status();
            refused.map(refuse);
            refused.is_none()
        }
    };
    if !goes_on {
        return;
    }
    if at_once {
        task::end_at_once();
    } else if !held::went_on(context, direction)
        && let Err(error) = resume(context, direction)
    {
        log::failure(LogLevel::Error, NAME, &error);
    }
}
