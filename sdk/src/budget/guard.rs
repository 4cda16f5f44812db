//! Around each callback of a stream: whether the filter is asked at all, and what becomes of a stream that has passed a budget.

use super::account::{Mode, Taken};
use super::state::{Cause, count, current, with, with_reserve};
use super::{Event, OverStream, OverTotal};
use crate::abi::StreamType;
use crate::context::{Action, DataAction, Flow};
use crate::error::{Error, Result};
use crate::reply::LocalResponse;

/// What a callback of a stream may answer.
pub(crate) trait Answer: Copy + Eq {
    /// It goes on.
    const GO: Self;
    /// It stops here, and nothing of it is kept.
    const STOP: Self;

    /// The same, with the sender made to wait.
    fn waiting(self) -> Self {
        self
    }

    /// Whether a body is held back with it.
    fn holds(self) -> bool {
        false
    }
}

impl Answer for Action {
    const GO: Self = Self::Continue;
    const STOP: Self = Self::StopIteration;
}

impl Answer for Flow {
    const GO: Self = Self::Continue;
    const STOP: Self = Self::StopIteration;
}

impl Answer for DataAction {
    const GO: Self = Self::Continue;
    const STOP: Self = Self::StopIterationNoBuffer;

    fn waiting(self) -> Self {
        if self == Self::StopIterationAndBuffer { Self::StopIterationAndWatermark } else { self }
    }

    fn holds(self) -> bool {
        matches!(self, Self::StopIterationAndBuffer | Self::StopIterationAndWatermark)
    }
}

impl Event {
    const fn direction(self) -> StreamType {
        match self {
            Self::Headers(direction) | Self::Body(direction, _) | Self::Trailers(direction) => direction,
        }
    }

    const fn is_response(self) -> bool {
        matches!(self.direction(), StreamType::HttpResponse)
    }
}

/// Runs a callback of a stream.
pub(crate) fn guard<A: Answer>(event: Event, callback: impl FnOnce() -> Result<A>) -> Result<A> {
    let taken = current::get();
    let taken = taken.as_deref();
    if let Some(answer) = before(event, taken) {
        return Ok(answer);
    }
    let used_before = taken.map_or(0, Taken::used);
    with(|state| state.cause.set(None));
    match callback() {
        Err(error) if error.is_out_of_memory() => {
            let over = with(|state| state.cause.take());
            // Memory that is out without a budget that refused it is the filter's policy for errors.
            over.and_then(|cause| over_budget(event, taken, cause)).ok_or(error)
        }
        Err(error) => Err(error),
        Ok(answer) => Ok(match taken {
            Some(taken) => after(event, taken, answer, used_before),
            None => answer,
        }),
    }
}

/// What is answered without asking the filter.
fn before<A: Answer>(event: Event, taken: Option<&Taken>) -> Option<A> {
    match taken.map(|taken| taken.mode.get()) {
        Some(Mode::Passed) => return Some(A::GO),
        // The answer's own way to the client leads through the filter.
        Some(Mode::Replied) => return Some(if event.is_response() { A::GO } else { A::STOP }),
        Some(Mode::Filtered) | None => {}
    }
    let is_new = matches!(event, Event::Headers(StreamType::HttpRequest));
    let sheds = is_new
        && with(|state| {
            state.shedding.get() && {
                state.look();
                state.shedding.get()
            }
        });
    if sheds { over_budget(event, taken, Cause::Total) } else { None }
}

/// Puts down what a callback left behind, and decides about a stream that it made too large.
fn after<A: Answer>(event: Event, taken: &Taken, answer: A, used_before: usize) -> A {
    match event {
        Event::Body(direction, size) if answer.holds() => taken.hold(direction, size),
        Event::Body(direction, _) | Event::Trailers(direction) if answer == A::GO => taken.hold(direction, 0),
        _ => {}
    }
    taken.look();
    let used = taken.used();
    let budget = with(|state| state.budget.get());
    let cause = if budget.stream.is_some_and(|most| used > most) {
        Some(Cause::Stream)
    } else if budget.total.is_some_and(|most| super::account::used() > most) {
        with(|state| state.shedding.set(true));
        // Who made memory grow gives way; who only waits is left alone.
        (used > used_before).then_some(Cause::Total)
    } else {
        None
    };
    match cause {
        Some(Cause::Stream) if budget.over_stream == Some(OverStream::Wait) => answer.waiting(),
        Some(cause) => over_budget(event, Some(taken), cause).unwrap_or(answer),
        None => answer,
    }
}

/// Does with a stream what is configured; none if the filter decides.
fn over_budget<A: Answer>(event: Event, taken: Option<&Taken>, cause: Cause) -> Option<A> {
    let budget = with(|state| state.budget.get());
    let status = match cause {
        Cause::Stream => match budget.over_stream.unwrap_or(OverStream::Reply(413)) {
            OverStream::Reply(413) if event.is_response() => Some(503),
            OverStream::Reply(status) => Some(status),
            OverStream::Pass => None,
            OverStream::Refuse | OverStream::Wait => return None,
        },
        Cause::Total => match budget.over_total.unwrap_or(OverTotal::Shed(503)) {
            OverTotal::Shed(status) => Some(status),
            OverTotal::Pass => None,
            OverTotal::Refuse => return None,
        },
    };
    with(|state| count(&state.shed));
    if let Some(taken) = taken {
        taken.mode.set(if status.is_some() { Mode::Replied } else { Mode::Passed });
        taken.hold(event.direction(), 0);
    }
    let Some(status) = status else { return Some(A::GO) };
    // If this is refused, a response is on its way already; the stream stops here all the same.
    let _ = with_reserve(|| LocalResponse::new(status).details("memory_budget").send());
    Some(A::STOP)
}

/// Takes so much for the request's body before it is there.
pub(crate) fn reserve_body(size: usize) -> Result<()> {
    let Some(taken) = current::get() else { return Ok(()) };
    if !with(|state| state.admits(taken.more(size))) {
        return Err(Error::out_of_memory(size));
    }
    taken.reserve(size);
    Ok(())
}

/// What was held back goes on.
pub(crate) fn resumed(direction: StreamType) {
    if let (Some(taken), StreamType::HttpRequest | StreamType::HttpResponse) = (current::get(), direction) {
        taken.hold(direction, 0);
    }
}
