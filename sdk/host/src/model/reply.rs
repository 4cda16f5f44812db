//! Local replies, and the responses to calls.

use std::collections::BTreeMap;

use crate::model::map::Map;

/// A local reply: a response in place of the upstream's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u32,
    /// The details of the response code.
    pub details: String,
    /// The body.
    pub body: Vec<u8>,
    /// The headers that the filter set.
    pub headers: Map,
    /// The gRPC status, or -1 for none.
    pub grpc_status: i32,
}

/// The result of a call, which the guest can read while the callback runs: buffers and maps by
/// their numbers, and the status.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) maps: BTreeMap<u32, Map>,
    pub(crate) buffers: BTreeMap<u32, Vec<u8>>,
    pub(crate) status: u32,
    pub(crate) status_text: String,
}

/// Returns whether a response of this status ends with its headers, whatever they say of a body.
pub(crate) fn is_bodiless(status: Option<&[u8]>) -> bool {
    status.is_some_and(|status| status == b"204" || status == b"304" || status.len() == 3 && status[0] == b'1')
}
