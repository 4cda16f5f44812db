//! The route, cluster and listener that the control plane configured for this stream.
//!
//! Envoy removed the names without `xds.` in version 1.33. The functions ask for the new name
//! first, and for the old one if the new one is absent.
//!
//! Metadata come whole as a protobuf message. [`get`](super::get) reads a part of them by a longer
//! path, without protobuf: `["xds", "cluster_metadata", "filter_metadata", NAMESPACE, KEY]`.

use super::table::properties;

properties! {
    /// Returns the cluster that the route chose.
    #[doc(alias = "GetXdsClusterName")]
    #[doc(alias = "GetClusterName")]
    text cluster_name = xds."cluster_name";
    /// Returns the cluster's metadata.
    #[doc(alias = "GetXdsClusterMetadata")]
    #[doc(alias = "GetClusterMetadata")]
    message cluster_metadata = xds."cluster_metadata";
    /// Returns the name of the route. It has no bytes if the route has no name.
    #[doc(alias = "GetXdsRouteName")]
    #[doc(alias = "GetRouteName")]
    text route_name = xds."route_name";
    /// Returns the route's metadata.
    #[doc(alias = "GetXdsRouteMetadata")]
    #[doc(alias = "GetRouteMetadata")]
    message route_metadata = xds."route_metadata";
    /// Returns the name of the virtual host that the route is in.
    text virtual_host_name = "xds"."virtual_host_name";
    /// Returns the virtual host's metadata.
    message virtual_host_metadata = "xds"."virtual_host_metadata";
    /// Returns the endpoint's metadata. For an endpoint without metadata, Envoy refuses with
    /// [`Status::SerializationFailure`](crate::Status::SerializationFailure).
    #[doc(alias = "GetXdsUpstreamHostMetadata")]
    #[doc(alias = "GetUpstreamHostMetadata")]
    message upstream_host_metadata = xds."upstream_host_metadata";
    /// Returns the metadata of the endpoint's locality. For a locality without metadata, Envoy
    /// refuses with [`Status::SerializationFailure`](crate::Status::SerializationFailure).
    message upstream_host_locality_metadata = "xds"."upstream_host_locality_metadata";
    /// Returns the name of the listener's filter chain. It has no bytes if the chain has no name.
    #[doc(alias = "GetXdsListenerFilterChainName")]
    text filter_chain_name = "xds"."filter_chain_name";
    /// Returns the direction of the listener's traffic.
    #[doc(alias = "GetListenerDirection")]
    direction listener_direction = xds."listener_direction";
    /// Returns the listener's metadata.
    #[doc(alias = "GetListenerMetadata")]
    message listener_metadata = xds."listener_metadata";
}

/// The direction of a listener's traffic.
///
/// ```
/// use sluicegate::Result;
/// use sluicegate::property::xds::{self, Direction};
///
/// fn is_inbound() -> Result<bool> {
///     Ok(xds::listener_direction()? == Some(Direction::Inbound))
/// }
/// assert_eq!(Direction::from(1), Direction::Inbound);
/// ```
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
    /// Another number.
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
