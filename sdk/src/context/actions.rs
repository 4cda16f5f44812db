//! What a callback answers: whether a VM or plugin starts, what becomes of a stream, and what an
//! error does to it.

/// Whether a VM or plugin can work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "return it from the callback, which decides by it whether the VM or plugin starts"]
pub enum StartStatus {
    /// It can.
    Ok,
    /// It cannot: the proxy refuses the configuration.
    Failed,
}

/// What the proxy does with a stream after a headers callback.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
#[non_exhaustive]
#[must_use = "return it from the callback, which decides by it whether the stream goes on"]
pub enum Action {
    /// Go on to the next filter.
    Continue = 0,
    /// Hold the headers here. Envoy holds the body too, as if
    /// [`StopAllIterationAndWatermark`](Self::StopAllIterationAndWatermark) were answered, unless
    /// its plugin configuration sets `allow_on_headers_stop_iteration`.
    StopIteration = 1,
    /// Go on, and end the stream here. Envoy takes it for [`Continue`](Self::Continue).
    ContinueAndEndStream = 2,
    /// Hold everything; a body over the buffer's limit is answered with 413, or 500 for a response.
    StopAllIterationAndBuffer = 3,
    /// Hold everything; a body over the buffer's limit makes the sender wait.
    StopAllIterationAndWatermark = 4,
    /// Hold the headers here while somebody holds them, and go on when nobody does: what
    /// `hold_while` and [`hold_for_call`](crate::Headers::hold_for_call) return. The proxy gets
    /// [`StopIteration`](Self::StopIteration) or [`Continue`](Self::Continue).
    Held = 0x100,
}

impl Action {
    /// The name that the specification and other SDKs have for
    /// [`StopIteration`](Self::StopIteration).
    #[allow(non_upper_case_globals, reason = "it stands beside the variants")]
    pub const Pause: Self = Self::StopIteration;
}

/// What the proxy does with a body after a body callback.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
#[non_exhaustive]
#[must_use = "return it from the callback, which decides by it whether the body goes on"]
pub enum DataAction {
    /// Let it go on, and what was held back before it.
    Continue = 0,
    /// Hold it back; over the buffer's limit a request is answered with 413, and a response is
    /// reset, or answered with 500 if its headers are held.
    StopIterationAndBuffer = 1,
    /// Hold it back; a body over the buffer's limit makes the sender wait.
    StopIterationAndWatermark = 2,
    /// Neither hold it back nor let it go on: all that the callback was shown is dropped, which is
    /// this part and what was kept before it.
    StopIterationNoBuffer = 3,
    /// Hold the body back while somebody holds it, and let it go on when nobody does: what
    /// `hold_while` and [`hold_for_call`](crate::Body::hold_for_call) return. The proxy gets
    /// [`StopIterationAndBuffer`](Self::StopIterationAndBuffer) or [`Continue`](Self::Continue).
    Held = 0x100,
}

impl DataAction {
    /// The name that the specification and other SDKs have for
    /// [`StopIterationAndBuffer`](Self::StopIterationAndBuffer).
    #[allow(non_upper_case_globals, reason = "it stands beside the variants")]
    pub const Pause: Self = Self::StopIterationAndBuffer;
}

/// What the proxy does after a callback for trailers, or for a connection and its data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
#[non_exhaustive]
#[must_use = "return it from the callback, which decides by it whether the stream goes on"]
pub enum Flow {
    /// Go on to the next filter.
    Continue = 0,
    /// Hold it here. Data of a connection is held back with it.
    StopIteration = 1,
    /// Hold it here while somebody holds it, and go on when nobody does: what `hold_while` and
    /// [`hold_for_call`](crate::TcpHandle::hold_for_call) return. The proxy gets
    /// [`StopIteration`](Self::StopIteration) or [`Continue`](Self::Continue).
    Held = 0x100,
}

impl Flow {
    /// The name that the specification and other SDKs have for
    /// [`StopIteration`](Self::StopIteration).
    #[allow(non_upper_case_globals, reason = "it stands beside the variants")]
    pub const Pause: Self = Self::StopIteration;
}

/// What happens to a stream when a callback answers an error, or its context is missing or busy:
/// memory was out when it was to be made, say. Either way it is logged, and counted for each
/// callback: the proxy's metric `sluicegate_errors`, of all plugins in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailurePolicy {
    /// The client gets a 500, a connection is closed; nothing passes unfiltered.
    Closed,
    /// The client gets a 503, which clients and load balancers take for a reason to try again
    /// elsewhere; a connection is closed.
    Unavailable,
    /// The stream goes on as if the filter were not there. What it holds back goes on too, if the
    /// error comes from the answer to a call.
    Open,
}

impl FailurePolicy {
    /// Returns the status of the answer to the client; none if the stream goes on.
    pub(crate) const fn status(self) -> Option<u16> {
        match self {
            Self::Closed => Some(500),
            Self::Unavailable => Some(503),
            Self::Open => None,
        }
    }
}

/// What becomes of a request that asks for another protocol, by `upgrade` (WebSocket) or by
/// `CONNECT`: what follows its headers is no body, and does not end.
///
/// It concerns filters that judge [complete bodies](crate::HttpFilter::on_complete_request_body),
/// because such a stream has nothing that they could judge. Other filters see the data part by
/// part, as a body.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Upgrades {
    /// The client gets a 403, before any callback of the filter's for the request.
    #[default]
    Refuse,
    /// The data passes in both directions without a callback, once the upstream has agreed: with
    /// status 101, or 2xx to `CONNECT`. Until then what follows the request is kept as a body, and
    /// judged if it ends. An upstream that does not agree answers with an ordinary response.
    ///
    /// The filter's own `on_request_headers` can still refuse some of them.
    Pass,
}
