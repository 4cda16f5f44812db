//! The reasons for a call without a response.

use super::grpc::status_text;
use super::{CallResponse, GrpcEvent, GrpcEventKind};
use crate::abi::{HostBytes, Status};
use crate::error::{Error, Result};

/// The reason for which an HTTP call has no response.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn status(failure: &CallFailure) -> u16 {
///     match failure {
///         CallFailure::Timeout => 504,
///         CallFailure::NoSuchCluster | CallFailure::Refused(_) => 500,
///         _ => 503,
///     }
/// }
/// assert_eq!(status(&CallFailure::Reset), 503);
/// ```
///
/// # What Envoy reports
///
/// - A cluster that does not exist: the call is refused where it is made, with
///   [`Status::BadArgument`]. In a task that is [`NoSuchCluster`](Self::NoSuchCluster).
/// - A cluster without a healthy host: the call is refused where it is made, with
///   [`Status::InternalFailure`]. In a task that is [`NoHealthyHost`](Self::NoHealthyHost).
/// - A connection that breaks before the response is complete: [`Reset`](Self::Reset).
/// - **A timeout is a response**, which Envoy makes up: status 504 with the body
///   `upstream request timeout`. A host that refuses the connection is also a response, with status
///   503. Look at the status before the body.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallFailure {
    /// The time ran out, on a host that reports timeouts.
    Timeout,
    /// The stream to the cluster was reset before the response was complete.
    Reset,
    /// The connection to the cluster broke, or there was none.
    BrokenConnection,
    /// The host does not know the cluster.
    NoSuchCluster,
    /// The cluster has no host that could take the call. Or the host cannot send the call for
    /// another reason, which it does not report.
    NoHealthyHost,
    /// The call was not sent: the host refused it, its headers are over the host's limits, or the
    /// SDK is out of memory.
    Refused(Error),
    /// The host reports another reason, or none.
    Unknown(Status),
}

impl CallFailure {
    /// Asks the host for the reason. Returns `None` if the call has a response.
    pub(crate) fn of(response: &CallResponse) -> Option<Self> {
        response.failure().map(|(status, text)| Self::told(status, &text))
    }

    fn told(status: Status, text: &[u8]) -> Self {
        match (status, text) {
            (Status::NotFound, _) => Self::NoSuchCluster,
            (_, b"reset") => Self::Reset,
            (_, text) if text.windows(7).any(|part| part.eq_ignore_ascii_case(b"timeout")) => Self::Timeout,
            (Status::BrokenConnection, _) => Self::BrokenConnection,
            (status, _) => Self::Unknown(status),
        }
    }
}

impl From<CallFailure> for Error {
    fn from(failure: CallFailure) -> Self {
        Self::new(match failure {
            CallFailure::Timeout => "the call timed out",
            CallFailure::Reset => "the call was reset",
            CallFailure::BrokenConnection => "the connection of the call broke",
            CallFailure::NoSuchCluster => "no such cluster",
            CallFailure::NoHealthyHost => "the cluster has no healthy host",
            CallFailure::Refused(error) => return error,
            CallFailure::Unknown(_) => "the call failed",
        })
    }
}

/// The status with which a gRPC call or stream ended, by the names of the gRPC specification.
///
/// ```
/// # use sluicegate::prelude::*;
/// let may_retry = |status| matches!(status, GrpcStatus::Unavailable | GrpcStatus::ResourceExhausted);
/// assert!(may_retry(GrpcStatus::from(14)));
/// ```
#[doc(alias = "GrpcStatusCode")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the specification's names, in the order of its numbers")]
pub enum GrpcStatus {
    Ok,
    Cancelled,
    UnknownError,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
    /// Another number. Envoy reports -1 for a status that is none of the numbers above.
    Other(u32),
}

impl GrpcStatus {
    const fn of(code: u32) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::Cancelled,
            2 => Self::UnknownError,
            3 => Self::InvalidArgument,
            4 => Self::DeadlineExceeded,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::ResourceExhausted,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::OutOfRange,
            12 => Self::Unimplemented,
            13 => Self::Internal,
            14 => Self::Unavailable,
            15 => Self::DataLoss,
            16 => Self::Unauthenticated,
            other => Self::Other(other),
        }
    }
}

impl From<u32> for GrpcStatus {
    fn from(code: u32) -> Self {
        Self::of(code)
    }
}

/// The reason for which a gRPC call has no response.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn status(failure: &GrpcFailure) -> u16 {
///     match failure {
///         GrpcFailure::Closed(GrpcStatus::PermissionDenied) => 403,
///         GrpcFailure::Closed(_) => 503,
///         _ => 500,
///     }
/// }
/// assert_eq!(status(&GrpcFailure::Closed(GrpcStatus::from(7))), 403);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum GrpcFailure {
    /// The call ended with this status and no message. The status is that of the service, or
    /// [`GrpcStatus::Unavailable`] if the cluster could not be reached. Envoy 1.40 also reports
    /// `Unavailable` if the time ran out, with the [text](Self::text) `upstream request timeout`.
    /// [`GrpcStatus::DeadlineExceeded`] comes from the service itself, or from another host.
    Closed(GrpcStatus),
    /// The call was not sent, or its message could not be read: the host refused, or the SDK is out
    /// of memory.
    Refused(Error),
}

impl GrpcFailure {
    /// Returns the failure that an event reports, or `None` if it brings a message.
    pub(crate) const fn of(event: &GrpcEvent) -> Option<Self> {
        match event.kind() {
            GrpcEventKind::Closed(code) => Some(Self::Closed(GrpcStatus::of(code))),
            _ => None,
        }
    }

    /// Returns the text of the status. Call this in the callback that brought the status.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call. If there is a text, one block, which the host allocates.
    pub fn text(&self) -> Result<HostBytes> {
        status_text()
    }
}

impl From<GrpcFailure> for Error {
    fn from(failure: GrpcFailure) -> Self {
        match failure {
            GrpcFailure::Closed(GrpcStatus::DeadlineExceeded) => Self::new("the gRPC call timed out"),
            GrpcFailure::Closed(GrpcStatus::Unavailable) => {
                Self::new("the gRPC service is unavailable, or did not respond in time")
            }
            GrpcFailure::Closed(_) => Self::new("the gRPC call failed"),
            GrpcFailure::Refused(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hosts_tell_has_a_name() {
        assert!(matches!(CallFailure::told(Status::BrokenConnection, b"reset"), CallFailure::Reset));
        assert!(matches!(CallFailure::told(Status::BrokenConnection, b""), CallFailure::BrokenConnection));
        assert!(matches!(CallFailure::told(Status::InternalFailure, b"request Timeout"), CallFailure::Timeout));
        assert!(matches!(CallFailure::told(Status::NotFound, b""), CallFailure::NoSuchCluster));
        assert!(matches!(CallFailure::told(Status::Unknown(99), b"x"), CallFailure::Unknown(Status::Unknown(99))));
    }

    #[test]
    fn every_number_of_grpc_is_a_status() {
        assert_eq!(GrpcStatus::from(0), GrpcStatus::Ok);
        assert_eq!(GrpcStatus::from(4), GrpcStatus::DeadlineExceeded);
        assert_eq!(GrpcStatus::from(16), GrpcStatus::Unauthenticated);
        assert_eq!(GrpcStatus::from(u32::MAX), GrpcStatus::Other(u32::MAX));
    }
}
