//! The deployment of `json_validation` (docs/deploying.md): the manifests are what the clusters
//! demand, and the plain Envoy does what its comments say.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluicegate_envoy::{Config, Envoy, Options, Proxy};
use sluicegate_workspace::{self as workspace, Allocator, guest};

const PATIENCE: Duration = Duration::from_secs(10);
const ORDERS: u16 = 18000;
const EVENTS: u16 = 18001;

fn read(file: &str) -> String {
    let path: PathBuf = workspace::root().join("examples/json_validation/deploy").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(file: &str) -> Value {
    serde_saphyr::from_str(&read(file)).unwrap()
}

/// Returns the faults that a schema finds in a manifest.
fn complaints(schema: &str, manifest: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(&read(schema)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(manifest).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

const MANIFESTS: [(&str, &str); 3] = [
    ("istio.yaml", "schemas/wasmplugin.json"),
    ("envoy-gateway.yaml", "schemas/envoyextensionpolicy.json"),
    ("istio-envoyfilter.yaml", "schemas/envoyfilter.json"),
];

#[test]
fn the_manifests_are_what_the_clusters_demand() {
    for (file, schema) in MANIFESTS {
        assert_eq!(complaints(schema, &manifest(file)), Vec::<String>::new(), "{file}");
    }
}

/// A schema that lets everything pass would be none.
#[test]
fn the_schemas_see_what_is_wrong() {
    for (file, schema, place, wrong) in [
        ("istio.yaml", MANIFESTS[0].1, "/spec/failStrategy", json!("FAIL_CLOSED")),
        ("istio.yaml", MANIFESTS[0].1, "/spec/phase", json!("authn")),
        ("istio.yaml", MANIFESTS[0].1, "/spec/url", json!("ftp://registry.example.com/filter")),
        ("istio.yaml", MANIFESTS[0].1, "/spec/selector", json!({ "labels": {} })),
        ("istio.yaml", MANIFESTS[0].1, "/spec/pluginConfig", json!("{}")),
        ("istio.yaml", MANIFESTS[0].1, "/kind", json!("EnvoyFilter")),
        ("envoy-gateway.yaml", MANIFESTS[1].1, "/spec/wasm/0/code/type", json!("HTTP")),
        ("envoy-gateway.yaml", MANIFESTS[1].1, "/spec/wasm/0/code/image", json!({})),
        ("envoy-gateway.yaml", MANIFESTS[1].1, "/spec/wasm/0/failOpen", json!("no")),
        ("envoy-gateway.yaml", MANIFESTS[1].1, "/spec/targetRefs/0/kind", json!("Service")),
        ("envoy-gateway.yaml", MANIFESTS[1].1, "/spec/targetRefs/0/sectionName", json!("http")),
        ("istio-envoyfilter.yaml", MANIFESTS[2].1, "/apiVersion", json!("networking.istio.io/v1")),
        ("istio-envoyfilter.yaml", MANIFESTS[2].1, "/spec/configPatches/0/applyTo", json!("HTTP_FILTERS")),
        ("istio-envoyfilter.yaml", MANIFESTS[2].1, "/spec/configPatches/0/match/context", json!("INGRESS")),
        ("istio-envoyfilter.yaml", MANIFESTS[2].1, "/spec/configPatches/0/match/listener/filter", json!({})),
        ("istio-envoyfilter.yaml", MANIFESTS[2].1, "/spec/configPatches/0/patch/operation", json!("PREPEND")),
        ("istio-envoyfilter.yaml", MANIFESTS[2].1, "/spec/selector", json!({ "matchLabels": {} })),
    ] {
        let mut manifest = manifest(file);
        let (parent, field) = place.rsplit_once('/').unwrap();
        manifest.pointer_mut(parent).unwrap()[field] = wrong;
        assert_ne!(complaints(schema, &manifest), Vec::<String>::new(), "{place}");
    }
}

/// The image, its version and the plugin's configuration are those of the example.
#[test]
fn the_manifests_are_about_this_example() {
    let (istio, gateway) = (manifest("istio.yaml"), manifest("envoy-gateway.yaml"));
    let image = format!("registry.example.com/filters/json_validation:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(istio["spec"]["url"], format!("oci://{image}"));
    assert_eq!(gateway["spec"]["wasm"][0]["code"]["image"]["url"], image);
    let expected = json!({ "requiredKeys": ["id", "token"] });
    assert_eq!((&istio["spec"]["pluginConfig"], &gateway["spec"]["wasm"][0]["config"]), (&expected, &expected));
    let patch = &manifest("istio-envoyfilter.yaml")["spec"]["configPatches"][0]["patch"]["value"];
    let configuration = patch["typed_config"]["config"]["configuration"]["value"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(configuration).unwrap(), expected);
}

fn start(yaml: &str, module: &std::path::Path) -> Result<Proxy> {
    let config = Config::from_yaml(yaml)?.with_every_module(module);
    Proxy::start(&Envoy::provision()?, &config, &Options::default())
}

fn filter() -> Result<PathBuf> {
    guest::build("json_validation", Some(Allocator::Talc))
}

/// Envoy as Istio would configure it: the patch goes before the router of each HTTP connection
/// manager.
#[test]
fn the_patch_of_the_envoy_filter_is_what_envoy_takes() -> Result<()> {
    let patch = &manifest("istio-envoyfilter.yaml")["spec"]["configPatches"][0];
    let at = &patch["match"]["listener"]["filterChain"]["filter"];
    let (manager, router) = ("envoy.filters.network.http_connection_manager", "envoy.filters.http.router");
    assert_eq!((at["name"].as_str(), at["subFilter"]["name"].as_str()), (Some(manager), Some(router)));
    assert_eq!((&patch["applyTo"], &patch["patch"]["operation"]), (&json!("HTTP_FILTER"), &json!("INSERT_BEFORE")));

    let example = workspace::root().join("examples/json_validation/envoy.yaml");
    let mut config: Value = serde_saphyr::from_str(&std::fs::read_to_string(example)?)?;
    let filters = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    let filters = config.pointer_mut(filters).and_then(Value::as_array_mut).context("no HTTP filters")?;
    filters.retain(|filter| filter["name"] == router);
    ensure!(filters.len() == 1, "one router");
    filters.insert(0, patch["patch"]["value"].clone());

    let proxy = start(&config.to_string(), &filter()?)?;
    for (body, status, answer) in [
        (&br#"{"id": 1, "token": "t"}"#[..], 200, "hello from the server\n"),
        (br#"{"id": 1}"#, 403, "invalid payload"),
    ] {
        let response = proxy.request("POST", ORDERS, "/", &[("content-type", "application/json")], body)?;
        assert_eq!((response.status, &*response.text()), (status, answer));
    }
    Ok(())
}

/// The module that the patch names is in the folder that the gateway's proxy mounts.
#[test]
fn the_mount_of_the_envoy_filter_is_where_its_module_is() {
    let mount = manifest("istio-envoyfilter-mount.yaml");
    let pod = &mount["spec"]["template"]["spec"];
    let (container, volume) = (&pod["containers"][0], &pod["volumes"][0]);
    assert_eq!(container["name"], "istio-proxy", "Istio's own container");
    assert_eq!(
        (&container["volumeMounts"][0]["name"], &volume["configMap"]["name"]),
        (&volume["name"], &volume["name"])
    );
    let patch = &manifest("istio-envoyfilter.yaml")["spec"]["configPatches"][0]["patch"]["value"];
    let file = &patch["typed_config"]["config"]["vm_config"]["code"]["local"]["filename"];
    let folder = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    assert_eq!(file, &format!("{folder}/json_validation.wasm"));
}

#[test]
fn both_plugins_of_the_plain_envoy_judge_by_their_own_configuration() -> Result<()> {
    let proxy = start(&read("plain.yaml"), &filter()?)?;
    let json = [("content-type", "application/json")];
    let (order, event) = (br#"{"id": 1, "token": "t"}"#, br#"{"source": "s"}"#);
    for (port, body, status, answer) in [
        (ORDERS, &order[..], 200, "an order\n"),
        (EVENTS, event, 200, "an event\n"),
        (ORDERS, event, 403, "invalid payload"),
        (EVENTS, order, 403, "invalid payload"),
    ] {
        let response = proxy.request("POST", port, "/", &json, body)?;
        assert_eq!((response.status, &*response.text()), (status, answer), "{port}");
    }
    Ok(())
}

/// Counts the VMs of an Envoy with this configuration.
fn vms(yaml: &str) -> Result<u64> {
    let proxy = start(yaml, &filter()?)?;
    let stats = proxy.stats()?;
    stats.get("wasm.envoy.wasm.runtime.v8.active").copied().context("Envoy does not count its VMs")
}

#[test]
fn plugins_share_a_vm_when_its_configuration_is_the_same() -> Result<()> {
    let shared = read("plain.yaml");
    let (first, second) = shared.split_once("    - name: events\n").context("no second listener")?;
    let (vm_id, code) = ("vm_id: json_validation\n", "                          code:");
    ensure!(second.contains(vm_id) && second.contains(code));
    let with = |second: String| format!("{first}    - name: events\n{second}");
    let configured = "                          configuration: { \"@type\": type.googleapis.com/google.protobuf.StringValue, value: other }\n";

    let together = vms(&shared)?;
    let another_id = vms(&with(second.replace(vm_id, "vm_id: other\n")))?;
    let another_configuration = vms(&with(second.replace(code, &format!("{configured}{code}"))))?;
    let another_name = vms(&with(
        second
            .replace("name: events\n                        failure", "name: orders\n                        failure"),
    ))?;
    assert_eq!(together, another_name, "the plugin's name and configuration do not matter");
    assert!(another_id > together, "{another_id} VMs with two ids, {together} with one");
    assert_eq!(another_configuration, another_id);
    Ok(())
}

/// Traps when a request has many headers.
const TRAPS: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (if (i32.gt_u (local.get 1) (i32.const 30)) (then unreachable))
        (i32.const 0)))"#;

/// An Envoy whose VM has just trapped.
fn trapped(yaml: &str) -> Result<Proxy> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("traps.wasm");
    std::fs::write(&module, wat::parse_str(TRAPS)?)?;
    let proxy = start(yaml, &module)?;
    assert_eq!(proxy.get(ORDERS, "/")?.status, 200);
    let names: Vec<_> = (0..30).map(|number| format!("x-{number}")).collect();
    let headers: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(proxy.request("GET", ORDERS, "/", &headers, b"")?.status, 503);
    Ok(proxy)
}

#[test]
fn a_vm_that_trapped_is_loaded_again() -> Result<()> {
    let proxy = trapped(&read("plain.yaml"))?;
    let deadline = Instant::now() + PATIENCE;
    for port in [ORDERS, EVENTS] {
        while proxy.get(port, "/")?.status != 200 {
            ensure!(Instant::now() < deadline, "the VM is not loaded again");
            thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

#[test]
fn without_that_policy_every_request_is_lost() -> Result<()> {
    let proxy = trapped(&read("plain.yaml").replace("FAIL_RELOAD", "FAIL_CLOSED"))?;
    thread::sleep(Duration::from_secs(3));
    for port in [ORDERS, EVENTS] {
        assert_eq!(proxy.get(port, "/")?.status, 503);
    }
    Ok(())
}
