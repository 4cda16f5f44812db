//! The numbers of the ABI, as types. Numbers from the host map totally: an unknown number is kept,
//! and is never undefined behaviour.

/// The status that a host function returned.
///
/// The numbers in parentheses are not in every version of the specification. Hosts send them
/// nevertheless.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn is_missing(error: &Error) -> bool {
///     error.status() == Some(Status::NotFound)
/// }
/// assert_eq!(Status::from(1), Status::NotFound);
/// assert_eq!(Status::NotFound.text(), "not found");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// 0
    Ok,
    /// 1: no such key, header, property or metric.
    #[doc(alias = "ErrorStatusNotFound")]
    NotFound,
    /// 2: an argument is wrong, or the call is not allowed in this callback.
    #[doc(alias = "ErrorStatusBadArgument")]
    BadArgument,
    /// 3: the host has a value that it cannot encode.
    SerializationFailure,
    /// 4: the host could not parse an argument.
    ParseFailure,
    /// (5)
    BadExpression,
    /// 6: an address is outside the guest's memory, or the guest refused to allocate.
    InvalidMemoryAccess,
    /// 7: the queue is empty.
    #[doc(alias = "ErrorStatusEmpty")]
    Empty,
    /// 8: another VM wrote the value since it was read.
    #[doc(alias = "ErrorStatusCasMismatch")]
    CasMismatch,
    /// (9)
    ResultMismatch,
    /// 10: the host failed for a reason of its own.
    #[doc(alias = "ErrorInternalFailure")]
    InternalFailure,
    /// (11): the connection of a callout broke.
    BrokenConnection,
    /// 12: this host does not have the function, or not for this stream.
    #[doc(alias = "ErrorUnimplemented")]
    Unimplemented,
    /// Another number.
    Unknown(u32),
}

impl From<u32> for Status {
    fn from(status: u32) -> Self {
        Self::from_code(status)
    }
}

impl Status {
    pub(crate) const fn from_code(status: u32) -> Self {
        match status {
            0 => Self::Ok,
            1 => Self::NotFound,
            2 => Self::BadArgument,
            3 => Self::SerializationFailure,
            4 => Self::ParseFailure,
            5 => Self::BadExpression,
            6 => Self::InvalidMemoryAccess,
            7 => Self::Empty,
            8 => Self::CasMismatch,
            9 => Self::ResultMismatch,
            10 => Self::InternalFailure,
            11 => Self::BrokenConnection,
            12 => Self::Unimplemented,
            other => Self::Unknown(other),
        }
    }

    /// Returns the number of the status on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::NotFound => 1,
            Self::BadArgument => 2,
            Self::SerializationFailure => 3,
            Self::ParseFailure => 4,
            Self::BadExpression => 5,
            Self::InvalidMemoryAccess => 6,
            Self::Empty => 7,
            Self::CasMismatch => 8,
            Self::ResultMismatch => 9,
            Self::InternalFailure => 10,
            Self::BrokenConnection => 11,
            Self::Unimplemented => 12,
            Self::Unknown(code) => code,
        }
    }

    /// Returns a text for display: `not found`, `bad argument` …
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not found",
            Self::BadArgument => "bad argument",
            Self::SerializationFailure => "serialization failure",
            Self::ParseFailure => "parse failure",
            Self::BadExpression => "bad expression",
            Self::InvalidMemoryAccess => "invalid memory access",
            Self::Empty => "empty",
            Self::CasMismatch => "cas mismatch",
            Self::ResultMismatch => "result mismatch",
            Self::InternalFailure => "internal failure",
            Self::BrokenConnection => "broken connection",
            Self::Unimplemented => "unimplemented",
            Self::Unknown(_) => "unknown status",
        }
    }
}

/// The severity of a log line, lowest first.
///
/// ```
/// use sluicegate::LogLevel;
///
/// sluicegate::log!(LogLevel::Info, "{} items", 3);
/// assert!(LogLevel::Error > LogLevel::Warn);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u32)]
pub enum LogLevel {
    /// 0
    Trace = 0,
    /// 1
    Debug = 1,
    /// 2
    Info = 2,
    /// 3
    Warn = 3,
    /// 4
    Error = 4,
    /// 5
    Critical = 5,
}

impl LogLevel {
    /// Returns the level of a number. Numbers above that of [`LogLevel::Critical`] are `Critical`
    /// too.
    #[must_use]
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            _ => Self::Critical,
        }
    }
}

/// A map of headers, trailers or metadata.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u32)]
pub enum MapType {
    /// 0
    HttpRequestHeaders = 0,
    /// 1
    HttpRequestTrailers = 1,
    /// 2
    HttpResponseHeaders = 2,
    /// 3
    HttpResponseTrailers = 3,
    /// 4
    GrpcInitialMetadata = 4,
    /// 5
    GrpcTrailingMetadata = 5,
    /// 6
    HttpCallResponseHeaders = 6,
    /// 7
    HttpCallResponseTrailers = 7,
}

impl MapType {
    /// Returns the direction of the message that the map belongs to.
    pub(crate) const fn direction(self) -> StreamType {
        match self {
            Self::HttpRequestHeaders | Self::HttpRequestTrailers => StreamType::HttpRequest,
            _ => StreamType::HttpResponse,
        }
    }

    /// Returns a text for display: `request headers` …
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::HttpRequestHeaders => "request headers",
            Self::HttpRequestTrailers => "request trailers",
            Self::HttpResponseHeaders => "response headers",
            Self::HttpResponseTrailers => "response trailers",
            Self::GrpcInitialMetadata => "gRPC initial metadata",
            Self::GrpcTrailingMetadata => "gRPC trailing metadata",
            Self::HttpCallResponseHeaders => "call response headers",
            Self::HttpCallResponseTrailers => "call response trailers",
        }
    }
}

/// A buffer that the host keeps.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u32)]
pub enum BufferType {
    /// 0
    HttpRequestBody = 0,
    /// 1
    HttpResponseBody = 1,
    /// 2
    DownstreamData = 2,
    /// 3
    UpstreamData = 3,
    /// 4
    HttpCallResponseBody = 4,
    /// 5
    GrpcMessage = 5,
    /// 6; ABI 0.2.0 and later.
    VmConfiguration = 6,
    /// 7; ABI 0.2.0 and later.
    PluginConfiguration = 7,
    /// 8; ABI 0.2.0 and later.
    ForeignFunctionArguments = 8,
}

impl BufferType {
    /// Returns the direction of the message or of the connection's data that the buffer holds.
    pub(crate) const fn direction(self) -> StreamType {
        match self {
            Self::HttpRequestBody => StreamType::HttpRequest,
            Self::DownstreamData => StreamType::Downstream,
            Self::UpstreamData => StreamType::Upstream,
            _ => StreamType::HttpResponse,
        }
    }

    /// Returns a text for display: `request body` …
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::HttpRequestBody => "request body",
            Self::HttpResponseBody => "response body",
            Self::DownstreamData => "downstream data",
            Self::UpstreamData => "upstream data",
            Self::HttpCallResponseBody => "call response body",
            Self::GrpcMessage => "gRPC message",
            Self::VmConfiguration => "VM configuration",
            Self::PluginConfiguration => "plugin configuration",
            Self::ForeignFunctionArguments => "foreign function arguments",
        }
    }
}

/// A direction of a stream that can be resumed or closed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u32)]
pub enum StreamType {
    /// 0
    HttpRequest = 0,
    /// 1
    HttpResponse = 1,
    /// 2
    Downstream = 2,
    /// 3; Envoy cannot resume it.
    Upstream = 3,
}

/// The side that closed a connection.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn who(peer: PeerType) -> &'static str {
///     match peer {
///         PeerType::Local => "the proxy",
///         PeerType::Remote => "the other side",
///         _ => "somebody",
///     }
/// }
/// assert_eq!(who(PeerType::from(2)), "the other side");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum PeerType {
    /// 0, and every number that the specification does not have: the host does not tell.
    #[doc(alias = "PeerTypeUnknown")]
    Unknown,
    /// 1: the proxy.
    #[doc(alias = "PeerTypeLocal")]
    Local,
    /// 2: the other side.
    #[doc(alias = "PeerTypeRemote")]
    Remote,
}

impl From<u32> for PeerType {
    fn from(peer: u32) -> Self {
        match peer {
            1 => Self::Local,
            2 => Self::Remote,
            _ => Self::Unknown,
        }
    }
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u32)]
pub enum MetricType {
    /// 0
    Counter = 0,
    /// 1
    Gauge = 1,
    /// 2
    Histogram = 2,
}

/// The reason for which a host call returned no bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// The host returned this status.
    Status(Status),
    /// The host named a block that it did not ask for, or more bytes of it than it asked for.
    Foreign,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_number_survives_the_round_trip() {
        for code in (0..=20).chain([u32::MAX]) {
            assert_eq!(Status::from(code).code(), code);
        }
    }

    #[test]
    fn a_level_above_critical_is_critical() {
        assert_eq!(LogLevel::from_code(6), LogLevel::Critical);
        assert_eq!(LogLevel::from_code(u32::MAX), LogLevel::Critical);
        assert_eq!(LogLevel::from_code(2), LogLevel::Info);
    }
}
