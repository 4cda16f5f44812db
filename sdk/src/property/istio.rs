//! Properties that Istio writes into the proxy's metadata, about the pod and about Istio's own
//! configuration.
//!
//! Istio's version and settings decide which of them exist. Istio's numbers have fractions, as in
//! JSON. Envoy removed the names without `xds.` in version 1.33. The functions ask for the new name
//! first, and for the old one if the new one is absent.

use super::table::properties;
use super::{Property, fetch_within};
use crate::ToValue;
use crate::error::Result;

/// The way in which traffic comes into the proxy.
///
/// ```
/// use sluicegate::Result;
/// use sluicegate::property::istio::{self, InterceptionMode};
///
/// fn is_transparent() -> Result<bool> {
///     Ok(istio::interception_mode()? == Some(InterceptionMode::Tproxy))
/// }
/// ```
#[doc(alias = "IstioTrafficInterceptionMode")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum InterceptionMode {
    /// `NONE`: clients send it to the proxy.
    None,
    /// `TPROXY`: transparently, with the client's address.
    Tproxy,
    /// `REDIRECT`: by rules of the kernel, as is usual.
    Redirect,
}

impl InterceptionMode {
    fn read(property: &Property) -> Result<Self> {
        match property.text().as_bytes() {
            b"NONE" => Ok(Self::None),
            b"TPROXY" => Ok(Self::Tproxy),
            b"REDIRECT" => Ok(Self::Redirect),
            _ => Err(property.unexpected("no mode of interception")),
        }
    }
}

/// A part of the proxy's configuration to which Istio writes metadata.
///
/// ```
/// use sluicegate::Result;
/// use sluicegate::property::istio::{Resource, service};
///
/// fn is_of(namespace: &str) -> Result<bool> {
///     let of = service(Resource::Cluster, 0)?.and_then(|service| service.namespace);
///     Ok(of.is_some_and(|of| of.text() == namespace))
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Resource {
    /// The cluster that the request goes to.
    Cluster,
    /// The listener that the request came through.
    Listener,
    /// The route that the request takes.
    Route,
    /// The endpoint that the request goes to.
    UpstreamHost,
}

/// A service of Istio that a [`Resource`] belongs to. A field that Istio left out is `None`.
///
/// ```
/// use sluicegate::Result;
/// use sluicegate::property::istio::{Resource, service};
///
/// fn is_of(namespace: &str) -> Result<bool> {
///     let of = service(Resource::Cluster, 0)?.and_then(|service| service.namespace);
///     Ok(of.is_some_and(|of| of.text() == namespace))
/// }
/// ```
#[doc(alias = "IstioService")]
#[derive(Debug)]
pub struct Service {
    /// The full name of its host: `reviews.bookinfo.svc.cluster.local`.
    pub host: Option<Property>,
    /// The name of the service.
    pub name: Option<Property>,
    /// The namespace of the service.
    pub namespace: Option<Property>,
}

/// Returns one of the services that a resource belongs to, by its place in Istio's list, or `None`
/// if the list ends before it. The service is an attribute such as
/// `xds.cluster_metadata.filter_metadata.istio.services.0`, on older hosts without `xds.`.
///
/// # Errors
///
/// Fails if the host refuses, or if the SDK is out of memory.
///
/// # Cost
///
/// Three host calls, and a block, which the host allocates, for each part that is there. Six calls
/// if none is there.
#[doc(alias = "IstioFilterMetadata")]
pub fn service(of: Resource, place: u32) -> Result<Option<Service>> {
    let metadata = match of {
        Resource::Cluster => "xds\0cluster_metadata",
        Resource::Listener => "xds\0listener_metadata",
        Resource::Route => "xds\0route_metadata",
        Resource::UpstreamHost => "xds\0upstream_host_metadata",
    };
    place.with_value(|place| {
        for outer in [metadata, metadata.trim_start_matches("xds\0")] {
            let part = |name: &'static [u8]| {
                fetch_within(outer.as_bytes(), &[&b"filter_metadata"[..], b"istio", b"services", place, name])
            };
            let service = Service { host: part(b"host")?, name: part(b"name")?, namespace: part(b"namespace")? };
            if service.host.is_some() || service.name.is_some() || service.namespace.is_some() {
                return Ok(Some(service));
            }
        }
        Ok(None)
    })
}

properties! {
    /// Returns the pod's annotations.
    #[doc(alias = "GetNodeMetaAnnotations")]
    map annotations = xds."node"."metadata"."ANNOTATIONS";
    /// Returns the pod's containers.
    #[doc(alias = "GetNodeMetaAppContainers")]
    text app_containers = xds."node"."metadata"."APP_CONTAINERS";
    /// Returns the identifier of the Kubernetes cluster.
    #[doc(alias = "GetNodeMetaClusterId")]
    text cluster_id = xds."node"."metadata"."CLUSTER_ID";
    /// Returns the port on which Envoy's metrics are read.
    #[doc(alias = "GetNodeMetaEnvoyPrometheusPort")]
    f64 envoy_prometheus_port = xds."node"."metadata"."ENVOY_PROMETHEUS_PORT";
    /// Returns the port on which Envoy reports its readiness.
    #[doc(alias = "GetNodeMetaEnvoyStatusPort")]
    f64 envoy_status_port = xds."node"."metadata"."ENVOY_STATUS_PORT";
    /// Returns the pod's addresses.
    #[doc(alias = "GetNodeMetaInstanceIps")]
    text instance_ips = xds."node"."metadata"."INSTANCE_IPS";
    /// Returns the way in which traffic comes into the proxy.
    #[doc(alias = "GetNodeMetaInterceptionMode")]
    interception interception_mode = xds."node"."metadata"."INTERCEPTION_MODE";
    /// Returns the proxy's build.
    #[doc(alias = "GetNodeMetaIstioProxySha")]
    text proxy_sha = xds."node"."metadata"."ISTIO_PROXY_SHA";
    /// Returns Istio's version.
    #[doc(alias = "GetNodeMetaIstioVersion")]
    text version = xds."node"."metadata"."ISTIO_VERSION";
    /// Returns the pod's labels.
    #[doc(alias = "GetNodeMetaLabels")]
    map labels = xds."node"."metadata"."LABELS";
    /// Returns the mesh's identifier.
    #[doc(alias = "GetNodeMetaMeshId")]
    text mesh_id = xds."node"."metadata"."MESH_ID";
    /// Returns the pod's name.
    #[doc(alias = "GetNodeMetaName")]
    text name = xds."node"."metadata"."NAME";
    /// Returns the pod's namespace.
    #[doc(alias = "GetNodeMetaNamespace")]
    text namespace = xds."node"."metadata"."NAMESPACE";
    /// Returns the name of the Kubernetes node.
    #[doc(alias = "GetNodeMetaNodeName")]
    text node_name = xds."node"."metadata"."NODE_NAME";
    /// Returns the owner of the pod: the resource that made it.
    #[doc(alias = "GetNodeMetaOwner")]
    text owner = xds."node"."metadata"."OWNER";
    /// Returns the names that the control plane's certificate may have.
    #[doc(alias = "GetNodeMetaPilotSan")]
    list pilot_san = xds."node"."metadata"."PILOT_SAN";
    /// Returns the pod's ports.
    #[doc(alias = "GetNodeMetaPodPorts")]
    text pod_ports = xds."node"."metadata"."POD_PORTS";
    /// Returns the pod's service account.
    #[doc(alias = "GetNodeMetaServiceAccount")]
    text service_account = xds."node"."metadata"."SERVICE_ACCOUNT";
    /// Returns the workload's name.
    #[doc(alias = "GetNodeMetaWorkloadName")]
    text workload_name = xds."node"."metadata"."WORKLOAD_NAME";
    /// Returns the path of the proxy's binary.
    #[doc(alias = "GetNodeMetaProxyConfigBinaryPath")]
    text binary_path = xds."node"."metadata"."PROXY_CONFIG"."binaryPath";
    /// Returns the number of worker threads of the proxy.
    #[doc(alias = "GetNodeMetaProxyConfigConcurrency")]
    f64 concurrency = xds."node"."metadata"."PROXY_CONFIG"."concurrency";
    /// Returns the path of the proxy's configuration.
    #[doc(alias = "GetNodeMetaProxyConfigConfigPath")]
    text config_path = xds."node"."metadata"."PROXY_CONFIG"."configPath";
    /// Returns the way in which the proxy authenticates itself to the control plane.
    #[doc(alias = "GetNodeProxyConfigControlPlaneAuthPolicy")]
    text control_plane_auth_policy = xds."node"."metadata"."PROXY_CONFIG"."controlPlaneAuthPolicy";
    /// Returns the address of the control plane.
    #[doc(alias = "GetNodeProxyConfigDiscoveryAddress")]
    text discovery_address = xds."node"."metadata"."PROXY_CONFIG"."discoveryAddress";
    /// Returns the time for which the proxy drains, as `45s`.
    #[doc(alias = "GetNodeProxyConfigDrainDuration")]
    text drain_duration = xds."node"."metadata"."PROXY_CONFIG"."drainDuration";
    /// Returns the tags that metrics have besides the usual ones.
    #[doc(alias = "GetNodeProxyConfigExtraStatTags")]
    list extra_stat_tags = xds."node"."metadata"."PROXY_CONFIG"."extraStatTags";
    /// Returns whether the application waits until the proxy has started.
    #[doc(alias = "GetNodeProxyConfigHoldApplicationUntilProxyStarts")]
    bool hold_application_until_proxy_starts = xds."node"."metadata"."PROXY_CONFIG"."holdApplicationUntilProxyStarts";
    /// Returns the port of the proxy's admin interface.
    #[doc(alias = "GetNodeProxyConfigProxyAdminPort")]
    f64 proxy_admin_port = xds."node"."metadata"."PROXY_CONFIG"."proxyAdminPort";
    /// Returns the prefixes of the metrics that are kept.
    #[doc(alias("GetNodeProxyConfigProxyStatsMatcher", "IstioProxyStatsMatcher"))]
    list stats_inclusion_prefixes = xds."node"."metadata"."PROXY_CONFIG"."proxyStatsMatcher"."inclusionPrefixes";
    /// Returns the expressions that match the metrics that are kept.
    #[doc(alias("GetNodeProxyConfigProxyStatsMatcher", "IstioProxyStatsMatcher"))]
    list stats_inclusion_regexps = xds."node"."metadata"."PROXY_CONFIG"."proxyStatsMatcher"."inclusionRegexps";
    /// Returns the suffixes of the metrics that are kept.
    #[doc(alias("GetNodeProxyConfigProxyStatsMatcher", "IstioProxyStatsMatcher"))]
    list stats_inclusion_suffixes = xds."node"."metadata"."PROXY_CONFIG"."proxyStatsMatcher"."inclusionSuffixes";
    /// Returns the name of the service beside the proxy.
    #[doc(alias = "GetNodeProxyConfigServiceCluster")]
    text service_cluster = xds."node"."metadata"."PROXY_CONFIG"."serviceCluster";
    /// Returns the largest length of a metric's name.
    #[doc(alias = "GetNodeProxyConfigStatNameLength")]
    f64 stat_name_length = xds."node"."metadata"."PROXY_CONFIG"."statNameLength";
    /// Returns the port on which the agent reports its status.
    #[doc(alias = "GetNodeProxyConfigStatusPort")]
    f64 status_port = xds."node"."metadata"."PROXY_CONFIG"."statusPort";
    /// Returns the time for which the proxy drains when it ends, as `5s`.
    #[doc(alias = "GetNodeProxyConfigTerminationDrainDuration")]
    text termination_drain_duration = xds."node"."metadata"."PROXY_CONFIG"."terminationDrainDuration";
    /// Returns the address of Datadog, for traces.
    #[doc(alias = "GetNodeProxyConfigTracingDatadogAddress")]
    text tracing_datadog_address = xds."node"."metadata"."PROXY_CONFIG"."tracing"."datadog"."address";
    /// Returns the address of the OpenCensus agent, for traces.
    #[doc(alias = "GetNodeProxyConfigTracingOpenCensusAgentAddress")]
    text tracing_opencensus_agent_address = xds."node"."metadata"."PROXY_CONFIG"."tracing"."opencensusagent"."address";
    /// Returns the address of Zipkin, for traces.
    #[doc(alias = "GetNodeProxyConfigTracingZipkinAddress")]
    text tracing_zipkin_address = xds."node"."metadata"."PROXY_CONFIG"."tracing"."zipkin"."address";
    /// Returns the Istio resource that made the cluster.
    #[doc(alias = "IstioFilterMetadata")]
    text cluster_config = xds."cluster_metadata"."filter_metadata"."istio"."config";
    /// Returns the Istio resource that made the listener.
    #[doc(alias = "IstioFilterMetadata")]
    text listener_config = xds."listener_metadata"."filter_metadata"."istio"."config";
    /// Returns the Istio resource that made the route.
    #[doc(alias = "IstioFilterMetadata")]
    text route_config = xds."route_metadata"."filter_metadata"."istio"."config";
    /// Returns the Istio resource that made the endpoint.
    #[doc(alias = "IstioFilterMetadata")]
    text upstream_host_config = xds."upstream_host_metadata"."filter_metadata"."istio"."config";
}
