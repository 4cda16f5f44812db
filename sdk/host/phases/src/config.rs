//! The configuration of an Envoy: for each cell a listener, a VM, an upstream, a service and a gRPC
//! server, all on sockets in a folder.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::moment::{Kind, Setting};

/// The Envoy that a cell needs.
#[derive(Clone, Debug)]
pub struct Place {
    /// The place's number in its Envoy.
    pub at: usize,
    /// The kind of the listener: HTTP or TCP.
    pub kind: Kind,
    /// The special settings of the listener.
    pub setting: Setting,
    /// The tracer's script, with words for the names of the place.
    pub script: String,
}

impl Place {
    /// Returns the name of the VM, which its lines in the log have.
    #[must_use]
    pub fn name(&self) -> String {
        format!("c{}", self.at)
    }

    /// Returns a socket of the place: `l` is Envoy's listener, `u` the upstream, `s` the service,
    /// `g` the gRPC server, and `p` a listener without a filter, which stays when `l` is removed.
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

/// The file with the listeners that are removed while Envoy runs.
const REMOVABLE: &str = "listeners.json";

/// Returns the configuration for these places, whose sockets are in `folder`.
#[must_use]
pub fn of(folder: &Path, places: &[Place]) -> Value {
    // A cluster without a host.
    let nobody = json!({ "name": "nobody", "type": "STATIC", "load_assignment": { "cluster_name": "nobody" } });
    let (mut listeners, mut clusters) = (Vec::new(), vec![nobody]);
    for place in places {
        let http1 = json!({ "http_protocol_options": { "enable_trailers": true } });
        let http2 = json!({ "http2_protocol_options": { "allow_metadata": true } });
        let of_upstream = if place.setting == Setting::Metadata { &http2 } else { &http1 };
        clusters.push(cluster("u", place, folder, of_upstream));
        clusters.push(cluster("s", place, folder, &http1));
        if place.setting == Setting::Unloaded {
            listeners.push(plain(folder, place));
        } else {
            listeners.push(listener(folder, place));
        }
        if place.script.contains("GRPC") {
            clusters.push(cluster("g", place, folder, &json!({ "http2_protocol_options": {} })));
            listeners.push(bridge(folder, place));
        }
    }
    let mut config = json!({ "static_resources": { "listeners": listeners, "clusters": clusters } });
    if places.iter().any(|place| place.setting == Setting::Unloaded) {
        config["node"] = json!({ "id": "cells", "cluster": "cells" });
        config["dynamic_resources"]["lds_config"]["path_config_source"]["path"] =
            folder.join(REMOVABLE).display().to_string().into();
    }
    config
}

/// Writes the listeners that are removed while Envoy runs, as far as they are still there. Envoy
/// reads the file again when another takes its place.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_removable<'a>(
    folder: &Path,
    module: &Path,
    places: impl Iterator<Item = &'a Place>,
) -> std::io::Result<()> {
    let listeners = places.filter(|place| place.setting == Setting::Unloaded).map(|place| {
        let mut listener = listener(folder, place);
        listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
        listener
    });
    let text = json!({ "resources": listeners.collect::<Vec<_>>() }).to_string();
    let next = folder.join(format!("{REMOVABLE}.next"));
    std::fs::write(&next, text.replace(MODULE, &module.display().to_string()))?;
    std::fs::rename(next, folder.join(REMOVABLE))
}

/// The name of the filter's file in the configuration.
const MODULE: &str = "tracer.wasm";

fn pipe(path: &Path) -> Value {
    json!({ "pipe": { "path": path.display().to_string() } })
}

/// A cluster whose connections are used once.
fn cluster(letter: &str, place: &Place, folder: &Path, protocol: &Value) -> Value {
    let name = format!("{letter}{}", place.at);
    json!({
        "name": name, "connect_timeout": "60s", "type": "STATIC",
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

/// A connection manager, with what all of them have: it goes to one cluster, through these filters.
fn manager(cluster: &str, filters: &[Value], setting: Setting) -> Value {
    let routes = match setting {
        Setting::Direct => json!([
            { "match": { "prefix": "/probe" }, "route": { "cluster": cluster } },
            { "match": { "prefix": "/" }, "direct_response": { "status": 200, "body": { "inline_string": "direct" } } },
        ]),
        Setting::Tunnel => json!([
            { "match": { "connect_matcher": {} }, "route": { "cluster": cluster } },
            { "match": { "prefix": "/" }, "route": { "cluster": cluster } },
        ]),
        _ => json!([{ "match": { "prefix": "/" }, "route": { "cluster": cluster } }]),
    };
    let router = json!({ "name": "envoy.filters.http.router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": true,
    } });
    let mut config = json!({
        "@type":
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "generate_request_id": false,
        // Envoy's own choice is a second.
        "delayed_close_timeout": "0.1s",
        "server_header_transformation": "PASS_THROUGH",
        "http_protocol_options": { "enable_trailers": true },
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
        "http_filters": filters.iter().chain([&router]).collect::<Vec<_>>(),
    });
    if setting == Setting::Metadata {
        config["http2_protocol_options"]["allow_metadata"] = true.into();
    }
    if setting == Setting::Tunnel {
        config["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }, { "upgrade_type": "CONNECT" }]);
    }
    json!([{ "name": "envoy.filters.network.http_connection_manager", "typed_config": config }])
}

/// The place's listener, with the plugin.
fn listener(folder: &Path, place: &Place) -> Value {
    let upstream = format!("u{}", place.at);
    let filters = match (place.kind, place.setting) {
        (Kind::Http, Setting::Logger) => {
            let mut manager = manager(&upstream, &[], place.setting);
            manager[0]["typed_config"]["access_log"] = json!([{ "name": "envoy.access_loggers.wasm", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog",
                "config": plugin(place),
            } }]);
            manager
        }
        (Kind::Http, setting) => manager(&upstream, &[filter("http", place)], setting),
        (Kind::Tcp, _) => json!([filter("network", place), { "name": "envoy.tcp_proxy", "typed_config": {
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

/// The listener without a plugin.
fn plain(folder: &Path, place: &Place) -> Value {
    json!({
        "name": format!("p{}", place.at),
        "address": pipe(&place.socket(folder, 'p')),
        "filter_chains": [{ "filters": manager(&format!("u{}", place.at), &[], place.setting) }],
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
        "filter_chains": [{ "filters": manager(&format!("s{}", place.at), &[filter], Setting::Plain) }],
    })
}

fn filter(kind: &str, place: &Place) -> Value {
    json!({ "name": format!("envoy.filters.{kind}.wasm"), "typed_config": {
        "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"),
        "config": plugin(place),
    } })
}

fn plugin(place: &Place) -> Value {
    let name = place.name();
    json!({
        "name": "cell",
        "root_id": name,
        "allow_on_headers_stop_iteration": place.setting.shows_body(),
        "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": place.script() },
        "vm_config": {
            "vm_id": name,
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": MODULE } },
        },
    })
}
