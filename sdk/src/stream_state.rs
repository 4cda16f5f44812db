//! The state of a stream: the holders that keep it from going on, and its fate so far.
//!
//! **A direction of a stream goes on only when everyone who holds it has let it go.** For each
//! stream that the dispatcher tracks, and for each of its two directions, a [`State`] knows
//!
//! | | set by | cleared by |
//! |---|---|---|
//! | paused | a status that stops the direction at the proxy | a status that lets it go on, or a resume |
//! | its own pause | a callback that returned a stop for reasons of its own | `resume_request` and its like, a later `Continue` |
//! | holders, counted | `hold_while`, `hold_for_call` | the end of the task or the closure |
//!
//! The status of a callback is decided when the callback, and the tasks that run at its end, are
//! over: the direction stops if it has holders or a pause of its own. Between callbacks, the SDK
//! tells the proxy to resume a direction when the last holder is gone. The SDK never resumes a
//! direction that the proxy does not hold, because Envoy then sends a message twice or ends.
//!
//! The state of the stream that host calls act on is the [`current`] one. A state also knows
//! whether the stream was replied to and whether it has ended, because a reply may then end the
//! proxy.

mod abilities;
mod bodies;
mod counts;
mod entry;
mod reached;
mod status;
mod warning;

use core::cell::Cell;

#[cfg(feature = "async")]
pub(crate) use abilities::runs_tasks;
pub(crate) use abilities::{Abilities, takes_grpc_answers, takes_http_answers};
pub(crate) use bodies::{end_request, has_no_trailers, may_write_at_trailers};
pub(crate) use entry::begin as begin_entry;
#[cfg(feature = "async")]
pub(crate) use entry::{behind_callback, may_poll};
pub(crate) use reached::{Kind, Streams, with_stream, within_plugin};

use crate::abi::StreamType;
use crate::abi::scoped::Scoped;
use crate::budget;
use crate::context::Action;
use crate::error::{Error, Result};
use crate::tick;
use counts::Counts;
pub(crate) use status::Phase;
pub(crate) use warning::warn_of_pause;

/// The status that stops each kind of callback, in every version of the ABI.
pub(crate) const STOP: u32 = 1;

/// The status that `hold_while` returns, in all three kinds of status.
pub(crate) const HELD: u32 = Action::Held as u32;

/// The proxy holds the direction. This and the next bits belong to a direction, and are shifted
/// left by one for the second direction.
const PAUSED: u32 = 1;
/// A callback returned a stop of its own.
const OWN: u32 = 1 << 2;
/// A callback of the direction is running, whose status will decide.
const DECIDING: u32 = 1 << 4;
/// The direction has gone on: its headers have left the filter.
const WENT_ON: u32 = 1 << 6;
/// The stream was replied to. This and the next bits belong to the stream.
const REPLIED: u32 = 1 << 8;
/// The stream was replied to in the callback that runs, whose status is then a stop.
const REPLIED_NOW: u32 = 1 << 9;
const ENDED: u32 = 1 << 10;
/// A response came that nobody could take. The failure policy decides when the running callback is
/// over.
const LOST: u32 = 1 << 11;
/// A callback has reset the stream.
const RESET: u32 = 1 << 13;
/// The proxy holds headers, and shows nothing of the body behind them.
const HOLDS_ALL: u32 = 1 << 14;
/// The current entry into the VM told the proxy to resume the response, or to reply to the stream.
const TOLD: u32 = 1 << 15;

/// The holders of a stream, and its fate so far.
pub(crate) struct State {
    bits: Cell<u32>,
    counts: Counts,
}

crate::__vm_local! {
    /// The state of the context that host calls act on.
    static CURRENT: Scoped<State> = Scoped::new();
}

/// Passes the state of the stream or plugin that host calls act on to a function. The function gets
/// `None` between callbacks.
pub(crate) fn current<R>(with: impl FnOnce(Option<&State>) -> R) -> R {
    CURRENT.with(|current| current.with(with))
}

/// Returns the place of a direction in the bits and in the counts.
const fn place(direction: StreamType) -> u32 {
    direction as u32 & 1
}

impl State {
    pub(crate) const fn new(abilities: Abilities) -> Self {
        Self { bits: Cell::new(abilities.0), counts: Counts::new() }
    }

    /// Returns the state of a stream about which only the beginning callback is known.
    #[inline]
    pub(crate) const fn begun(abilities: Abilities, phase: Phase) -> Self {
        let bits = abilities.0 | DECIDING << place(phase.direction());
        Self { bits: Cell::new(bits), counts: Counts::new() }
    }

    /// Runs a function with this state as that of the stream that host calls act on.
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

    /// Returns whether a callback pauses this direction for reasons of its own.
    pub(crate) fn is_own_pause(&self, direction: StreamType) -> bool {
        self.has(OWN << place(direction))
    }

    /// Returns whether the proxy holds this direction.
    #[allow(dead_code, reason = "for the checks of what a callback may ask of the host")]
    pub(crate) fn is_paused(&self, direction: StreamType) -> bool {
        self.has(PAUSED << place(direction))
    }

    /// Returns whether the headers of this direction have left the filter.
    #[allow(dead_code, reason = "for the checks of what a callback may ask of the host")]
    pub(crate) fn went_on(&self, direction: StreamType) -> bool {
        self.has(WENT_ON << place(direction))
    }

    /// Returns whether the message of this callback is the local reply on its way to the client.
    pub(crate) fn passes_reply(&self, phase: Phase) -> bool {
        phase.is_response() && self.is_replied() && !self.has(REPLIED_NOW)
    }

    /// Returns whether the filter or the failure policy has replied to the stream.
    pub(crate) fn is_replied(&self) -> bool {
        self.has(REPLIED)
    }

    /// Returns whether `on_log`, `on_done` or `on_delete` was called, or whether the stream was
    /// reset.
    pub(crate) fn has_ended(&self) -> bool {
        self.has(ENDED)
    }

    /// Notes that the stream is over: it can no longer be resumed, replied to or reset.
    pub(crate) fn end(&self) {
        self.set(ENDED);
    }

    /// Notes that a callback of the stream begins. The proxy has then carried out what an earlier
    /// entry told it.
    #[inline]
    pub(crate) fn enter(&self) {
        if entry::begin() {
            self.clear(TOLD);
            self.counts.set_call_failed(false);
        } else {
            self.reach();
        }
    }

    /// Notes that a callback of the plugin, or a task that was woken elsewhere, begins to act on
    /// the stream.
    pub(crate) fn reach(&self) {
        if !entry::has_told() {
            self.clear(TOLD);
        }
    }

    /// Returns the bits that have changed since [`begun`](Self::begun). They are zero if nobody
    /// holds the stream, and nobody has replied to it.
    #[inline]
    pub(crate) fn changes(&self, phase: Phase, abilities: Abilities) -> u32 {
        self.bits.get() ^ (abilities.0 | DECIDING << place(phase.direction()))
    }

    // Holding and letting go.

    /// Ends the pause of the filter's callbacks, and tells the proxy to resume the direction if
    /// nobody else holds it.
    ///
    /// # Errors
    ///
    /// Fails if the stream has ended, or if the filter does not hold the direction. Fails if the
    /// host refuses.
    pub(crate) fn resume(&self, direction: StreamType) -> Result<()> {
        let place = place(direction);
        if self.has_ended() {
            return Err(Error::stream(direction, "it has ended"));
        }
        if !self.has((PAUSED | OWN) << place) && self.counts.holders(direction) == 0 {
            return Err(Error::stream(direction, "the filter does not hold it"));
        }
        let own = self.bits.get() & OWN << place;
        self.clear(own);
        // If the host refuses, the direction is held as before.
        self.let_go(direction).inspect_err(|_| self.set(own))
    }

    /// Tells the proxy to resume a direction, if the proxy holds it and nobody else does. A running
    /// callback of the direction decides by its status instead. After a response was lost, the
    /// failure policy decides.
    ///
    /// # Errors
    ///
    /// Fails if the entry has resumed or replied to 128 streams already, or if the host refuses.
    pub(crate) fn let_go(&self, direction: StreamType) -> Result<()> {
        let place = place(direction);
        let bits = self.bits.get();
        if bits & PAUSED << place == 0
            || bits & (ENDED | LOST | (OWN | DECIDING) << place) != 0
            || self.counts.holders(direction) > 0
        {
            return Ok(());
        }
        if !entry::may_resume() {
            return Err(Error::stream(
                direction,
                "this callback has resumed or replied to 128 streams already: resume it from a later tick",
            ));
        }
        status::resume(direction)?;
        if bits & WENT_ON << place == 0 {
            self.counts.mark(counts::LATE << place);
        }
        self.clear(PAUSED << place);
        self.set(WENT_ON << place);
        if matches!(direction, StreamType::HttpResponse) {
            self.tell();
        }
        budget::resumed(direction);
        Ok(())
    }

    /// Resumes both directions if the filter's callbacks paused them, because the policy is to be
    /// open.
    pub(crate) fn let_all_go(&self, directions: [StreamType; 2]) -> Result<()> {
        let mut first = Ok(());
        for direction in directions {
            self.clear(OWN << place(direction));
            first = first.and(self.let_go(direction));
        }
        first
    }

    /// Counts a holder of a direction.
    ///
    /// # Errors
    ///
    /// Fails if the stream has ended, or if 1,023 hold the direction already.
    pub(crate) fn hold(&self, direction: StreamType) -> Result<()> {
        if self.has_ended() {
            return Err(Error::stream(direction, "it has ended"));
        }
        if !self.counts.hold(direction) {
            return Err(Error::stream(direction, "1,023 holders have it already"));
        }
        Ok(())
    }

    /// Removes a holder of a direction from the count.
    pub(crate) fn release(&self, direction: StreamType) {
        self.counts.release(direction);
    }

    /// Handles the end of a task or closure that held a direction. The direction goes on, or stays
    /// paused as the filter's own pause, because the task or closure replied or something else will
    /// resume it. The caller applies the policy to an error.
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

    // Replying.

    /// Checks whether the stream can be replied to from here.
    ///
    /// # Errors
    ///
    /// Fails if it cannot. The error has the reason.
    pub(crate) fn may_reply(&self) -> Result<()> {
        if self.has_ended() {
            return Err(Error::new("the stream has ended, and no reply is possible"));
        }
        if self.is_replied() {
            return Err(Error::new("the stream already has a reply"));
        }
        if self.has(TOLD) {
            // The proxy carries out the resume first, and the stream may then be complete. Envoy
            // ends if the stream is replied to after that.
            return Err(Error::new(if entry::is_of_metadata() {
                "no reply is possible from on_response_metadata: reply in a later callback"
            } else {
                "the response has gone on, and no reply is possible"
            }));
        }
        if !self.has(Abilities::STREAM.0) {
            return Err(Error::new("there is no stream to reply to"));
        }
        Ok(())
    }

    /// Checks whether this entry may reply to one more stream.
    ///
    /// # Errors
    ///
    /// Fails if as many streams go on behind the entry already as a host can carry out.
    pub(crate) fn may_reply_now(&self) -> Result<()> {
        self.may_reply()?;
        if entry::may_reply() {
            return Ok(());
        }
        Err(Error::new("this callback has resumed or replied to 128 streams already: reply to it from a later tick"))
    }

    /// Returns whether this is a connection. A host accepts an HTTP reply to a connection silently,
    /// and sends nothing.
    pub(crate) fn is_connection(&self) -> bool {
        self.has(Abilities::CONNECTION.0)
    }

    /// Notes that the proxy was told something that ends the stream, or may end it, when the
    /// callback that runs has returned.
    fn tell(&self) {
        self.set(TOLD);
        entry::tell();
    }

    /// Notes that the stream was replied to, or closed: nothing of it is to be resumed.
    pub(crate) fn replied(&self) {
        let now = if self.has(DECIDING * 3) { REPLIED_NOW } else { 0 };
        self.clear((PAUSED | OWN) * 3);
        self.set(REPLIED | now);
        entry::count();
        self.tell();
    }

    /// Checks whether a direction of the stream can be closed from here.
    ///
    /// # Errors
    ///
    /// Fails if it cannot. The error has the reason.
    pub(crate) fn may_close(&self, direction: StreamType) -> Result<()> {
        if self.has_ended() {
            return Err(Error::stream(direction, "it has ended"));
        }
        if self.has(REPLIED_NOW | TOLD) {
            let of_metadata = entry::is_of_metadata() && !self.is_replied();
            return Err(Error::stream(
                direction,
                if of_metadata {
                    "it cannot be reset from on_response_metadata"
                } else {
                    "this callback has replied to it, or let its response go on"
                },
            ));
        }
        Ok(())
    }

    /// Notes that the proxy was told to close a direction. An HTTP stream has then ended. A
    /// connection still takes data that was sent before.
    pub(crate) fn closed(&self, direction: StreamType) {
        if matches!(direction, StreamType::HttpRequest | StreamType::HttpResponse) {
            self.clear((PAUSED | OWN) * 3);
            self.set(ENDED | RESET);
        }
    }

    /// Notes that the last response to a call has come.
    pub(crate) fn answered(&self) {
        self.counts.answered();
    }

    /// Returns whether something may still resume the stream: a call, a task, a closure or a tick.
    pub(crate) fn waits(&self) -> bool {
        self.counts.calls() > 0 || self.counts.holds() || tick::ticks()
    }

    /// Notes that a response is lost, because its context is busy.
    pub(crate) fn lose(&self) {
        self.set(LOST);
    }

    /// Lets the failure policy decide at the end of the next callback of the stream, if this entry
    /// is for the metadata of a response and cannot reply. Returns whether that is so.
    pub(crate) fn postpone(&self) -> bool {
        let postpones = entry::is_of_metadata() && !self.has(ENDED | REPLIED);
        if postpones {
            self.lose();
        }
        postpones
    }

    /// Returns whether a response was lost, and forgets it.
    #[inline]
    pub(crate) fn take_lost(&self) -> bool {
        let lost = self.has(LOST);
        if lost {
            self.clear(LOST);
        }
        lost
    }

    /// Returns whether a call, a task or a closure of this direction is to let headers go that the
    /// proxy holds.
    pub(crate) fn awaits(&self, direction: StreamType) -> bool {
        self.is_paused(direction) && (self.is_held(direction) || self.counts.calls() > 0)
    }

    /// Notes that the proxy holds headers, and shows nothing of the body behind them.
    pub(crate) fn hold_all(&self) {
        self.set(HOLDS_ALL);
    }

    /// Notes that a callback pauses a message at its end, so that no callback for the message
    /// follows. Returns whether no call, task, closure or tick is left that could resume it.
    pub(crate) fn pause_at_end(&self, phase: Phase) -> bool {
        let direction = phase.direction();
        self.counts.mark(counts::AT_END << place(direction));
        let is_over = self.has(ENDED | REPLIED_NOW) || self.has(REPLIED) && !phase.is_response();
        self.is_own_pause(direction) && !is_over && !self.waits()
    }

    /// Returns whether nothing can let a message go any more: the filter paused it, no callback for
    /// it follows, and no call, task, closure or tick is left. No callback follows if the message
    /// has ended, or if the proxy shows nothing behind its headers.
    pub(crate) fn is_stranded(&self) -> bool {
        let bits = self.bits.get();
        let own = (bits / OWN) & (bits / PAUSED) & 3;
        if own == 0 {
            return false;
        }
        let behind_headers = if bits & HOLDS_ALL == 0 { 0 } else { !(bits / WENT_ON) };
        own & (behind_headers | self.counts.at_end()) != 0 && !self.has(ENDED | REPLIED) && !self.waits()
    }

    /// Returns whether the proxy still has a message that was paused and never resumed.
    pub(crate) fn is_left_paused(&self) -> bool {
        self.has(PAUSED * 3)
    }
}

/// Notes that the callback that runs is for the metadata of the response: neither it nor a task
/// that it wakes can reply to the stream or reset it. Envoy would end the stream while it still
/// goes through the metadata, and end itself.
pub(crate) fn begin_response_metadata() {
    entry::begin_metadata();
    current(|state| state.map(State::tell));
}

/// Notes that the stream that host calls act on waits for one more call.
pub(crate) fn ask() {
    current(|state| state.map(|state| state.counts.ask()));
}

/// Notes that a call of the callback that runs has failed within its host call.
#[cold]
pub(crate) fn call_failed() {
    entry::call_failed();
    current(|state| state.map(|state| state.counts.set_call_failed(true)));
}

/// Returns whether a gRPC stream can be opened in the callback that runs.
///
/// Envoy reports a call that failed at once when the callback has returned. Envoy reports a stream
/// that failed at once within the host call that opens the stream, and looks for pending reports at
/// the end of that nested callback. The report of the call is postponed there, because the outer
/// callback still runs, and Envoy looks for it again without end. The worker then serves nothing
/// any more.
pub(crate) fn may_open_stream() -> bool {
    !entry::has_failed_before() && !current(|state| state.is_some_and(|state| state.counts.call_failed()))
}

/// Notes that the stream that host calls act on gave up a call.
pub(crate) fn give_up() {
    current(|state| state.map(State::answered));
}

/// Counts a holder of a direction of the stream that host calls act on.
///
/// # Errors
///
/// Fails if there is no stream, if it has ended, or if 1,023 hold the direction already.
pub(crate) fn hold(direction: StreamType) -> Result<()> {
    current(|state| state.map_or(Err(Error::stream(direction, "there is no stream")), |state| state.hold(direction)))
}

/// Removes a holder of a direction of the stream that host calls act on from the count.
pub(crate) fn release(direction: StreamType) {
    current(|state| state.map(|state| state.release(direction)));
}

/// Handles the end of a task or closure that held a direction of the stream that host calls act on.
pub(crate) fn judged(direction: StreamType, answer: Result<Action>) -> Result<()> {
    current(|state| match state {
        Some(state) => state.judged(direction, answer),
        None => answer.map(drop),
    })
}

/// Notes that a holder of a direction of the stream that host calls act on is lost. The failure
/// policy decides when the callback is over.
pub(crate) fn lose(direction: StreamType) {
    current(|state| {
        state.map(|state| {
            state.release(direction);
            state.lose();
        })
    });
}
