//! The end of a context's tasks.

use super::{http_policy, stranded, tcp_policy};
use crate::abi::LogLevel;
use crate::context::{HttpFilter, TcpFilter};
use crate::log;
use crate::stream_state::{self, State};
use crate::task::Ended;

/// The name of a task in the log.
pub(super) const NAME: &str = "task";

/// Handles the end of a task that holds nothing, or of one whose error is all that is left.
pub(super) fn end_beside(context: u32, ended: Ended) {
    if let Ended::Beside(Err(error)) | Ended::Held { answer: Err(error), .. } = ended {
        log::failure(LogLevel::Error, NAME, context, &error);
    }
}

pub(super) fn end_http<H: HttpFilter>(context: u32, ended: Ended) {
    end(context, ended, |state| {
        let Some(status) = H::ON_ERROR.status() else { return false };
        if http_policy::refuse(state, status) {
            // The reply is made then, if no callback of the stream comes before.
            crate::task::poll_later(context);
        }
        true
    });
    stream_state::current(|state| {
        if let Some(state) = state
            && stranded::is_stranded::<H>(NAME, context, state)
        {
            // The policy decides when the tasks have run.
            state.lose();
        }
    });
}

pub(super) fn end_tcp<T: TcpFilter>(context: u32, ended: Ended) {
    end(context, ended, |state| T::ON_ERROR.status().map(|_| tcp_policy::refuse(state)).is_some());
}

/// Resumes the direction that the task held, or leaves it paused, as the task returned. For an
/// error `refuse` applies the policy, and returns `false` if the policy is to be open.
fn end(context: u32, ended: Ended, refuse: impl FnOnce(&State) -> bool) {
    let Ended::Held { direction, answer } = ended else { return end_beside(context, ended) };
    stream_state::current(|state| {
        let Some(state) = state else { return };
        if let Err(error) = state.judged(direction, answer) {
            log::failure(LogLevel::Error, NAME, context, &error);
            // Also if the host refuses to resume: nobody holds the direction any more.
            if !refuse(state)
                && let Err(error) = state.let_go(direction)
            {
                log::failure(LogLevel::Error, NAME, context, &error);
            }
        }
    });
}
