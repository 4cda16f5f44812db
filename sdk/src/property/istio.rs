//! What Istio writes into the proxy's metadata: about the pod, and about its own configuration.
//!
//! Which of it exists depends on Istio's version and settings. Its numbers have fractions, as in
//! JSON. Envoy removed the names without `xds.` in version 1.33; the functions ask for the new name
//! first, and for the old one if that is not there.

use super::table::properties;
use super::{Property, fetch_within};
use crate::ToValue;
use crate::error::Result;

/// How traffic comes into the proxy.
#[doc(alias = "IstioTrafficInterceptionMode")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum InterceptionMode {
    /// `NONE`: it is sent to the proxy.
    None,
    /// `TPROXY`: transparently, with the client's address.
    Tproxy,
    /// `REDIRECT`: by rules of the kernel's, as is usual.
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

/// What the proxy is configured with, and Istio writes metadata to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Resource {
    /// The cluster that the request goes to.
    Cluster,
    /// The listener that it came through.
    Listener,
    /// The route that it takes.
    Route,
    /// The endpoint that it goes to.
    UpstreamHost,
}

/// A service of Istio's that a [`Resource`] belongs to. What Istio left out is none.
#[doc(alias = "IstioService")]
#[derive(Debug)]
pub struct Service {
    /// The full name of its host: `reviews.bookinfo.svc.cluster.local`.
    pub host: Option<Property>,
    /// Its name.
    pub name: Option<Property>,
    /// Its namespace.
    pub namespace: Option<Property>,
}

/// One of the services that Istio says a resource belongs to, by its place in the list: the
/// attribute `xds.cluster_metadata.filter_metadata.istio.services.0`, say, on older hosts without
/// `xds.`; none if the list ends before it.
///
/// # Errors
///
/// Fails if the host refuses, or the SDK is out of memory.
///
/// # Cost
///
/// Three host calls, and a block of the host's for each part that is there; six calls if none is.
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
    /// The pod's annotations.
    #[doc(alias = "GetNodeMetaAnnotations")]
    map annotations = xds."node"."metadata"."ANNOTATIONS";
    /// The pod's containers.
    #[doc(alias = "GetNodeMetaAppContainers")]
    text app_containers = xds."node"."metadata"."APP_CONTAINERS";
    /// The Kubernetes cluster.
    #[doc(alias = "GetNodeMetaClusterId")]
    text cluster_id = xds."node"."metadata"."CLUSTER_ID";
    /// The port where Envoy's metrics are read.
    #[doc(alias = "GetNodeMetaEnvoyPrometheusPort")]
    f64 envoy_prometheus_port = xds."node"."metadata"."ENVOY_PROMETHEUS_PORT";
    /// The port where Envoy's readiness is asked.
    #[doc(alias = "GetNodeMetaEnvoyStatusPort")]
    f64 envoy_status_port = xds."node"."metadata"."ENVOY_STATUS_PORT";
    /// The pod's addresses.
    #[doc(alias = "GetNodeMetaInstanceIps")]
    text instance_ips = xds."node"."metadata"."INSTANCE_IPS";
    /// How traffic comes into the proxy.
    #[doc(alias = "GetNodeMetaInterceptionMode")]
    interception interception_mode = xds."node"."metadata"."INTERCEPTION_MODE";
    /// The proxy's build.
    #[doc(alias = "GetNodeMetaIstioProxySha")]
    text proxy_sha = xds."node"."metadata"."ISTIO_PROXY_SHA";
    /// Istio's version.
    #[doc(alias = "GetNodeMetaIstioVersion")]
    text version = xds."node"."metadata"."ISTIO_VERSION";
    /// The pod's labels.
    #[doc(alias = "GetNodeMetaLabels")]
    map labels = xds."node"."metadata"."LABELS";
    /// The mesh.
    #[doc(alias = "GetNodeMetaMeshId")]
    text mesh_id = xds."node"."metadata"."MESH_ID";
    /// The pod.
    #[doc(alias = "GetNodeMetaName")]
    text name = xds."node"."metadata"."NAME";
    /// The pod's name space.
    #[doc(alias = "GetNodeMetaNamespace")]
    text namespace = xds."node"."metadata"."NAMESPACE";
    /// The Kubernetes node.
    #[doc(alias = "GetNodeMetaNodeName")]
    text node_name = xds."node"."metadata"."NODE_NAME";
    /// What made the pod.
    #[doc(alias = "GetNodeMetaOwner")]
    text owner = xds."node"."metadata"."OWNER";
    /// The names that the control plane's certificate may have.
    #[doc(alias = "GetNodeMetaPilotSan")]
    list pilot_san = xds."node"."metadata"."PILOT_SAN";
    /// The pod's ports.
    #[doc(alias = "GetNodeMetaPodPorts")]
    text pod_ports = xds."node"."metadata"."POD_PORTS";
    /// The pod's service account.
    #[doc(alias = "GetNodeMetaServiceAccount")]
    text service_account = xds."node"."metadata"."SERVICE_ACCOUNT";
    /// The workload.
    #[doc(alias = "GetNodeMetaWorkloadName")]
    text workload_name = xds."node"."metadata"."WORKLOAD_NAME";
    /// Where the proxy's binary is.
    text binary_path = xds."node"."metadata"."PROXY_CONFIG"."binaryPath";
    /// How many worker threads the proxy has.
    f64 concurrency = xds."node"."metadata"."PROXY_CONFIG"."concurrency";
    /// Where the proxy's configuration is.
    text config_path = xds."node"."metadata"."PROXY_CONFIG"."configPath";
    /// How the proxy proves itself to the control plane.
    text control_plane_auth_policy = xds."node"."metadata"."PROXY_CONFIG"."controlPlaneAuthPolicy";
    /// Where the control plane is.
    text discovery_address = xds."node"."metadata"."PROXY_CONFIG"."discoveryAddress";
    /// How long the proxy drains, as `45s`.
    text drain_duration = xds."node"."metadata"."PROXY_CONFIG"."drainDuration";
    /// The tags that metrics have beside the usual ones.
    list extra_stat_tags = xds."node"."metadata"."PROXY_CONFIG"."extraStatTags";
    /// Whether the application waits for the proxy.
    bool hold_application_until_proxy_starts = xds."node"."metadata"."PROXY_CONFIG"."holdApplicationUntilProxyStarts";
    /// The port of the proxy's administration.
    f64 proxy_admin_port = xds."node"."metadata"."PROXY_CONFIG"."proxyAdminPort";
    /// The metrics that are kept, by how they begin.
    list stats_inclusion_prefixes = xds."node"."metadata"."PROXY_CONFIG"."proxyStatsMatcher"."inclusionPrefixes";
    /// The metrics that are kept, by expressions.
    list stats_inclusion_regexps = xds."node"."metadata"."PROXY_CONFIG"."proxyStatsMatcher"."inclusionRegexps";
    /// The metrics that are kept, by how they end.
    list stats_inclusion_suffixes = xds."node"."metadata"."PROXY_CONFIG"."proxyStatsMatcher"."inclusionSuffixes";
    /// The service beside the proxy.
    text service_cluster = xds."node"."metadata"."PROXY_CONFIG"."serviceCluster";
    /// How long a metric's name may be.
    f64 stat_name_length = xds."node"."metadata"."PROXY_CONFIG"."statNameLength";
    /// The port where the agent's status is asked.
    f64 status_port = xds."node"."metadata"."PROXY_CONFIG"."statusPort";
    /// How long the proxy drains when it ends, as `5s`.
    text termination_drain_duration = xds."node"."metadata"."PROXY_CONFIG"."terminationDrainDuration";
    /// Where traces go: Datadog.
    text tracing_datadog_address = xds."node"."metadata"."PROXY_CONFIG"."tracing"."datadog"."address";
    /// Where traces go: OpenCensus.
    text tracing_opencensus_agent_address = xds."node"."metadata"."PROXY_CONFIG"."tracing"."opencensusagent"."address";
    /// Where traces go: Zipkin.
    text tracing_zipkin_address = xds."node"."metadata"."PROXY_CONFIG"."tracing"."zipkin"."address";
    /// The Istio resource that made the cluster.
    #[doc(alias = "IstioFilterMetadata")]
    text cluster_config = xds."cluster_metadata"."filter_metadata"."istio"."config";
    /// The Istio resource that made the listener.
    #[doc(alias = "IstioFilterMetadata")]
    text listener_config = xds."listener_metadata"."filter_metadata"."istio"."config";
    /// The Istio resource that made the route.
    #[doc(alias = "IstioFilterMetadata")]
    text route_config = xds."route_metadata"."filter_metadata"."istio"."config";
    /// The Istio resource that made the endpoint.
    #[doc(alias = "IstioFilterMetadata")]
    text upstream_host_config = xds."upstream_host_metadata"."filter_metadata"."istio"."config";
}
