//! What a callback of a stream is about.

use crate::abi::StreamType;

/// What a callback of a stream is about.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "budget"), allow(dead_code, reason = "the twin that looks at it is off"))]
pub(crate) enum Event {
    /// Headers of a request or a response.
    Headers(StreamType),
    /// All of a body that is there: what was held back so far and what is new.
    Body(StreamType, usize),
    /// Trailers, which let a body go on that was held back.
    Trailers(StreamType),
}
