//! Complete bodies: the proxy keeps the parts until the end of the body, which is a last part or
//! trailers.

use core::marker::PhantomData;

use super::contexts::PluginOf;
use super::http::{HttpCallbacks, Rest};
use super::http_policy::code_of;
use super::unseen;
use crate::abi::{BufferType, MapType, StreamType};
use crate::budget::{self, Event};
use crate::context::{DataAction, FilterStatus, HttpFilter, Upgrades};
use crate::error::{Error, Result};
use crate::handle::{CompleteBody, Headers, HttpHandle, Tail};
use crate::headers::Snapshots;
use crate::headers::fetch_value;
use crate::host_buffer::buffer_of;
use crate::reply::LocalResponse;
use crate::stream_state::{self, Phase, State};

/// The details in the proxy's access log of a refused request for another protocol.
const REFUSED: &str = "upgrade_refused";

/// The name of a callback for a complete body, and the callback.
pub(super) type Whole<H, D> = (&'static str, fn(&mut H, &mut CompleteBody<'_, D, PluginOf<H>>) -> Result<FilterStatus>);

/// The name of a callback for trailers, and the callback.
pub(super) type Trailing<H, D> =
    (&'static str, fn(&mut H, &mut Headers<'_, D, PluginOf<H>, Tail>) -> Result<FilterStatus>);

/// Handles a part of a body: keeps it, or judges the body if the part is the last one.
pub(super) fn on_part<H: HttpFilter, D>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    phase: Phase,
    buffer: BufferType,
    (size, end_of_stream): (usize, bool),
    (name, whole): Whole<H, D>,
) -> u32 {
    streams.decide_http(context, phase, Rest::behind_part(end_of_stream), |filter, plugin| {
        let direction = buffer.direction();
        if stream_state::current(|state| state.is_some_and(State::is_upgraded)) {
            return DataAction::Continue as u32;
        }
        if end_of_stream && matches!(direction, StreamType::HttpRequest) {
            stream_state::end_request();
        }
        let event = Event::Body(direction, size);
        let answer = if passes_in_parts(direction) {
            unseen::pass_part(event, direction)
        } else if end_of_stream {
            gathered(direction);
            budget::guard(event, || {
                let stream = HttpHandle::new(context, plugin);
                Ok(match judge(filter, stream, buffer, false, whole)?.0 {
                    FilterStatus::Continue => DataAction::Continue,
                    FilterStatus::StopIteration => DataAction::StopIterationAndBuffer,
                    FilterStatus::Held => DataAction::Held,
                })
            })
        } else {
            let answer = budget::guard(event, || {
                stream_state::current(|state| state.map_or(Ok(()), |state| state.gather(direction)))?;
                Ok(DataAction::Held)
            });
            if !matches!(answer, Ok(DataAction::Held)) {
                // The budget or an error has decided about the stream, whose body is no longer
                // gathered.
                gathered(direction);
            }
            answer
        };
        code_of(name, context, answer, |action| action as u32)
    })
}

/// Handles the end of a body that trailers follow: lets the filter judge the body, and then handle
/// the trailers.
pub(super) fn on_trailers<H: HttpFilter, D>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    (phase, map, announced): (Phase, MapType, u32),
    (name, callback): Trailing<H, D>,
    whole: Option<Whole<H, D>>,
) -> u32 {
    let direction = map.direction();
    let (buffer, mut running) = (buffer_of(direction), name);
    let has_callback =
        if matches!(direction, StreamType::HttpRequest) { H::REQUEST_TRAILERS } else { H::RESPONSE_TRAILERS };
    streams.decide_http(context, phase, Rest::Nothing, |filter, plugin| {
        Snapshots::with(map, plugin, |snapshots, plugin| {
            if whole.is_some() {
                gathered(direction);
            }
            let answer = budget::guard(Event::Trailers(direction), || {
                let mut body = FilterStatus::Continue;
                if passes_in_parts(direction) && !has_callback {
                    return unseen::pass_trailers::<H>(direction);
                }
                if let Some((name, whole)) = whole
                    && !passes_in_parts(direction)
                    && !stream_state::current(|state| state.is_some_and(State::is_upgraded))
                {
                    running = name;
                    let (flow, is_replied) = judge(filter, HttpHandle::new(context, plugin), buffer, true, whole)?;
                    if is_replied {
                        return Ok(FilterStatus::StopIteration);
                    }
                    body = flow;
                }
                running = name;
                let stream = HttpHandle::new(context, plugin);
                let kind = PhantomData;
                let trailers =
                    callback(filter, &mut Headers { stream, snapshots, announced, end_of_stream: true, kind })?;
                if trailers == FilterStatus::Continue
                    && stream_state::current(|state| state.is_some_and(|state| state.carries(direction)))
                {
                    return Err(Error::new(
                        "a rewriter has bytes left: call `Rewriter::finish` in the callback for the trailers",
                    ));
                }
                Ok(both(body, trailers))
            });
            code_of(running, context, answer, |flow| flow as u32)
        })
    })
}

/// Returns the status for a body and its trailers: they go on if both may.
fn both(body: FilterStatus, trailers: FilterStatus) -> FilterStatus {
    match (body, trailers) {
        (FilterStatus::StopIteration, _) | (_, FilterStatus::StopIteration) => FilterStatus::StopIteration,
        (FilterStatus::Held, _) | (_, FilterStatus::Held) => FilterStatus::Held,
        (FilterStatus::Continue, FilterStatus::Continue) => FilterStatus::Continue,
    }
}

/// Returns whether the filter lets the body of a direction pass in parts.
fn passes_in_parts(direction: StreamType) -> bool {
    stream_state::current(|state| state.is_some_and(|state| state.passes_in_parts(direction)))
}

fn gathered(direction: StreamType) {
    stream_state::current(|state| state.map(|state| state.gathered(direction)));
}

/// Lets the filter judge a complete body. Returns the status, and whether the filter has replied to
/// the stream.
fn judge<H: HttpFilter, D>(
    filter: &mut H,
    stream: HttpHandle<'_, PluginOf<H>>,
    buffer: BufferType,
    has_trailers: bool,
    whole: fn(&mut H, &mut CompleteBody<'_, D, PluginOf<H>>) -> Result<FilterStatus>,
) -> Result<(FilterStatus, bool)> {
    let mut body = CompleteBody::new(stream, buffer, has_trailers);
    let flow = whole(filter, &mut body);
    // Also after an error: with an open policy the body goes on as the callback left it.
    body.settle_length()?;
    Ok((flow?, body.replied))
}

/// Checks headers that something follows: is it a body? Returns whether the filter's callback runs:
/// it does not if the stream was refused.
pub(super) fn look<H: HttpFilter>(map: MapType) -> Result<bool> {
    match map {
        MapType::HttpRequestHeaders => {
            let is_connect = fetch_value(map, b":method")?.is_some_and(|method| &*method == b"CONNECT");
            if !is_connect && fetch_value(map, b"upgrade")?.is_none() {
                return Ok(true);
            }
            if H::UPGRADES == Upgrades::Refuse {
                LocalResponse::new(403).details(REFUSED).send()?;
                return Ok(false);
            }
            stream_state::current(|state| state.map(|state| state.ask_upgrade(is_connect)));
        }
        _ if stream_state::current(|state| state.is_some_and(State::asks_upgrade)) => {
            let status = fetch_value(map, b":status")?;
            stream_state::current(|state| match state {
                Some(state) if status.is_some_and(|status| state.agrees_to_upgrade(&status)) => state.upgrade(),
                _ => Ok(()),
            })?;
        }
        _ => {}
    }
    Ok(true)
}
