//! The failure policy of HTTP streams: the status and the reply after an error.

use super::held;
use super::http::Rest;
use super::stranded;
use crate::abi::{LogLevel, StreamType};
use crate::context::HttpFilter;
use crate::error::{Error, Result};
use crate::failures;
use crate::log;
use crate::reply::LocalResponse;
use crate::stream_state::{self, Phase, STOP, State};

/// The code for a callback that failed, which is logged, and for one that did not run.
pub(super) const FAILED: u32 = u32::MAX;

/// Returns the number of the status that a callback returned. An error is turned into a number
/// here, before the result is used: an error is as large as all other values of a callback that
/// succeeds.
#[inline]
pub(super) fn code_of<R>(name: &str, context: u32, answer: Result<R>, code: impl FnOnce(R) -> u32) -> u32 {
    match answer {
        Ok(answer) => code(answer),
        Err(error) => failed(name, context, error),
    }
}

#[cold]
#[inline(never)]
pub(super) fn failed(name: &str, context: u32, error: Error) -> u32 {
    log::failure(LogLevel::Error, name, context, &error);
    FAILED
}

/// Returns the status for a callback whose context is missing or busy. The line in the log was
/// written before.
#[cold]
#[inline(never)]
pub(super) fn missing<H: HttpFilter>(state: Option<&State>) -> u32 {
    failures::count();
    let Some(status) = H::ON_ERROR.status() else { return 0 };
    match state {
        Some(state) => {
            refuse(state, status);
        }
        // Nothing is known about the stream.
        None => drop(LocalResponse::new(status).details(DETAILS).send_now()),
    }
    STOP
}

/// Returns the status for the host. For a callback that failed, the filter's policy decides.
#[inline]
pub(super) fn conclude<H: HttpFilter>(context: u32, state: &State, phase: Phase, code: u32, rest: Rest) -> u32 {
    if code == FAILED {
        return failed_status::<H>(state, phase);
    }
    if code != 0 {
        match rest {
            Rest::Body => stream_state::warn_of_pause(state, code),
            Rest::Nothing if stranded::pauses_for_good::<H>(context, state, phase) => {
                return failed_status::<H>(state, phase);
            }
            Rest::Parts | Rest::Nothing => {}
        }
    }
    let status = state.status(phase, code);
    if matches!(rest, Rest::Body) && status == STOP && held::gathers::<H>(phase.direction()) {
        return held::status(state, phase.direction());
    }
    status
}

#[cold]
#[inline(never)]
fn failed_status<H: HttpFilter>(state: &State, phase: Phase) -> u32 {
    match H::ON_ERROR.status() {
        // A local reply goes on to the client: the stream is refused already.
        Some(status) if !state.passes_reply(phase) => {
            refuse(state, status);
            state.returned(phase, STOP);
            state.status(phase, STOP)
        }
        _ => {
            state.returned(phase, 0);
            state.status(phase, 0)
        }
    }
}

/// Applies the policy to a stream whose callback failed, or that could not get a response.
#[cold]
#[inline(never)]
pub(super) fn fail<H: HttpFilter>(context: u32, state: &State) {
    match H::ON_ERROR.status() {
        Some(status) => {
            refuse(state, status);
        }
        None => let_go(context, state, [StreamType::HttpRequest, StreamType::HttpResponse]),
    }
}

/// Resumes the directions that a stream's callbacks paused, because the policy is to be open.
pub(super) fn let_go(context: u32, state: &State, directions: [StreamType; 2]) {
    if let Err(error) = state.let_all_go(directions) {
        log::failure(LogLevel::Error, "resuming", context, &error);
    }
}

/// The details in the proxy's access log of a local reply after an error.
const DETAILS: &str = "filter_error";

/// Replies to a stream after an error, if it was not replied to before and has not ended. If the
/// host refuses, a response is on its way already. The stream stops here even then. From the
/// metadata of a response no reply is possible, so a later callback makes it. Returns whether that
/// is so.
#[cold]
#[inline(never)]
pub(super) fn refuse(state: &State, status: u16) -> bool {
    if state.may_reply().is_err() {
        return state.postpone();
    }
    let _ = LocalResponse::new(status).details(DETAILS).send_now();
    state.replied();
    false
}
