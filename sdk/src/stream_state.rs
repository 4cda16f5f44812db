//! Whether a stream may go on: what holds it, and what became of it.
//!
//! **A direction of a stream goes on only when everyone who holds it has let it go.** For each stream that the dispatcher
//! tracks, and each of its two directions, a [`State`] knows
//!
//! | | set by | cleared by |
//! |---|---|---|
//! | paused | a status that stops the direction at the proxy | a status that lets it go on, or a resume |
//! | its own pause | a callback that returned a stop for reasons of its own | `resume_request` and its like, a later `Continue` |
//! | holders, counted | `hold_while`, `hold_for_call` | the end of the task or the closure |
//!
//! The status of a callback is what is true when the callback, and the tasks that run at its end, are over: the direction
//! stops if it has holders or a pause of its own. Between callbacks the proxy is told to go on when the last holder is gone.
//! It is never told to resume what it does not hold, because Envoy then sends a message twice or ends.
//!
//! The state of the stream that host calls act on is the [`current`] one. A state also says whether the stream was answered
//! and whether it has ended, because a proxy may end if a stream is answered then.

mod bodies;

use core::cell::Cell;

use crate::abi::scoped::Scoped;
use crate::abi::{LogLevel, StreamType, call};
use crate::budget;
use crate::context::Action;
use crate::error::{Error, Result};
use crate::log;
use crate::timer;

/// The status that stops each kind of callback, in every version of the ABI.
pub(crate) const STOP: u32 = 1;

/// Stands for what `hold_while` returns, in all three kinds of status.
pub(crate) const HELD: u32 = Action::Held as u32;

/// Bits of a direction, which are shifted left by one for the second direction.
const PAUSED: u32 = 1;
/// A callback returned a stop of its own.
const OWN: u32 = 1 << 2;
/// A callback of the direction runs, whose status will decide.
const DECIDING: u32 = 1 << 4;
/// The direction has gone on: its headers are not the filter's any more.
const WENT_ON: u32 = 1 << 6;
/// Bits of the stream.
const REPLIED: u32 = 1 << 8;
/// It was answered in the callback that runs, whose status then is a stop.
const REPLIED_NOW: u32 = 1 << 9;
const ENDED: u32 = 1 << 10;
/// An answer came that nobody could take: the failure policy decides when the running callback is over.
const LOST: u32 = 1 << 11;
/// The stream has made a call.
const ASKED: u32 = 1 << 12;
/// A callback has reset it.
const RESET: u32 = 1 << 13;
/// Somebody has held a direction.
const HELD_ONCE: u32 = 1 << 14;

/// What a context can do, by its attribute and its callbacks: bits of [`State`] that never change.
#[derive(Clone, Copy)]
pub(crate) struct Abilities(u32);

impl Abilities {
    const HTTP_ANSWERS: Self = Self(1 << 16);
    const GRPC_ANSWERS: Self = Self(1 << 17);
    const TASKS: Self = Self(1 << 18);
    const STREAM: Self = Self(1 << 19);

    /// The abilities of a stream or connection.
    pub(crate) const fn of_stream(http_answers: bool, grpc_answers: bool, tasks: bool) -> Self {
        Self(Self::of_plugin(http_answers, grpc_answers, tasks).0 | Self::STREAM.0)
    }

    /// The abilities of a plugin, which is no stream.
    pub(crate) const fn of_plugin(http_answers: bool, grpc_answers: bool, tasks: bool) -> Self {
        let mut bits = 0;
        if http_answers {
            bits |= Self::HTTP_ANSWERS.0;
        }
        if grpc_answers {
            bits |= Self::GRPC_ANSWERS.0;
        }
        if tasks {
            bits |= Self::TASKS.0;
        }
        Self(bits)
    }
}

/// A callback whose status decides about a direction.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    direction: StreamType,
    /// Of headers one status more lets the message go on.
    is_headers: bool,
}

impl Phase {
    pub(crate) const fn headers(direction: StreamType) -> Self {
        Self { direction, is_headers: true }
    }

    /// A body, trailers, or the data of a connection.
    pub(crate) const fn other(direction: StreamType) -> Self {
        Self { direction, is_headers: false }
    }

    const fn goes_on(self, status: u32) -> bool {
        status == 0 || (self.is_headers && status == Action::ContinueAndEndStream as u32)
    }
}

/// What holds a stream, and what became of it.
pub(crate) struct State {
    bits: Cell<u32>,
    holders: [Cell<u8>; 2],
}

crate::__vm_local! {
    /// The state of the context that host calls act on.
    static CURRENT: Scoped<State> = Scoped::new();
}

/// Gives the state of the stream or plugin that host calls act on to a function; `None` between callbacks.
pub(crate) fn current<R>(with: impl FnOnce(Option<&State>) -> R) -> R {
    CURRENT.with(|current| current.with(with))
}

/// The places of a direction in the bits and in the holders.
const fn place(direction: StreamType) -> u32 {
    direction as u32 & 1
}

impl State {
    pub(crate) const fn new(abilities: Abilities) -> Self {
        Self { bits: Cell::new(abilities.0), holders: [const { Cell::new(0) }; 2] }
    }

    /// A state of which only a callback that begins is known.
    #[inline]
    pub(crate) const fn begun(abilities: Abilities, phase: Phase) -> Self {
        let bits = abilities.0 | DECIDING << place(phase.direction);
        Self { bits: Cell::new(bits), holders: [const { Cell::new(0) }; 2] }
    }

    /// Runs a function with this as the state of the stream that host calls act on.
    #[inline]
    pub(crate) fn within<R>(&self, run: impl FnOnce() -> R) -> R {
        CURRENT.with(|current| current.within(self, run))
    }

    #[inline]
    fn has(&self, bits: u32) -> bool {
        self.bits.get() & bits != 0
    }

    #[inline]
    fn set(&self, bits: u32) {
        self.bits.set(self.bits.get() | bits);
    }

    #[inline]
    fn clear(&self, bits: u32) {
        self.bits.set(self.bits.get() & !bits);
    }

    fn holders(&self, direction: StreamType) -> &Cell<u8> {
        let [first, second] = &self.holders;
        if place(direction) == 0 { first } else { second }
    }

    /// Whether the proxy holds this direction.
    #[allow(dead_code, reason = "for the checks of what a callback may ask of the host")]
    pub(crate) fn is_paused(&self, direction: StreamType) -> bool {
        self.has(PAUSED << place(direction))
    }

    /// Whether the headers of this direction have left the filter.
    #[allow(dead_code, reason = "for the checks of what a callback may ask of the host")]
    pub(crate) fn went_on(&self, direction: StreamType) -> bool {
        self.has(WENT_ON << place(direction))
    }

    /// Whether the message that comes is the filter's own answer on its way to the client.
    pub(crate) fn passes_reply(&self, phase: Phase) -> bool {
        let is_response = matches!(phase.direction, StreamType::HttpResponse);
        is_response && self.is_replied() && !self.has(REPLIED_NOW)
    }

    /// Whether the filter has answered the stream itself, or the failure policy has.
    pub(crate) fn is_replied(&self) -> bool {
        self.has(REPLIED)
    }

    /// Whether `on_log`, `on_done` or `on_delete` was called.
    pub(crate) fn has_ended(&self) -> bool {
        self.has(ENDED)
    }

    /// The stream is over: nothing can be resumed, answered or reset any more.
    pub(crate) fn end(&self) {
        self.set(ENDED);
    }

    // The status of a callback.

    /// A callback of a direction begins.
    #[inline]
    pub(crate) fn begin(&self, phase: Phase) {
        self.set(DECIDING << place(phase.direction));
    }

    /// Whether this is still as [`begun`](Self::begun): nobody holds the stream, and nobody has answered it.
    #[inline]
    pub(crate) fn is_as_begun(&self, phase: Phase, abilities: Abilities) -> bool {
        self.bits.get() == abilities.0 | DECIDING << place(phase.direction)
    }

    /// The callback itself has returned; its tasks may still run.
    #[inline]
    pub(crate) fn returned(&self, phase: Phase, status: u32) {
        let own = OWN << place(phase.direction);
        if phase.goes_on(status) {
            self.clear(own);
        } else if status != HELD {
            self.set(own);
        }
    }

    /// Gives the status for the proxy, when the callback and its tasks are over.
    #[inline]
    pub(crate) fn status(&self, phase: Phase, status: u32) -> u32 {
        let place = place(phase.direction);
        let holders = self.holders(phase.direction).get();
        if status == 0 && holders == 0 && !self.has(REPLIED | RESET | OWN << place) {
            self.bits.set(self.bits.get() & !((PAUSED | DECIDING) << place) | WENT_ON << place);
            return status;
        }
        self.other_status(phase, status, holders)
    }

    #[cold]
    #[inline(never)]
    fn other_status(&self, phase: Phase, status: u32, holders: u8) -> u32 {
        let place = place(phase.direction);
        self.clear(DECIDING << place);
        let stop = if status == HELD || phase.goes_on(status) { STOP } else { status };
        if self.has(RESET) {
            // It was reset in this callback. If its last message went on as well, Envoy would end.
            return stop;
        }
        let is_response = matches!(phase.direction, StreamType::HttpResponse);
        if self.has(REPLIED_NOW) || self.has(REPLIED) && !is_response {
            // Of the message in whose place the answer is sent, nothing follows. Nothing is to be resumed either.
            self.clear(REPLIED_NOW | (PAUSED | OWN) << place);
            return stop;
        }
        if holders > 0 || self.has(OWN << place) {
            self.set(PAUSED << place);
            return stop;
        }
        self.clear(PAUSED << place);
        self.set(WENT_ON << place);
        budget::resumed(phase.direction);
        if phase.goes_on(status) { status } else { 0 }
    }

    // Holding and letting go.

    /// Lets go what the filter's callbacks pause. The proxy is told if nobody else holds the direction.
    pub(crate) fn resume(&self, direction: StreamType) -> Result<()> {
        let place = place(direction);
        if self.has_ended() {
            return Err(Error::stream(direction, "it has ended"));
        }
        if !self.has((PAUSED | OWN) << place) && self.holders(direction).get() == 0 {
            return Err(Error::stream(direction, "the filter does not hold it"));
        }
        let own = self.bits.get() & OWN << place;
        self.clear(own);
        // Refused, it is held as it was.
        self.let_go(direction).inspect_err(|_| self.set(own))
    }

    /// Tells the proxy to let a direction go on, if it holds it and nobody else does. A callback of the direction that runs says
    /// so by its status, and after an answer that was lost the failure policy decides.
    pub(crate) fn let_go(&self, direction: StreamType) -> Result<()> {
        let place = place(direction);
        let bits = self.bits.get();
        if bits & PAUSED << place == 0
            || bits & (ENDED | LOST | (OWN | DECIDING) << place) != 0
            || self.holders(direction).get() > 0
        {
            return Ok(());
        }
        call::continue_stream(direction).map_err(|status| Error::host("proxy_continue_stream", direction, status))?;
        self.clear(PAUSED << place);
        self.set(WENT_ON << place);
        budget::resumed(direction);
        Ok(())
    }

    /// Lets go what the filter's callbacks pause, in both directions, because the policy is to be open.
    pub(crate) fn let_all_go(&self, directions: [StreamType; 2]) -> Result<()> {
        let mut first = Ok(());
        for direction in directions {
            self.clear(OWN << place(direction));
            first = first.and(self.let_go(direction));
        }
        first
    }

    /// Counts one who holds a direction.
    pub(crate) fn hold(&self, direction: StreamType) -> Result<()> {
        if self.has_ended() {
            return Err(Error::stream(direction, "it has ended"));
        }
        let holders = self.holders(direction);
        let more = holders.get().checked_add(1).ok_or(Error::stream(direction, "255 hold it already"))?;
        holders.set(more);
        self.set(HELD_ONCE);
        Ok(())
    }

    /// One who held a direction does no more.
    pub(crate) fn release(&self, direction: StreamType) {
        let holders = self.holders(direction);
        holders.set(holders.get().saturating_sub(1));
    }

    /// A judge that held a direction has judged: it goes on, or it stays as the filter's own pause, because the judge replied
    /// or something else will resume it. An error is the caller's to treat by the policy.
    pub(crate) fn judged(&self, direction: StreamType, answer: Result<Action>) -> Result<()> {
        self.release(direction);
        match answer? {
            Action::Continue | Action::ContinueAndEndStream | Action::Held => self.let_go(direction),
            _ => {
                let place = place(direction);
                if self.has((PAUSED | DECIDING) << place) && !self.is_replied() {
                    self.set(OWN << place);
                }
                Ok(())
            }
        }
    }

    // Answering.

    /// Whether the stream can be answered from here.
    pub(crate) fn may_reply(&self) -> Result<()> {
        if self.has_ended() {
            return Err(Error::new("a stream that has ended cannot be answered"));
        }
        if self.is_replied() {
            return Err(Error::new("the stream was answered before"));
        }
        if !self.has(Abilities::STREAM.0) {
            return Err(Error::new("there is no stream to answer"));
        }
        Ok(())
    }

    /// The stream was answered, or closed: nothing of it is to be resumed.
    pub(crate) fn replied(&self) {
        let now = if self.has(DECIDING * 3) { REPLIED_NOW } else { 0 };
        self.clear((PAUSED | OWN) * 3);
        self.set(REPLIED | now);
    }

    /// Whether a direction of the stream can be closed from here.
    pub(crate) fn may_close(&self, direction: StreamType) -> Result<()> {
        if self.has_ended() {
            return Err(Error::stream(direction, "it has ended"));
        }
        if self.has(REPLIED_NOW) {
            return Err(Error::stream(direction, "it was answered in this callback"));
        }
        Ok(())
    }

    /// The proxy was told to close a direction. An HTTP stream has ended with it; a connection still takes what was sent before.
    pub(crate) fn closed(&self, direction: StreamType) {
        if matches!(direction, StreamType::HttpRequest | StreamType::HttpResponse) {
            self.clear((PAUSED | OWN) * 3);
            self.set(ENDED | RESET);
        }
    }

    /// An answer is lost, because its context is busy.
    pub(crate) fn lose(&self) {
        self.set(LOST);
    }

    /// Whether an answer was lost; asked once.
    #[inline]
    pub(crate) fn take_lost(&self) -> bool {
        let lost = self.has(LOST);
        if lost {
            self.clear(LOST);
        }
        lost
    }

    /// Whether a message is left at the proxy that was paused and never let go.
    pub(crate) fn is_left_paused(&self) -> bool {
        self.has(PAUSED * 3)
    }
}

/// Notes that the stream that host calls act on makes a call.
pub(crate) fn ask() {
    current(|state| state.map(|state| state.set(ASKED)));
}

/// Counts one who holds a direction of the stream that host calls act on.
pub(crate) fn hold(direction: StreamType) -> Result<()> {
    current(|state| state.map_or(Err(Error::stream(direction, "there is no stream")), |state| state.hold(direction)))
}

/// One who held a direction of the stream that host calls act on does no more.
pub(crate) fn release(direction: StreamType) {
    current(|state| state.map(|state| state.release(direction)));
}

/// A judge of the stream that host calls act on has judged.
pub(crate) fn judged(direction: StreamType, answer: Result<Action>) -> Result<()> {
    current(|state| match state {
        Some(state) => state.judged(direction, answer),
        None => answer.map(drop),
    })
}

/// One who held a direction of the stream that host calls act on is lost: the failure policy decides when the callback is over.
pub(crate) fn lose(direction: StreamType) {
    current(|state| {
        state.map(|state| {
            state.release(direction);
            state.lose();
        })
    });
}

/// Fails if the context that runs does not take the answers to HTTP calls in a callback.
pub(crate) fn takes_http_answers() -> Result<()> {
    able(
        Abilities::HTTP_ANSWERS,
        "nobody would take the answer: implement `on_http_call_response`, or use `call_then` or `call_and_forget`",
    )
}

/// Fails if the context that runs does not take the events of gRPC in a callback.
pub(crate) fn takes_grpc_answers() -> Result<()> {
    able(
        Abilities::GRPC_ANSWERS,
        "nobody would take the answer: implement `on_grpc_event`, or use `grpc_call_then`, `grpc_stream_then` or `grpc_call_and_forget`",
    )
}

/// Fails if the context that runs has no tasks.
#[cfg(feature = "async")]
pub(crate) fn runs_tasks() -> Result<()> {
    able(Abilities::TASKS, "this context runs no tasks: add `tasks` to its attribute, as `#[http_filter(tasks)]`")
}

fn able(ability: Abilities, otherwise: &'static str) -> Result<()> {
    let is_able = current(|state| state.is_some_and(|state| state.has(ability.0)));
    if is_able { Ok(()) } else { Err(Error::new(otherwise)) }
}

crate::__vm_local! {
    /// Whether the warning was written, or is not needed, because the proxy was seen to show a body whose headers it holds.
    static WARNED: Cell<bool> = Cell::new(false);
}

/// Warns once a VM of headers that wait for a body which may never come.
#[cold]
#[inline(never)]
pub(crate) fn warn_of_pause(state: &State, status: u32) {
    let waits = state.has(ASKED | REPLIED) || state.holders.iter().any(|holders| holders.get() > 0);
    if status == Action::StopIteration as u32
        && !waits
        && !timer::ticks()
        && !WARNED.with(|warned| warned.replace(true))
    {
        log::write_text(LogLevel::Warn, STUCK);
    }
}

/// The warning.
const STUCK: &str = "sluicegate: a filter paused headers whose body is still to come, and no call, task or timer will resume \
                     them. Envoy shows a filter no body of paused headers unless its configuration sets \
                     allow_on_headers_stop_iteration, so the message may wait until it times out";
