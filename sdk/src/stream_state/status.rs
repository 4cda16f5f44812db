//! The status of a callback: whether the direction goes on when the callback and its tasks are
//! over, and how the proxy is told.
//!
//! A proxy that was told to keep a part of a body joins the next part to it. If a resume from
//! elsewhere has let the kept part go on in between, Envoy 1.36 leaves the next part behind when
//! its callback lets it go on. No Envoy drops a joined part. So a [`KEPT`] part is followed by a
//! resume within the callback, or by an empty buffer, and then by a status that every host knows.
//!
//! Bytes that a callback writes into an empty last part, or before the trailers, also go on by such
//! a resume. If a status let them go on, Envoy would lose them.
//!
//! If headers are resumed that held back a body and its trailers, Envoy shows both within that host
//! call. If the trailers' status then lets a [`KEPT`] part go on, Envoy loses the part, and shows
//! the trailers again. By a resume within the callback the part goes on. Envoy shows the part and
//! the trailers again within the resume, and [`State::repeats`] lets them pass.

use super::counts::LATE;
use super::{DECIDING, HELD, OWN, PAUSED, REPLIED, REPLIED_NOW, RESET, STOP, State, WENT_ON, place};
use crate::abi::{LogLevel, StreamType, call};
use crate::budget;
use crate::context::{Action, DataAction};
use crate::error::{Error, Result};
use crate::host_buffer::{WHOLE, buffer_of};
use crate::log;

/// The proxy was told to keep the last part of the body, and joins the next one to it. The bit
/// belongs to a direction, as the bits of [`super`].
pub(super) const KEPT: u32 = 1 << 29;

/// A callback whose status decides about a direction.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    direction: StreamType,
    kind: &'static Kind,
}

/// The subject of a callback's decision, and the host calls that it may need.
///
/// A callback for a body may keep a part, and later callbacks find the part. They then need two
/// host calls. The two are named here, so that a module whose filter only sees headers does not
/// link them.
#[derive(Debug)]
struct Kind {
    of: Of,
    kept: Option<Kept>,
}

/// The functions that resume a kept part, and that drop it.
#[derive(Debug)]
struct Kept {
    resume: fn(StreamType) -> Result<()>,
    drop: fn(StreamType) -> Result<()>,
}

const HEADERS: &Kind = &Kind { of: Of::Headers, kept: None };
const BODY: &Kind = &Kind { of: Of::Body, kept: Some(Kept { resume, drop: drop_joined }) };
const TRAILERS: &Kind = &Kind { of: Of::Other, kept: Some(Kept { resume, drop: drop_joined }) };
const CONNECTION: &Kind = &Kind { of: Of::Other, kept: None };

/// The part of a message that a callback shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Of {
    /// Headers. One more status lets them go on.
    Headers,
    /// A body, which the proxy keeps part by part.
    Body,
    /// Trailers, or the data of a connection.
    Other,
}

impl Phase {
    pub(crate) const fn headers(direction: StreamType) -> Self {
        Self { direction, kind: HEADERS }
    }

    pub(crate) const fn body(direction: StreamType) -> Self {
        Self { direction, kind: BODY }
    }

    pub(crate) const fn trailers(direction: StreamType) -> Self {
        Self { direction, kind: TRAILERS }
    }

    /// Returns the phase of a connection's data.
    pub(crate) const fn connection(direction: StreamType) -> Self {
        Self { direction, kind: CONNECTION }
    }

    pub(crate) const fn direction(self) -> StreamType {
        self.direction
    }

    pub(super) const fn is_response(self) -> bool {
        matches!(self.direction, StreamType::HttpResponse)
    }

    /// Returns whether no callback of the stream can have run before.
    pub(crate) const fn begins_stream(self) -> bool {
        matches!((self.direction, self.kind.of), (StreamType::HttpRequest, Of::Headers))
    }

    const fn goes_on(self, status: u32) -> bool {
        status == 0 || (matches!(self.kind.of, Of::Headers) && status == Action::ContinueAndEndStream as u32)
    }
}

impl State {
    /// Returns whether a callback shows parts again that were let go on, and must let them pass.
    #[inline]
    pub(crate) fn repeats(&self, phase: Phase) -> bool {
        phase.kind.of != Of::Headers && self.is_let_go(phase.direction)
    }

    /// Notes that a callback of a direction begins.
    #[inline]
    pub(crate) fn begin(&self, phase: Phase) {
        self.set(DECIDING << place(phase.direction));
    }

    /// Notes that the callback itself has returned. Its tasks may still run.
    #[inline]
    pub(crate) fn returned(&self, phase: Phase, status: u32) {
        let own = OWN << place(phase.direction);
        if phase.goes_on(status) {
            self.clear(own);
        } else if status != HELD {
            self.set(own);
        }
    }

    /// Returns the status for the proxy, when the callback and its tasks are over.
    #[inline]
    pub(crate) fn status(&self, phase: Phase, status: u32) -> u32 {
        let place = place(phase.direction);
        let holders = self.counts.holders(phase.direction);
        if status == 0 && holders == 0 && !self.has(REPLIED | RESET | (OWN | KEPT) << place) {
            self.bits.set(self.bits.get() & !((PAUSED | DECIDING) << place) | WENT_ON << place);
            return status;
        }
        self.other_status(phase, status, holders)
    }

    #[cold]
    #[inline(never)]
    fn other_status(&self, phase: Phase, status: u32, holders: u32) -> u32 {
        let place = place(phase.direction);
        self.clear(DECIDING << place);
        let stop = if status == HELD || phase.goes_on(status) { STOP } else { status };
        if self.has(RESET) {
            // The stream was reset in this callback. If its last message also went on, Envoy would
            // end.
            return stop;
        }
        if self.has(REPLIED_NOW) || self.has(REPLIED) && !phase.is_response() {
            // The reply replaces this message, so nothing of the message follows, and nothing is to
            // be resumed.
            self.clear(REPLIED_NOW | (PAUSED | OWN) << place);
            return stop;
        }
        let is_body = phase.kind.of == Of::Body;
        let joined = phase.kind.kept.as_ref().filter(|_| self.has(KEPT << place));
        if holders > 0 || self.has(OWN << place) {
            if let Some(kept) = joined
                && is_body
                && stop == DataAction::StopIterationNoBuffer as u32
            {
                noted((kept.drop)(phase.direction));
            }
            self.set(PAUSED << place);
            self.put(KEPT << place, is_body && stop == STOP);
            return stop;
        }
        // The kept part went on meanwhile, or would be lost.
        let by_resume =
            joined.filter(|_| !self.has(PAUSED << place) || !is_body && self.counts.is_marked(LATE << place));
        self.clear((PAUSED | KEPT) << place);
        self.set(WENT_ON << place);
        budget::resumed(phase.direction);
        if let Some(kept) = by_resume
            && noted((kept.resume)(phase.direction))
        {
            if !is_body {
                self.repeat(phase.direction);
            }
            return STOP;
        }
        if phase.goes_on(status) { status } else { 0 }
    }
}

/// Tells the proxy to resume a direction.
pub(super) fn resume(direction: StreamType) -> Result<()> {
    call::continue_stream(direction).map_err(|status| Error::host("proxy_continue_stream", direction, status))
}

/// Empties the part of a body that the proxy shows, including the joined part.
fn drop_joined(direction: StreamType) -> Result<()> {
    let buffer = buffer_of(direction);
    call::set_buffer(buffer, 0, WHOLE, &[]).map_err(|status| Error::host("proxy_set_buffer_bytes", buffer, status))
}

/// Returns whether the host succeeded, and logs if it did not.
fn noted(done: Result<()>) -> bool {
    if done.is_err() {
        log::write_text(LogLevel::Error, "sluicegate: the host refuses to pass or to drop a part of a body");
    }
    done.is_ok()
}
