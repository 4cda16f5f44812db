//! The guard around each callback of a stream. It decides whether the callback runs, and handles a
//! stream that has passed a budget.

use super::account::{Mode, Taken};
use super::state::{Cause, count, current, is_idle, with, with_reserve};
use super::{Event, OverStream, OverTotal};
use crate::abi::StreamType;
use crate::context::{Action, DataAction, FilterStatus};
use crate::error::{Error, Result};
use crate::reply::LocalResponse;

/// A status that a callback of a stream may return.
pub(crate) trait Answer: Copy + Eq {
    /// The status with which the stream goes on.
    const GO: Self;
    /// The status with which the stream stops here, and nothing of it is kept.
    const STOP: Self;

    /// Returns the status that also makes the sender wait.
    fn waiting(self) -> Self {
        self
    }

    /// Returns whether the status keeps a body.
    fn holds(self) -> bool {
        false
    }
}

impl Answer for Action {
    const GO: Self = Self::Continue;
    const STOP: Self = Self::StopIteration;
}

impl Answer for FilterStatus {
    const GO: Self = Self::Continue;
    const STOP: Self = Self::StopIteration;
}

impl Answer for DataAction {
    const GO: Self = Self::Continue;
    const STOP: Self = Self::StopIterationAndBuffer;

    fn waiting(self) -> Self {
        if self == Self::StopIterationAndBuffer { Self::StopIterationAndWatermark } else { self }
    }

    fn holds(self) -> bool {
        matches!(self, Self::StopIterationAndBuffer | Self::StopIterationAndWatermark | Self::Held)
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

/// The decision about a stream, whatever status its callback returns.
#[derive(Clone, Copy)]
enum Verdict {
    /// The status of the filter.
    Filter,
    /// The status of the filter, but the sender waits.
    Wait,
    Go,
    Stop,
}

impl Verdict {
    fn over<A: Answer>(self, answer: A) -> A {
        match self {
            Self::Filter => answer,
            Self::Wait => answer.waiting(),
            Self::Go => A::GO,
            Self::Stop => A::STOP,
        }
    }
}

/// Runs a callback of a stream.
pub(crate) fn guard<A: Answer>(event: Event, callback: impl FnOnce() -> Result<A>) -> Result<A> {
    if is_idle() {
        return callback();
    }
    let taken = current::get();
    let taken = taken.as_deref();
    match before(event, taken) {
        Verdict::Filter | Verdict::Wait => {}
        decided => return Ok(decided.over(A::GO)),
    }
    let used_before = taken.map_or(0, Taken::used);
    match callback() {
        Err(error) if error.is_out_of_memory() => match refused(event, taken) {
            // If no budget refused the memory, the filter's policy for errors decides.
            Verdict::Filter | Verdict::Wait => Err(error),
            decided => Ok(decided.over(A::GO)),
        },
        Err(error) => Err(error),
        Ok(answer) => Ok(match taken {
            Some(taken) => after(event, taken, answer.holds(), answer == A::GO, used_before).over(answer),
            None => answer,
        }),
    }
}

/// Returns the decision that is made without running the callback.
fn before(event: Event, taken: Option<&Taken>) -> Verdict {
    with(|state| state.cause.set(None));
    match taken.map(|taken| taken.mode.get()) {
        Some(Mode::Passed) => return Verdict::Go,
        // The local reply passes through the filter on its way to the client.
        Some(Mode::Replied) if event.is_response() => return Verdict::Go,
        Some(Mode::Replied) => return Verdict::Stop,
        Some(Mode::Filtered) | None => {}
    }
    let is_new = matches!(event, Event::Headers(StreamType::HttpRequest));
    let sheds = || {
        with(|state| {
            state.look(super::account::used());
            state.shedding.get()
        })
    };
    if is_new && with(|state| state.shedding.get()) && sheds() {
        return over_budget(event, taken, Cause::Total);
    }
    Verdict::Filter
}

/// Decides about a stream whose callback returned the out-of-memory error.
#[cold]
fn refused(event: Event, taken: Option<&Taken>) -> Verdict {
    let cause = with(|state| state.cause.take());
    cause.map_or(Verdict::Filter, |cause| over_budget(event, taken, cause))
}

/// Updates the account after a callback, and decides about a stream that the callback made too
/// large.
fn after(event: Event, taken: &Taken, holds: bool, goes: bool, used_before: usize) -> Verdict {
    match event {
        Event::Body(direction, size) if holds => taken.hold(direction, size),
        Event::Body(direction, _) | Event::Trailers(direction) if goes => taken.hold(direction, 0),
        _ => {}
    }
    taken.look();
    let used = taken.used();
    let budget = with(|state| state.budget.get());
    if budget.stream.is_some_and(|most| taken.passes(most, 0)) {
        return match budget.over_stream {
            Some(OverStream::Wait) => Verdict::Wait,
            _ => over_budget(event, Some(taken), Cause::Stream),
        };
    }
    if budget.total.is_some_and(|most| super::account::used() > most) {
        with(|state| state.shedding.set(true));
        // A stream that made memory grow gives way. A stream that only waits is left alone.
        if used > used_before {
            return over_budget(event, Some(taken), Cause::Total);
        }
    }
    Verdict::Filter
}

/// Handles a stream over a budget as the budget says.
#[cold]
fn over_budget(event: Event, taken: Option<&Taken>, cause: Cause) -> Verdict {
    let budget = with(|state| state.budget.get());
    let status = match cause {
        Cause::Stream => match budget.over_stream.unwrap_or(OverStream::Reply(413)) {
            OverStream::Reply(413) if event.is_response() => Some(503),
            OverStream::Reply(status) => Some(status),
            OverStream::Pass => None,
            OverStream::Refuse | OverStream::Wait => return Verdict::Filter,
        },
        Cause::Total => match budget.over_total.unwrap_or(OverTotal::Shed(503)) {
            OverTotal::Shed(status) => Some(status),
            OverTotal::Pass => None,
            OverTotal::Refuse => return Verdict::Filter,
        },
    };
    with(|state| count(&state.shed));
    if let Some(taken) = taken {
        taken.mode.set(if status.is_some() { Mode::Replied } else { Mode::Passed });
        taken.hold(event.direction(), 0);
    }
    let Some(status) = status else { return Verdict::Go };
    // If the host refuses this, a response is on its way already. The stream stops here even then.
    let _ = with_reserve(|| LocalResponse::new(status).details("memory_budget").send());
    Verdict::Stop
}

/// Reserves bytes for the request's body before it comes.
///
/// # Errors
///
/// Fails if the bytes do not fit the budgets.
pub(crate) fn reserve_body(size: usize) -> Result<()> {
    let Some(taken) = current::get() else { return Ok(()) };
    if !with(|state| state.admits(taken.more(size))) {
        return Err(Error::out_of_memory(size));
    }
    taken.reserve(size);
    Ok(())
}
