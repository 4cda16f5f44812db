//! The path of a message through a filter: the parts that the proxy keeps while the filter holds
//! it, and the steps that follow when it goes on.

mod body;
mod headers;
mod local_reply;
mod resume;
mod trailers;

pub(crate) use body::{body_comes, next_unread, send};
pub(crate) use headers::headers;
pub(crate) use local_reply::{answer, fail};
pub(crate) use resume::resume;
pub(crate) use trailers::trailers;

/// The actions that stop a stream that is over or whose VM is dead, as hosts number them: for
/// headers, for data, and for trailers and connections.
pub(crate) const STOP_ALL: u32 = 4;
pub(crate) const NO_BUFFER: u32 = 3;
pub(crate) const STOP: u32 = 1;

/// The action that holds headers and everything after them, and makes the proxy refuse more than
/// its limit. With the other actions that hold headers, the proxy leaves at the peer what is over
/// the limit.
pub(super) const STOP_ALL_AND_BUFFER: u32 = 3;

/// The action that the proxy reports for a part that it keeps without asking the filter: the part
/// waits.
pub(super) const WAITS: u32 = 1;
