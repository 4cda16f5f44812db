//! The subject of a callback of a stream.

use crate::abi::StreamType;

/// The subject of a callback of a stream.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "budget"), allow(dead_code, reason = "the twin that looks at it is off"))]
pub(crate) enum Event {
    /// The headers of a request or a response.
    Headers(StreamType),
    /// All bytes of a body that the callback sees: the kept bytes and the new ones.
    Body(StreamType, usize),
    /// The trailers, which let a kept body go on.
    Trailers(StreamType),
}
