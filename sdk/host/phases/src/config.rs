//! The configuration of an Envoy: for each cell a listener, a VM, an upstream, a service and a gRPC
//! server, all on sockets in a folder.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::moment::Kind;

/// What a cell needs of Envoy.
#[derive(Clone, Debug)]
pub struct Place {
    /// The place's number in its Envoy.
    pub at: usize,
    /// Whether the listener is of HTTP.
    pub kind: Kind,
    /// Whether a filter that holds headers back sees the body.
    pub shows_body: bool,
    /// The tracer's script, with words for the names of the place.
    pub script: String,
}

impl Place {
    /// The name of the VM, which its lines in the log carry.
    #[must_use]
    pub fn name(&self) -> String {
        format!("c{}", self.at)
    }

    /// A socket of the place: `l` is Envoy's listener, `u` the upstream, `s` the service, `g` the
    /// gRPC server.
    #[must_use]
    pub fn socket(&self, folder: &Path, letter: char) -> PathBuf {
        folder.join(format!("{letter}{}", self.at))
    }

    /// The script, with the names of this place.
    fn script(&self) -> String {
        let (service, grpc) = (format!("s{}", self.at), format!("g{}", self.at));
        self.script.replace("SERVICE", &service).replace("GRPC", &grpc).replace("CELL", &self.name())
    }
}

/// The configuration for these places, whose sockets lie in `folder`.
#[must_use]
pub fn of(folder: &Path, places: &[Place]) -> Value {
    let (mut listeners, mut clusters) = (Vec::new(), Vec::new());
    for place in places {
        let http1 = json!({ "http_protocol_options": { "enable_trailers": true } });
        clusters.push(cluster("u", place, folder, &http1));
        clusters.push(cluster("s", place, folder, &http1));
        listeners.push(listener(folder, place));
        if place.script.contains("GRPC") {
            clusters.push(cluster("g", place, folder, &json!({ "http2_protocol_options": {} })));
            listeners.push(bridge(folder, place));
        }
    }
    json!({ "static_resources": { "listeners": listeners, "clusters": clusters } })
}

fn pipe(path: &Path) -> Value {
    json!({ "pipe": { "path": path.display().to_string() } })
}

/// A cluster whose connections are used once.
fn cluster(letter: &str, place: &Place, folder: &Path, protocol: &Value) -> Value {
    let name = format!("{letter}{}", place.at);
    json!({
        "name": name, "connect_timeout": "1s", "type": "STATIC",
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "common_http_protocol_options": { "max_requests_per_connection": 1 },
            "explicit_http_config": protocol,
        } },
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": pipe(&folder.join(&name)) } },
        ] }] },
    })
}

fn manager(cluster: &str, filter: &Value) -> Value {
    json!([{ "name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type":
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "http_protocol_options": { "enable_trailers": true },
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "route": { "cluster": cluster } },
        ] }] },
        "http_filters": [filter, { "name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": true,
        } }],
    } }])
}

/// The place's listener, with the filter.
fn listener(folder: &Path, place: &Place) -> Value {
    let upstream = format!("u{}", place.at);
    let filters = match place.kind {
        Kind::Http => manager(&upstream, &plugin("http", place)),
        Kind::Tcp => json!([plugin("network", place), { "name": "envoy.tcp_proxy", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "tcp", "cluster": upstream,
        } }]),
    };
    json!({
        "name": place.name(),
        "address": pipe(&place.socket(folder, 'l')),
        "filter_chains": [{ "filters": filters }],
    })
}

/// A gRPC server, which makes gRPC's frames and trailers of what the service answers.
fn bridge(folder: &Path, place: &Place) -> Value {
    let filter = json!({ "name": "envoy.filters.http.grpc_http1_reverse_bridge", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig",
        "content_type": "application/x-protobuf",
        "withhold_grpc_frames": true,
    } });
    json!({
        "name": format!("g{}", place.at),
        "address": pipe(&place.socket(folder, 'g')),
        "filter_chains": [{ "filters": manager(&format!("s{}", place.at), &filter) }],
    })
}

fn plugin(kind: &str, place: &Place) -> Value {
    let name = place.name();
    json!({ "name": format!("envoy.filters.{kind}.wasm"), "typed_config": {
        "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"),
        "config": {
            "name": "cell",
            "root_id": name,
            "allow_on_headers_stop_iteration": place.shows_body,
            "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": place.script() },
            "vm_config": {
                "vm_id": name,
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": "tracer.wasm" } },
            },
        },
    } })
}
