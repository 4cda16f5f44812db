//! The calls of a guest on a stream: those that take effect when the guest has returned, and those
//! that do harm in some callback.

use sluicegate::abi::Import;

use crate::model::direction::Way;

/// A request of the guest that takes effect when the guest has returned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deferred {
    Resume(u32),
    Close(u32),
    Answer,
    /// Responds to an HTTP call whose headers the proxy does not send.
    RefuseCall(u32),
    /// Closes a gRPC call that reaches no upstream: the plugin, and the token.
    CloseGrpc(u32, u32),
    /// Ends a plugin.
    Delete,
}

/// A host call that does harm in some callback.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Act {
    Resume(Way),
    Close(Way),
    Reply,
    /// A host function that uses the request's trailers.
    Trailers(Import),
}

impl Act {
    /// Returns the name of the call's row.
    pub(crate) fn name(self) -> String {
        let name = match self {
            Self::Resume(Way::Request) => "continue_stream request",
            Self::Resume(Way::Response) => "continue_stream response",
            Self::Close(Way::Request) => "close_stream request",
            Self::Close(Way::Response) => "close_stream response",
            Self::Reply => "send_local_response",
            Self::Trailers(import) => {
                return format!("{} request trailers", import.name().trim_start_matches("proxy_"));
            }
        };
        name.to_owned()
    }

    /// The name of the row of two calls in one callback, if there is one. To close a direction is
    /// to close the stream, whichever it is.
    pub(crate) const fn name_after(self, before: Self) -> Option<&'static str> {
        match (before, self) {
            (Self::Resume(Way::Request), Self::Resume(Way::Request)) => Some("continue_stream request twice"),
            (Self::Resume(Way::Response), Self::Resume(Way::Response)) => Some("continue_stream response twice"),
            (Self::Reply, Self::Reply) => Some("send_local_response twice"),
            (Self::Reply, Self::Resume(Way::Request)) => Some("send_local_response and continue_stream request"),
            (Self::Reply, Self::Resume(Way::Response)) => Some("send_local_response and continue_stream response"),
            (Self::Reply, Self::Close(_)) => Some("send_local_response and close_stream request"),
            (Self::Close(_), Self::Reply) => Some("close_stream request and send_local_response"),
            (Self::Resume(Way::Request), Self::Resume(Way::Response)) => {
                Some("continue_stream request and continue_stream response")
            }
            (Self::Resume(Way::Response), Self::Resume(Way::Request)) => {
                Some("continue_stream response and continue_stream request")
            }
            (Self::Resume(Way::Request), Self::Reply) => Some("continue_stream request and send_local_response"),
            (Self::Resume(Way::Response), Self::Reply) => Some("continue_stream response and send_local_response"),
            (Self::Resume(Way::Request), Self::Close(_)) => Some("continue_stream request and close_stream request"),
            (Self::Resume(Way::Response), Self::Close(_)) => Some("continue_stream response and close_stream request"),
            _ => None,
        }
    }

    pub(crate) const fn way(self) -> Option<Way> {
        match self {
            Self::Resume(way) | Self::Close(way) => Some(way),
            Self::Trailers(_) => Some(Way::Request),
            Self::Reply => None,
        }
    }
}
