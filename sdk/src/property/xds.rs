//! What the control plane configured for this stream: route, cluster, listener.
//!
//! Envoy removed the names without `xds.` in version 1.33. The functions ask for the new name
//! first, and for the old one if that is not there.
//!
//! Metadata comes whole as a protobuf message. A part of it is found by a longer path and
//! [`get`](super::get), without protobuf:
//! `["xds", "cluster_metadata", "filter_metadata", NAMESPACE, KEY]`.

use super::table::properties;

properties! {
    /// The cluster that the route chose.
    #[doc(alias = "GetXdsClusterName")]
    #[doc(alias = "GetClusterName")]
    text cluster_name = xds."cluster_name";
    /// The cluster's metadata.
    #[doc(alias = "GetXdsClusterMetadata")]
    #[doc(alias = "GetClusterMetadata")]
    message cluster_metadata = xds."cluster_metadata";
    /// The route; no bytes if it has no name.
    #[doc(alias = "GetXdsRouteName")]
    #[doc(alias = "GetRouteName")]
    text route_name = xds."route_name";
    /// The route's metadata.
    #[doc(alias = "GetXdsRouteMetadata")]
    #[doc(alias = "GetRouteMetadata")]
    message route_metadata = xds."route_metadata";
    /// The virtual host that the route is in.
    text virtual_host_name = "xds"."virtual_host_name";
    /// The virtual host's metadata.
    message virtual_host_metadata = "xds"."virtual_host_metadata";
    /// The endpoint's metadata. For an endpoint without any, Envoy answers an error with
    /// [`Status::SerializationFailure`](crate::Status::SerializationFailure).
    #[doc(alias = "GetXdsUpstreamHostMetadata")]
    #[doc(alias = "GetUpstreamHostMetadata")]
    message upstream_host_metadata = xds."upstream_host_metadata";
    /// The metadata of the endpoint's locality; without any, the error is the same.
    message upstream_host_locality_metadata = "xds"."upstream_host_locality_metadata";
    /// The listener's filter chain; no bytes if it has no name.
    #[doc(alias = "GetXdsListenerFilterChainName")]
    text filter_chain_name = "xds"."filter_chain_name";
    /// Which way the listener's traffic goes.
    #[doc(alias = "GetListenerDirection")]
    direction listener_direction = xds."listener_direction";
    /// The listener's metadata.
    #[doc(alias = "GetListenerMetadata")]
    message listener_metadata = xds."listener_metadata";
}

/// Which way the traffic of a listener goes.
#[doc(alias = "EnvoyTrafficDirection")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Direction {
    /// 0: not configured.
    Unspecified,
    /// 1: to the service beside the proxy.
    Inbound,
    /// 2: from the service beside the proxy.
    Outbound,
    /// Any other number.
    Unknown(u64),
}

impl From<u64> for Direction {
    fn from(number: u64) -> Self {
        match number {
            0 => Self::Unspecified,
            1 => Self::Inbound,
            2 => Self::Outbound,
            other => Self::Unknown(other),
        }
    }
}
