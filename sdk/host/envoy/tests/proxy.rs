//! A real Envoy through the library: what it tells, and that it always ends.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use sluicegate_envoy::{Config, Envoy, Options, Proxy, Response};
use sluicegate_workspace::guest;

const YAML: &str = r#"
static_resources:
  listeners:
    - name: main
      address: { socket_address: { address: 0.0.0.0, port_value: 18000 } }
      filter_chains:
        - filters:
            - name: manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: main
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { path: /teapot }
                          direct_response: { status: 418, body: { inline_string: short and stout } }
                        - match: { prefix: / }
                          direct_response: { status: 200, body: { inline_string: hello } }
                http_filters:
                  - name: wasm
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                      config: { vm_config: { runtime: envoy.wasm.runtime.v8, code: { local: { filename: job.wasm } } } }
                  - name: router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
"#;

fn start() -> Proxy {
    let module = guest::build("guest-floor", None).unwrap();
    let config = Config::from_yaml(YAML).unwrap().with_every_module(&module);
    Proxy::start(&Envoy::provision().unwrap(), &config, &Options::default()).unwrap()
}

fn exists(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[test]
fn requests_are_answered_whatever_their_status() {
    let proxy = start();
    let Response { status, body, .. } = proxy.get(18000, "/").unwrap();
    assert_eq!((status, body.as_slice()), (200, &b"hello"[..]));

    let teapot = proxy.request("POST", 18000, "/teapot", &[("x-a", "1")], b"tea?").unwrap();
    assert_eq!((teapot.status, teapot.text().as_ref()), (418, "short and stout"));
    assert_eq!(teapot.header("X-Filter"), Some("1"));
    assert_eq!(teapot.headers_named("x-filter").count(), 1);
    assert_eq!(teapot.header("x-none"), None);
    assert!(proxy.request("GET", 18000, "/", &[], b"a body").is_err());
}

#[test]
fn envoy_tells_its_state_and_its_log() {
    let proxy = start();
    assert!(proxy.admin("/server_info").unwrap().contains("\"state\": \"LIVE\""));
    assert!(proxy.admin("/nonesuch").is_err());
    assert_eq!(proxy.stats().unwrap().get("listener_manager.workers_started"), Some(&1));
    proxy.wait_for_log("starting main dispatch loop", Duration::from_secs(5)).unwrap();
    let error = proxy.wait_for_log("no line says this", Duration::from_millis(50)).unwrap_err().to_string();
    assert!(error.starts_with("no `no line says this` in Envoy's log within 50ms; it ends with:\n["), "{error}");
    assert!(proxy.log().contains("starting main dispatch loop"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_linear_memory_of_each_vm_is_seen() {
    use sluicegate_envoy::usage;

    let proxy = start();
    proxy.get(18000, "/").unwrap();
    let memory = usage::wasm_memory(proxy.pid()).unwrap();
    // One for Envoy itself, one more for its configuration, one for the worker; a page of stack, a
    // page of data.
    assert_eq!((memory.vms, memory.largest), (3, 2 * usage::WASM_PAGE));
    assert!(usage::cpu_nanos(proxy.pid()).unwrap() > 0);
    assert!(usage::rss_kib(proxy.pid()).unwrap() > 10_000);
}

#[test]
fn a_panic_ends_envoy() {
    let mut pid = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let proxy = start();
        assert!(proxy.is_running());
        pid = proxy.pid();
        #[cfg(target_os = "linux")]
        assert!(exists(pid));
        panic!("in the middle of a test");
    }));
    assert!(result.is_err() && pid != 0);
    assert!(!exists(pid));
}

#[test]
fn several_envoys_run_side_by_side() {
    let proxies = BTreeMap::from([1, 2, 3].map(|_| start()).map(|proxy| (proxy.port(18000), proxy)));
    assert_eq!(proxies.len(), 3);
    assert!(proxies.values().all(|proxy| proxy.get(18000, "/").unwrap().status == 200));
}

#[test]
fn a_refused_configuration_is_told_in_one_line() {
    let config = Config::from_yaml("static_resources: { listeners: [{ nonsense: 1 }] }").unwrap();
    let error = Proxy::start(&Envoy::provision().unwrap(), &config, &Options::default()).unwrap_err().to_string();
    assert!(error.starts_with("Envoy refused the configuration: ") && error.contains("nonsense"), "{error}");
}
