//! Each row of `property_table.tsv` is a getter of the SDK, and each getter has a row.
//!
//! The table has the path of each property, its path on older hosts, its kind, and the result of
//! reading it in Envoy. This test reads every property on the simulated host: with a value, without
//! one, at the older path, with a value of a wrong size, and refused. The differential test reads
//! the same paths in a real Envoy.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::property::{self, List, Map, Property, istio::InterceptionMode, xds::Direction};
use sluicegate_host::{Host, PropertyValue, RunningHost};

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {}

sluicegate::plugin!(plugin: Plugin);

/// A type that a getter returns.
trait Read: Debug + Sized {
    /// The kinds of the table that have this type.
    const KINDS: &[&str];

    /// Returns the value to read, and whether a value is that one.
    fn sample() -> (PropertyValue, fn(&Self) -> bool);
}

macro_rules! read {
    ($($ty:ty, $kinds:expr, $sample:expr, |$value:ident| $is:expr;)*) => {
        $(impl Read for $ty {
            const KINDS: &[&str] = &$kinds;

            fn sample() -> (PropertyValue, fn(&Self) -> bool) {
                ($sample.into(), |$value| $is)
            }
        })*
    };
}

read! {
    Property, ["text", "message"], &b"\xffsample"[..], |value| value.text().as_bytes() == b"\xffsample";
    bool, ["bool"], true, |value| *value;
    u64, ["u64"], 7_i64, |value| *value == 7;
    f64, ["f64"], 1.5, |value| value.to_bits() == 1.5_f64.to_bits();
    Duration, ["duration", "time"], Duration::from_millis(3), |value| value.as_millis() == 3;
    Direction, ["direction"], 2_i64, |value| *value == Direction::Outbound;
    InterceptionMode, ["interception"], "TPROXY", |value| *value == InterceptionMode::Tproxy;
    Map, ["map"], PropertyValue::Map(vec![("k".into(), "v".into())]),
        |value| value.len() == 1 && value.get("k").is_some_and(|found| found.text() == "v");
    List, ["list"], PropertyValue::List(vec!["a".into(), "b".into()]),
        |value| value.len() == 2 && value.get(1).is_some_and(|found| found.as_bytes() == b"b");
}

/// A row of the table.
struct Row<'a> {
    path: Vec<&'a str>,
    /// The path on older hosts.
    older: Option<Vec<&'a str>>,
    kind: &'a str,
}

fn rows() -> impl Iterator<Item = (&'static str, Row<'static>)> {
    let lines = include_str!("property_table.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let mut cells = line.split('\t');
        let mut next = || cells.next().expect("a cell");
        let (getter, path, older, kind) = (next(), next(), next(), next());
        let path = path.split('.').collect();
        (getter, Row { path, older: (older != "-").then(|| older.split('.').collect()), kind })
    })
}

fn start() -> RunningHost {
    let host = Host::new(&PLUGIN).start();
    assert!(host.started(), "{:?}", host.log());
    host
}

/// Reads one property in every way.
fn play<T: Read>(getter: &str, read: fn() -> Result<Option<T>>, row: &Row<'_>) {
    assert!(T::KINDS.contains(&row.kind), "{getter} is of the kinds {:?}, not {}", T::KINDS, row.kind);
    let (sample, is_sample) = T::sample();
    let dotted = row.path.join(".");
    let calls = |host: &RunningHost, read: &dyn Fn()| {
        let before = host.calls(Import::proxy_get_property);
        read();
        host.calls(Import::proxy_get_property) - before
    };

    // There.
    let host = start();
    host.set_property(&row.path, sample.clone());
    let found = calls(&host, &|| assert!(read().unwrap().is_some_and(|value| is_sample(&value)), "{getter}"));
    assert_eq!(found, 1, "{getter}: one host call");

    // Of a wrong size or form. Any bytes are a text and a message, and no bytes are an empty map.
    if T::KINDS != Property::KINDS {
        let wrong: &[&[u8]] = &[b"1234567", b"\x09\0\0\0", b""];
        let wrong = if ["map", "list"].contains(&row.kind) { &wrong[..2] } else { wrong };
        for bytes in wrong {
            host.set_property(&row.path, *bytes);
            let error = read().unwrap_err();
            assert!(error.is_malformed(), "{getter}: {error}");
            assert!(error.to_string().starts_with(&format!("malformed property {dotted}: ")), "{getter}: {error}");
        }
    }

    // There, and without a form in bytes.
    host.set_property(&row.path, PropertyValue::Opaque);
    let error = read().unwrap_err();
    assert_eq!(error.status(), Some(Status::SerializationFailure), "{getter}");
    assert!(error.to_string().contains(&format!("(property {dotted})")), "{getter}: {error}");

    // Out of memory, and absent.
    host.fail(Import::proxy_get_property, Status::InvalidMemoryAccess);
    assert!(read().unwrap_err().is_out_of_memory(), "{getter}");
    host.fail(Import::proxy_get_property, Status::NotFound);
    let asked = calls(&host, &|| assert!(read().unwrap().is_none(), "{getter}"));
    assert_eq!(asked, if row.older.is_some() { 2 } else { 1 }, "{getter}: one host call for each path");

    // At the older path alone.
    let Some(older) = &row.older else { return };
    let host = start();
    let is_absent = read().unwrap().is_none();
    host.set_property(older, sample);
    // The simulated host, as Envoy, has some properties that are empty unless they are set.
    assert_eq!(read().ok().flatten().is_some_and(|value| is_sample(&value)), is_absent, "{getter} at {older:?}");
}

/// Plays the getters, and returns their names.
macro_rules! play {
    ($($module:ident: $($getter:ident)*;)*) => {{
        let mut played = BTreeSet::new();
        let rows: std::collections::BTreeMap<_, _> = rows().collect();
        $($(
            let name = concat!(stringify!($module), "::", stringify!($getter));
            play(name, property::$module::$getter, rows.get(name).unwrap_or_else(|| panic!("{name} has no row")));
            played.insert(name);
        )*)*
        played
    }};
}

#[test]
fn every_getter_reads_its_path_in_every_case() {
    let played = play! {
        connection: source_address source_port destination_address destination_port id mtls requested_server_name
            termination_details tls_version subject_local_certificate subject_peer_certificate
            dns_san_local_certificate dns_san_peer_certificate uri_san_local_certificate uri_san_peer_certificate
            sha256_peer_certificate_digest peer_certificate transport_failure_reason;
        request: path url_path query host scheme method protocol id referer user_agent headers time duration size
            total_size headers_bytes;
        response: code code_details flags grpc_status headers trailers size total_size headers_bytes
            backend_latency;
        upstream: address port local_address locality num_endpoints request_attempt_count cx_pool_ready_duration
            tls_version subject_local_certificate subject_peer_certificate dns_san_local_certificate
            dns_san_peer_certificate uri_san_local_certificate uri_san_peer_certificate
            sha256_peer_certificate_digest peer_certificate transport_failure_reason;
        xds: cluster_name cluster_metadata route_name route_metadata virtual_host_name virtual_host_metadata
            upstream_host_metadata upstream_host_locality_metadata filter_chain_name listener_direction
            listener_metadata;
        wasm: plugin_name plugin_root_id plugin_vm_id;
        node: id cluster region zone sub_zone user_agent_name user_agent_version user_agent_build_version extensions
            client_features listening_addresses;
        istio: annotations app_containers cluster_id envoy_prometheus_port envoy_status_port instance_ips
            interception_mode proxy_sha version labels mesh_id name namespace node_name owner pilot_san pod_ports
            service_account workload_name binary_path concurrency config_path control_plane_auth_policy
            discovery_address drain_duration extra_stat_tags hold_application_until_proxy_starts proxy_admin_port
            stats_inclusion_prefixes stats_inclusion_regexps stats_inclusion_suffixes service_cluster
            stat_name_length status_port termination_drain_duration tracing_datadog_address
            tracing_opencensus_agent_address tracing_zipkin_address cluster_config listener_config route_config
            upstream_host_config;
    };
    assert_eq!(played, rows().map(|(getter, _)| getter).collect(), "rows that no getter was played for");
    let played: BTreeSet<_> = played.into_iter().map(str::to_owned).collect();
    let missing: Vec<_> = declared().difference(&played).cloned().collect();
    assert!(missing.is_empty(), "getters that have no row: {missing:?}");
}

/// Returns the getters that the sources declare, as `module::name`.
fn declared() -> BTreeSet<String> {
    let kinds = rows().map(|(_, row)| format!("{} ", row.kind)).collect::<BTreeSet<_>>();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/property");
    let mut getters = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().display().to_string();
        let source = fs::read_to_string(&path).unwrap();
        let Some((_, of_macro)) = source.split_once("\nproperties! {\n") else { continue };
        for line in of_macro.lines().take_while(|line| *line != "}") {
            let Some(row) = kinds.iter().find_map(|kind| line.trim_start().strip_prefix(kind.as_str())) else {
                continue;
            };
            let (name, _) = row.split_once(" = ").expect("a row");
            getters.insert(format!("{module}::{name}"));
        }
    }
    getters
}
