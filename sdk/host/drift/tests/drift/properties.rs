//! Every property of the SDK's table, read in a real Envoy.
//!
//! A request goes through two listeners of one Envoy. The first is plain, and its upstream is the
//! second, over TLS with a client's certificate. So each attribute of a connection and of an
//! upstream has a value at one of them. The filter of each reads all paths of the table in three
//! callbacks. The result must be that of the table: a value of the kind, no bytes, absent, or
//! refused.

mod value;

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluicegate_envoy::{Config, Options, Proxy};

use crate::envoy::{self, Modules, Seen};

/// The getters of the SDK, which its own test plays on the simulated host: name, path, older path,
/// kind, the results in the three callbacks, and the version that has no such attribute.
const TABLE: &str = include_str!("../../../../tests/property_table.tsv");
const CALLBACKS: [&str; 3] = ["request_headers", "response_headers", "log"];
/// The longest time until both filters have logged the end of the stream.
const PATIENCE: Duration = Duration::from_secs(10);

const CERTIFICATE: &str = include_str!("properties/certificate.pem");
const KEY: &str = include_str!("properties/key.pem");

/// A listener, by the name that its filter has in the log, and its port in the configuration.
const PLAIN: (&str, u16) = ("plain", 18_000);
const SECURE: (&str, u16) = ("secure", 18_001);

#[test]
fn envoy_has_every_property_of_the_table() -> Result<()> {
    let binary = envoy::binary()?;
    let modules = Modules::build()?;
    let (abi, file) = modules.0.last().context("no module")?;
    let config = Config::from_json(config(&envoy::stem(*abi)))?.with_module(&envoy::stem(*abi), file);
    let proxy = Proxy::start(&binary, &config, &Options::default())?;
    let headers = [("referer", "a"), ("user-agent", "b"), ("x-request-id", "c")];
    let response = proxy.request("GET", PLAIN.1, "/a?b=c", &headers, b"")?;
    ensure!(response.status == 200, "status {}", response.status);

    let mut seen = Seen::default();
    let deadline = Instant::now() + PATIENCE;
    let has_ended = |seen: &Seen, name| seen.of(name).iter().any(|line| line.ends_with(" delete []"));
    while ![PLAIN, SECURE].iter().all(|(name, _)| has_ended(&seen, name)) {
        ensure!(Instant::now() < deadline, "the filters did not log the end of the stream");
        sleep(Duration::from_millis(20));
        seen.read(&proxy);
    }

    let (mut report, mut found) = (String::new(), String::new());
    for line in TABLE.lines() {
        let cells: Vec<_> = line.split('\t').collect();
        let [getter, path, older, kind, request, response, log, lacking @ ..] = cells.as_slice() else { continue };
        let lacks = lacking.contains(&binary.version.as_str());
        let wanted = if lacks { ["absent"; 3] } else { [*request, *response, *log] };
        let listener = if getter.starts_with("connection::") { SECURE } else { PLAIN };
        let lines = seen.of(listener.0);
        let results = CALLBACKS.map(|callback| value::result(lines, callback, path, kind));
        if results != wanted {
            writeln!(report, "{getter}: {results:?}, in the table {wanted:?}")?;
        }
        writeln!(found, "{getter}\t{path}\t{older}\t{kind}\t{}", results.join("\t"))?;
    }
    ensure!(report.is_empty(), "Envoy {} differs:\n{report}\nIts table:\n{found}", binary.version);
    Ok(())
}

/// The filter that reads all paths.
fn filter(name: &str, stem: &str) -> Value {
    let paths = TABLE.lines().filter_map(|line| line.split('\t').nth(1));
    let steps: Vec<_> = paths.map(|path| format!("property {path}")).collect();
    let script = CALLBACKS.map(|callback| format!("{callback}: {}", steps.join("; "))).join("\n");
    json!({ "name": "envoy.filters.http.wasm", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": "n", "root_id": "r",
            "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": script },
            "vm_config": {
                "vm_id": name,
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": format!("{stem}.wasm") } },
            },
        },
    } })
}

/// Metadata as Istio writes them.
fn metadata(of: &str) -> Value {
    json!({ "filter_metadata": { "istio": { "config": format!("/{of}") } } })
}

fn listener((name, port): (&str, u16), stem: &str, action: (&str, Value)) -> Value {
    let mut route = json!({ "match": { "prefix": "/" }, "name": "route", "metadata": metadata("route") });
    route[action.0] = action.1;
    json!({
        "name": name,
        "traffic_direction": "INBOUND",
        "metadata": metadata("listener"),
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } },
        "filter_chains": [{ "name": "chain", "filters": [
            { "name": "envoy.filters.network.http_connection_manager", "typed_config": {
                "@type":
                    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": name,
                "preserve_external_request_id": true,
                "route_config": { "virtual_hosts": [
                    { "name": "host", "domains": ["*"], "metadata": metadata("host"), "routes": [route] },
                ] },
                "http_filters": [filter(name, stem), { "name": "envoy.filters.http.router", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                } }],
            } },
        ] }],
    })
}

/// The common settings of both sides of the TLS connection: they trust each other's certificate.
fn tls() -> Value {
    json!({
        "tls_certificates": [
            { "certificate_chain": { "inline_string": CERTIFICATE }, "private_key": { "inline_string": KEY } },
        ],
        "validation_context": { "trusted_ca": { "inline_string": CERTIFICATE } },
    })
}

fn transport(side: &str, rest: (&str, Value)) -> Value {
    let mut socket = json!({ "name": "tls", "typed_config": {
        "@type": format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{side}TlsContext"),
        "common_tls_context": tls(),
    } });
    socket["typed_config"][rest.0] = rest.1;
    socket
}

fn config(stem: &str) -> Value {
    let plain = listener(PLAIN, stem, ("route", json!({ "cluster": "secure" })));
    let mut secure =
        listener(SECURE, stem, ("direct_response", json!({ "status": 200, "body": { "inline_string": "d" } })));
    // It is what tells the listener the server name.
    secure["listener_filters"] = json!([{ "name": "envoy.filters.listener.tls_inspector", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    } }]);
    secure["filter_chains"][0]["transport_socket"] =
        transport("Downstream", ("require_client_certificate", true.into()));
    json!({
        "node": {
            "id": "i", "cluster": "c",
            "locality": { "region": "r", "zone": "z", "sub_zone": "s" },
            "metadata": value::node_metadata(TABLE),
        },
        "static_resources": {
            "listeners": [plain, secure],
            "clusters": [{
                "name": "secure", "connect_timeout": "1s", "type": "STATIC", "metadata": metadata("cluster"),
                "transport_socket": transport("Upstream", ("sni", "test.example".into())),
                "load_assignment": { "cluster_name": "secure", "endpoints": [{
                    "locality": { "region": "r" },
                    "metadata": metadata("locality"),
                    "lb_endpoints": [{
                        "metadata": metadata("endpoint"),
                        "endpoint": {
                            "address": { "socket_address": { "address": "127.0.0.1", "port_value": SECURE.1 } },
                        },
                    }],
                }] },
            }],
        },
    })
}
