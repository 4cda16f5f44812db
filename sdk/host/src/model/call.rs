//! The calls of a VM to other services, as the proxy keeps them until they end.

use crate::model::map::Map;

/// An HTTP call that the filter dispatched, and to which the test has not responded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingCall {
    /// The number that the host gave the call.
    pub token: u32,
    /// The cluster.
    pub cluster: String,
    /// The headers.
    pub headers: Map,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Map,
    /// The timeout, in milliseconds.
    pub timeout: u32,
    /// The context of the plugin that gets the response. If a stream called, it is the stream's
    /// plugin.
    pub plugin: u32,
    /// The context that dispatched the call.
    pub context: u32,
}

/// An open gRPC call or stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenGrpc {
    /// The number that the host gave the call or stream.
    pub token: u32,
    /// The cluster.
    pub cluster: String,
    /// True if the filter gave the bare name of the cluster, and not the message that names it.
    pub is_bare: bool,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The initial metadata.
    pub metadata: Map,
    /// The messages that were sent: one for a call, any number for a stream.
    pub sent: Vec<Vec<u8>>,
    /// True if the filter's side has ended. A call's has always ended.
    pub ended: bool,
    /// The timeout of a call in milliseconds, or `None` for a stream.
    pub timeout: Option<u32>,
    /// The context of the plugin that gets the callbacks. If a stream called, it is the stream's
    /// plugin.
    pub plugin: u32,
    /// The context that opened the call or stream.
    pub context: u32,
}

/// Envoy's first token. The lowest two bits hold the kind of call.
pub(crate) const FIRST_TOKEN: u32 = 4;

/// The distance of Envoy's tokens of one kind.
pub(crate) const CALL_STEP: u32 = 4;
