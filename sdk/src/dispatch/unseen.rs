//! The parts of a message for which the filter has no callback. A paused part stays paused.
//!
//! If a module does not export a callback, a proxy assumes that the callback lets everything go on.
//! The proxy then resumes the parts that an earlier callback of the message paused: headers with
//! the first part of the body, if Envoy's configuration shows bodies of paused headers, and a body
//! with its trailers. So `plugin!` exports these callbacks for every filter that can pause the
//! parts before.

use super::contexts::PluginOf;
use super::http::{HttpCallbacks, Rest};
use super::http_policy::code_of;
use crate::abi::StreamType;
use crate::budget::{self, Event};
use crate::context::named::Facts;
use crate::context::{DataAction, FilterStatus, HttpFilter};
use crate::error::{Error, Result};
use crate::stream_state::{self, Phase, State};

/// The error of a filter that pauses a message, and cannot see that the message has ended.
const UNSEEN: Error = Error::new(
    "a body that was paused ends with trailers, which the filter does not see: use the callback for the complete body, or implement the one for the trailers",
);

/// Handles a part of a body.
pub(super) fn on_part<H: HttpFilter>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    phase: Phase,
    name: &str,
    (size, end_of_stream): (usize, bool),
) -> u32 {
    let direction = phase.direction();
    streams.decide_http(context, phase, Rest::behind_part(end_of_stream), |_, _| {
        let answer = pass_part(Event::Body(direction, size), direction);
        code_of(name, context, answer, |action| action as u32)
    })
}

/// Lets a part pass, unless the filter pauses the parts before it.
pub(super) fn pass_part(event: Event, direction: StreamType) -> Result<DataAction> {
    budget::guard(event, || {
        Ok(if stream_state::current(|state| state.is_some_and(|state| state.is_own_pause(direction))) {
            DataAction::Held
        } else {
            DataAction::Continue
        })
    })
}

/// Handles trailers.
pub(super) fn on_trailers<H: HttpFilter>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    phase: Phase,
    name: &str,
) -> u32 {
    let direction = phase.direction();
    streams.decide_http(context, phase, Rest::Nothing, |_, _| {
        let answer = budget::guard(Event::Trailers(direction), || pass_trailers::<H>(direction));
        code_of(name, context, answer, |flow| flow as u32)
    })
}

/// Lets trailers pass, unless the filter pauses the parts before them.
///
/// # Errors
///
/// Fails if the filter pauses the parts before, and nothing can resume them.
pub(super) fn pass_trailers<H: HttpFilter>(direction: StreamType) -> Result<FilterStatus> {
    match stream_state::current(|state| state.filter(|state| state.is_own_pause(direction)).map(State::waits)) {
        None => Ok(FilterStatus::Continue),
        Some(false) if !PluginOf::<H>::RESUMES => Err(UNSEEN),
        Some(_) => Ok(FilterStatus::Held),
    }
}

/// Refuses to keep a part of a body for a stateless filter: at the trailers the filter would not
/// know about the part.
pub(super) fn keep_none(answer: Result<DataAction>) -> Result<DataAction> {
    match answer {
        Ok(DataAction::StopIterationAndBuffer | DataAction::StopIterationAndWatermark)
            if !stream_state::current(|state| state.is_some_and(State::is_replied)) =>
        {
            Err(UNSEEN_BY_STATELESS)
        }
        answer => answer,
    }
}

/// The mistake of [`UNSEEN`] in a stateless filter, reported before it can happen.
const UNSEEN_BY_STATELESS: Error = Error::new(
    "a stateless filter pauses a body that trailers may end: implement the callback for the trailers, or leave `stateless` out",
);
