//! The proxy itself, as it shows itself to its control plane.
//!
//! Envoy removed the names without `xds.` in version 1.33. The functions ask for the new name
//! first, and for the old one if that is not there.

use super::table::properties;
use super::{Map, Property, fetch_within};
use crate::buffer::Buffer;
use crate::error::Result;

properties! {
    /// The proxy's name.
    #[doc(alias = "GetNodeId")]
    text id = xds."node"."id";
    /// The cluster that the proxy itself belongs to.
    #[doc(alias = "GetNodeCluster")]
    text cluster = xds."node"."cluster";
    /// The region where the proxy runs.
    #[doc(alias = "GetNodeLocality")]
    text region = xds."node"."locality"."region";
    /// The zone where the proxy runs.
    #[doc(alias = "GetNodeLocality")]
    text zone = xds."node"."locality"."zone";
    /// The part of the zone where the proxy runs.
    #[doc(alias = "GetNodeLocality")]
    text sub_zone = xds."node"."locality"."sub_zone";
    /// What the proxy is, as `envoy`.
    #[doc(alias = "GetNodeUserAgentName")]
    text user_agent_name = xds."node"."user_agent_name";
    /// The proxy's version as a text.
    #[doc(alias = "GetNodeUserAgentVersion")]
    text user_agent_version = xds."node"."user_agent_version";
    /// The proxy's version as a protobuf message.
    #[doc(alias = "GetNodeUserAgentBuildVersion")]
    message user_agent_build_version = xds."node"."user_agent_build_version";
    /// The extensions in the proxy, each as a protobuf message: in Envoy 1.40 there are 516, about
    /// 60 kB.
    #[doc(alias = "GetNodeExtensions")]
    list extensions = xds."node"."extensions";
    /// The features that the proxy announces.
    #[doc(alias = "GetNodeClientFeatures")]
    list client_features = xds."node"."client_features";
    /// The addresses that the proxy announces, each as a protobuf message.
    #[doc(alias = "GetNodeListeningAddresses")]
    list listening_addresses = xds."node"."listening_addresses";
}

/// Returns the parameters by which the proxy asks for the resources of a type:
/// `type.googleapis.com/…`.
///
/// # Errors
///
/// Fails if the host refuses, sends what is no map, or the SDK is out of memory.
///
/// # Cost
///
/// The cost of [`metadata`].
#[doc(alias = "GetNodeDynamicParams")]
pub fn dynamic_parameters(resource_type: impl AsRef<[u8]>) -> Result<Option<Map>> {
    let path = [b"dynamic_parameters", resource_type.as_ref(), b"params"];
    fetch_node(b"", &path)?.map(Property::into_map).transpose()
}

/// Returns a value of the proxy's own metadata: `["NAME"]`, or the way into its maps and lists.
///
/// # Errors
///
/// Fails if the path is empty, the host refuses, or the SDK is out of memory.
///
/// # Cost
///
/// One host call, and one block of the host's if it is there; a second call if it is not there
/// under `xds.node`.
pub fn metadata<S: AsRef<[u8]>>(path: &[S]) -> Result<Option<Property>> {
    fetch_node(b"\0metadata", path)
}

/// Reads a part of what is under `xds.node`, or under `node` on older hosts.
fn fetch_node<S: AsRef<[u8]>>(part: &[u8], path: &[S]) -> Result<Option<Property>> {
    let mut outer = Buffer::new();
    outer.append(b"xds\0node")?;
    outer.append(part)?;
    let new = outer.written();
    match fetch_within(new, path)? {
        None => fetch_within(new.strip_prefix(b"xds\0").unwrap_or_default(), path),
        found => Ok(found),
    }
}
