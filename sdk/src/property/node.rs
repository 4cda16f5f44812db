//! The proxy itself, as it describes itself to its control plane.
//!
//! Envoy removed the names without `xds.` in version 1.33. The functions ask for the new name
//! first, and for the old one if the new one is absent.

use super::table::properties;
use super::{Map, Property, fetch_within};
use crate::buffer::Buffer;
use crate::error::Result;

properties! {
    /// Returns the proxy's name.
    #[doc(alias = "GetNodeId")]
    text id = xds."node"."id";
    /// Returns the cluster that the proxy itself belongs to.
    #[doc(alias = "GetNodeCluster")]
    text cluster = xds."node"."cluster";
    /// Returns the region where the proxy runs.
    #[doc(alias("GetNodeLocality", "EnvoyLocality"))]
    text region = xds."node"."locality"."region";
    /// Returns the zone where the proxy runs.
    #[doc(alias = "GetNodeLocality")]
    text zone = xds."node"."locality"."zone";
    /// Returns the part of the zone where the proxy runs.
    #[doc(alias = "GetNodeLocality")]
    text sub_zone = xds."node"."locality"."sub_zone";
    /// Returns the name of the proxy's software, as `envoy`.
    #[doc(alias = "GetNodeUserAgentName")]
    text user_agent_name = xds."node"."user_agent_name";
    /// Returns the proxy's version as a text. Envoy returns no bytes, and has the version in
    /// [`user_agent_build_version`].
    #[doc(alias = "GetNodeUserAgentVersion")]
    text user_agent_version = xds."node"."user_agent_version";
    /// Returns the proxy's version as a protobuf message.
    #[doc(alias = "GetNodeUserAgentBuildVersion")]
    message user_agent_build_version = xds."node"."user_agent_build_version";
    /// Returns the extensions in the proxy, each as a protobuf message. Envoy 1.40 has 516, of
    /// about 60 kB.
    #[doc(alias("GetNodeExtensions", "EnvoyExtension"))]
    list extensions = xds."node"."extensions";
    /// Returns the features that the proxy announces.
    #[doc(alias = "GetNodeClientFeatures")]
    list client_features = xds."node"."client_features";
    /// Returns the addresses that the proxy announces, each as a protobuf message.
    #[doc(alias = "GetNodeListeningAddresses")]
    list listening_addresses = xds."node"."listening_addresses";
}

/// Returns the parameters with which the proxy asks for the resources of a type
/// (`type.googleapis.com/…`), or `None` if there are none.
///
/// # Errors
///
/// Fails if the host refuses, if the host sends bytes that are not a map, or if the SDK is out of
/// memory.
///
/// # Cost
///
/// The cost of [`metadata`].
#[doc(alias = "GetNodeDynamicParams")]
pub fn dynamic_parameters(resource_type: impl AsRef<[u8]>) -> Result<Option<Map>> {
    let path = [b"dynamic_parameters", resource_type.as_ref(), b"params"];
    fetch_node(b"", &path)?.map(Property::into_map).transpose()
}

/// Returns a value of the proxy's own metadata, or `None` if there is none. The path is `["NAME"]`,
/// or the way into its maps and lists.
///
/// # Errors
///
/// Fails if the path is empty, if the host refuses, or if the SDK is out of memory.
///
/// # Cost
///
/// One host call. If the value is there, one block, which the host allocates. A second call if the
/// value is not there under `xds.node`.
pub fn metadata<S: AsRef<[u8]>>(path: &[S]) -> Result<Option<Property>> {
    fetch_node(b"\0metadata", path)
}

/// Reads a part of the properties under `xds.node`, or under `node` on older hosts.
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
