//! Messages that a filter paused, and that nothing is left to resume. Such a message would wait for
//! a timeout of the proxy, so it is an error, and the filter's policy decides.
//!
//! A filter can resume a message in a later callback for it, in the response to a call, in a task
//! or at a tick, and its plugin can in a few callbacks of its own. The callbacks of the other
//! direction do not count, because they may never come.

use super::contexts::PluginOf;
use crate::abi::LogLevel;
use crate::context::HttpFilter;
use crate::context::named::Facts;
use crate::error::Error;
use crate::log;
use crate::stream_state::{Phase, State};

/// Returns whether a status pauses a message at its end, and nothing is left that could resume the
/// message. Logs it.
#[cold]
#[inline(never)]
pub(super) fn pauses_for_good<H: HttpFilter>(context: u32, state: &State, phase: Phase) -> bool {
    let strands = state.pause_at_end(phase) && is_alone::<H>(context);
    if strands {
        log::failure(LogLevel::Error, "the status of a callback", context, &STRANDED);
    }
    strands
}

/// Returns whether nothing is left that could resume a message which a filter paused, and logs it.
#[inline]
pub(super) fn is_stranded<H: HttpFilter>(name: &str, context: u32, state: &State) -> bool {
    let is_stranded = state.is_stranded() && is_alone::<H>(context);
    if is_stranded {
        log::failure(LogLevel::Error, name, context, &STRANDED);
    }
    is_stranded
}

/// Returns whether neither a task of the stream nor its plugin can resume the stream.
#[cfg_attr(not(feature = "async"), allow(unused_variables, reason = "there are no tasks to look for"))]
fn is_alone<H: HttpFilter>(context: u32) -> bool {
    #[cfg(feature = "async")]
    if H::TASKS && crate::task::has_tasks(context) {
        return false;
    }
    !(PluginOf::<H>::RESUMES || PluginOf::<H>::CALLS || PluginOf::<H>::TASKS)
}

const STRANDED: Error =
    Error::new("a message is paused, and nothing is left that could resume it: no callback, call, task or tick");
