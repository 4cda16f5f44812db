//! The part of a stream's state about its bodies: whether a body is gathered, whether its size may
//! change, and whether the data is a body at all.

use super::counts::{IN_PARTS, REPEATS};
use super::status::KEPT;
use super::{DECIDING, ENDED, PAUSED, REPLIED, State, WENT_ON, current, place, status};
use crate::abi::StreamType;
use crate::budget;
use crate::error::{Error, Result};

/// The dispatcher gathers the body, and is one of the holders of the direction. This and the next
/// bits belong to a direction, as those of [`super`].
const GATHERS: u32 = 1 << 20;
/// The headers went on without a length that another size would contradict.
const ANOTHER_SIZE: u32 = 1 << 22;
/// A rewriter has bytes that its closure left.
const CARRIES: u32 = 1 << 24;
/// The client asks for another protocol by `CONNECT`. This and the next bits belong to the stream:
/// the client asks by `upgrade`, and the upstream has agreed.
const ASKS_CONNECT: u32 = 1 << 26;
const ASKS_UPGRADE: u32 = 1 << 27;
const UPGRADED: u32 = 1 << 28;
/// The last part of the request's body came, so no trailers follow.
const NO_TRAILERS: u32 = 1 << 31;

impl State {
    /// Notes that a message was resumed at its trailers.
    pub(super) fn repeat(&self, direction: StreamType) {
        self.counts.mark(REPEATS << place(direction));
    }

    /// Returns whether a callback for a body or for trailers shows parts again that were let go on.
    #[inline]
    pub(super) fn is_let_go(&self, direction: StreamType) -> bool {
        self.counts.is_marked(REPEATS << place(direction))
    }

    /// Lets the body of a direction pass in parts.
    pub(crate) fn pass_in_parts(&self, direction: StreamType) {
        self.counts.mark(IN_PARTS << place(direction));
    }

    pub(crate) fn passes_in_parts(&self, direction: StreamType) -> bool {
        self.counts.is_marked(IN_PARTS << place(direction))
    }

    /// Returns whether the proxy takes bytes of a body in the callback for its trailers. The proxy
    /// does only while it keeps the last part. Otherwise Envoy refuses, or loses the bytes and
    /// returns Ok.
    fn takes_bytes_at_trailers(&self, direction: StreamType) -> bool {
        self.has(KEPT << place(direction))
    }

    /// Returns whether the proxy keeps a body that the filter holds, so that the body can be
    /// changed from elsewhere than its callback.
    pub(crate) fn keeps_body(&self, direction: StreamType) -> bool {
        let place = place(direction);
        self.has(KEPT << place) && self.has(PAUSED << place) && !self.has(DECIDING << place | ENDED | REPLIED)
    }

    pub(super) fn put(&self, bits: u32, set: bool) {
        if set { self.set(bits) } else { self.clear(bits) }
    }

    /// Returns whether a task, a closure or the dispatcher holds a direction.
    pub(crate) fn is_held(&self, direction: StreamType) -> bool {
        self.counts.holders(direction) > 0
    }

    /// Resumes the parts of a direction that the proxy held before, together with the part whose
    /// callback runs and whose status will stop the direction again. Returns whether this was done.
    /// It is not done if the proxy holds nothing, or if somebody else holds the direction.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    pub(crate) fn pass_on(&self, direction: StreamType) -> Result<bool> {
        let place = place(direction);
        if !self.is_paused(direction) || self.is_held(direction) || self.has(ENDED | REPLIED) {
            return Ok(false);
        }
        status::resume(direction)?;
        self.set(WENT_ON << place);
        budget::resumed(direction);
        Ok(true)
    }

    /// Holds a direction while its body is gathered.
    ///
    /// # Errors
    ///
    /// Fails if the stream has ended, or if 1,023 hold the direction already.
    pub(crate) fn gather(&self, direction: StreamType) -> Result<()> {
        let bit = GATHERS << place(direction);
        if !self.has(bit) {
            self.hold(direction)?;
            self.set(bit);
        }
        Ok(())
    }

    /// Ends the gathering of a body, which is complete, or is not a body.
    pub(crate) fn gathered(&self, direction: StreamType) {
        let bit = GATHERS << place(direction);
        if self.has(bit) {
            self.clear(bit);
            self.release(direction);
        }
    }

    /// Notes that the headers of a direction go on without the length of the body.
    pub(crate) fn allow_another_size(&self, direction: StreamType) {
        self.set(ANOTHER_SIZE << place(direction));
    }

    pub(crate) fn allows_another_size(&self, direction: StreamType) -> bool {
        self.has(ANOTHER_SIZE << place(direction))
    }

    /// Notes whether a rewriter has bytes of a direction that its closure left.
    pub(crate) fn carry(&self, direction: StreamType, carries: bool) {
        self.put(CARRIES << place(direction), carries);
    }

    pub(crate) fn carries(&self, direction: StreamType) -> bool {
        self.has(CARRIES << place(direction))
    }

    /// Notes that the client asks for another protocol.
    pub(crate) fn ask_upgrade(&self, by_connect: bool) {
        self.set(if by_connect { ASKS_CONNECT } else { ASKS_UPGRADE });
    }

    /// Returns whether a response with this status agrees to the protocol that the client asks for.
    pub(crate) fn agrees_to_upgrade(&self, status: &[u8]) -> bool {
        (self.has(ASKS_UPGRADE | ASKS_CONNECT) && status == b"101")
            || (self.has(ASKS_CONNECT) && matches!(status, [b'2', _, _]))
    }

    pub(crate) fn asks_upgrade(&self) -> bool {
        self.has(ASKS_UPGRADE | ASKS_CONNECT)
    }

    /// Notes that the upstream agrees to the other protocol, so that no body follows. The gathered
    /// bytes of the request go on.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses to resume the request.
    pub(crate) fn upgrade(&self) -> Result<()> {
        self.set(UPGRADED);
        self.gathered(StreamType::HttpRequest);
        self.let_go(StreamType::HttpRequest)
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.has(UPGRADED)
    }
}

/// Notes that the body of the request that host calls act on has ended with its last part.
#[inline]
pub(crate) fn end_request() {
    current(|state| state.map(|state| state.set(NO_TRAILERS)));
}

/// Returns whether the request that host calls act on has no trailers and gets none. In the
/// callback of the last part, an edit of the trailers makes Envoy add trailers. If the filter then
/// holds the request, the body is lost, and the trailers go out twice.
pub(crate) fn has_no_trailers() -> bool {
    current(|state| state.is_some_and(|state| state.has(NO_TRAILERS)))
}

/// Checks that bytes can be written in the callback for the trailers.
///
/// # Errors
///
/// Fails if the bytes would be lost.
pub(crate) fn may_write_at_trailers(direction: StreamType) -> Result<()> {
    if current(|state| state.is_none_or(|state| state.takes_bytes_at_trailers(direction))) {
        return Ok(());
    }
    Err(Error::stream(direction, "the proxy keeps no part of its body, so no bytes can be added before the trailers"))
}
