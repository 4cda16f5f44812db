//! The warning about headers that wait for a body which may never come.

use core::cell::Cell;

use super::{REPLIED, State};
use crate::abi::LogLevel;
use crate::context::Action;
use crate::log;

crate::__vm_local! {
    /// `true` if the warning was written.
    static WARNED: Cell<bool> = Cell::new(false);
}

/// Warns once in a VM about headers that wait for a body which may never come.
#[cold]
#[inline(never)]
pub(crate) fn warn_of_pause(state: &State, status: u32) {
    let waits = state.has(REPLIED) || state.waits();
    if status == Action::StopIteration as u32 && !waits && !WARNED.with(|warned| warned.replace(true)) {
        log::write_text(LogLevel::Warn, STUCK);
    }
}

/// The text of the warning.
const STUCK: &str = "sluicegate: a filter paused headers whose body is still to come, and no call, task or timer will resume \
                     them. Envoy shows a filter no body of paused headers unless its configuration sets \
                     allow_on_headers_stop_iteration, so the message may wait until it times out";
