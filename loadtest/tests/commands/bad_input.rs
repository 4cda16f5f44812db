//! Every wrong input ends with one clear line on stderr, a failing status, and nothing left
//! running.

use std::net::TcpListener;

use crate::cli::{Cli, refusal};

#[test]
fn an_unknown_example_is_answered_with_the_known_ones() {
    let error = refusal(Cli::new(&["serve", "nonesuch"]));
    assert!(error.starts_with("there is no example `nonesuch`; there are: "), "{error}");
    assert!(error.contains("http_headers"), "{error}");
}

#[test]
fn an_unknown_allocator_is_answered_with_the_known_ones() {
    let mut cli = Cli::new(&["serve", "http_headers", "--alloc", "jemalloc"]);
    let stderr = String::from_utf8_lossy(&cli.output().stderr).into_owned();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let error = refusal(cli);
    assert!(error.contains("'jemalloc'") && error.contains("--alloc"), "{error}");
    assert!(error.contains("[possible values: system, talc"), "{error}");
}

#[test]
fn an_unknown_variant_is_answered_with_the_known_ones() {
    let error = refusal(Cli::new(&["load", "--only", "by-hand,nonesuch"]));
    assert!(error.starts_with("there is no variant `nonesuch`; there are: filterless, by-hand, proxy-wasm"), "{error}");
}

#[test]
fn a_taken_port_is_told_before_anything_is_built() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let error = refusal(Cli::new(&["serve", "http_headers", "--port", &port]));
    assert_eq!(error, format!("port {port} is taken; pick another with --port N, or --port 0 for a free one"));
}

#[test]
fn an_envoy_variable_that_points_nowhere_is_told() {
    let nowhere = Cli::new(&["serve", "http_headers", "--port", "0"]).env("ENVOY", "/nowhere/envoy");
    assert_eq!(refusal(nowhere), "the variable ENVOY does not name a usable Envoy: /nowhere/envoy does not exist");
    let program = env!("CARGO_BIN_EXE_sluicegate-loadtest");
    let error = refusal(Cli::new(&["load", "--quick"]).env("ENVOY", program));
    assert!(error.ends_with("--version does not print the version of an Envoy"), "{error}");
}

#[test]
fn an_index_that_cannot_be_reached_is_told() {
    let cli = Cli::new(&["serve", "http_headers", "--port", "0", "--envoy", "0.0.1"]).without("ENVOY");
    // Nothing listens on port 9, and no other index may be asked.
    let error = refusal(cli.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_INDEX_URL", "http://127.0.0.1:9/simple"));
    assert!(error.contains("could not reach the package index") && error.contains("Envoy 0.0.1"), "{error}");
    assert!(error.contains("set ENVOY="), "{error}");
}

#[test]
fn a_machine_without_python_is_told() {
    let cli = Cli::new(&["serve", "http_headers", "--port", "0", "--envoy", "0.0.1"]).without("ENVOY");
    let error = refusal(cli.env("PATH", "/nowhere"));
    assert!(error.contains("there is no python3 on PATH") && error.contains("set ENVOY="), "{error}");
}

#[test]
fn a_module_that_is_none_is_told() {
    let error = refusal(Cli::new(&["serve", "http_headers", "--port", "0", "--wasm", "/nowhere/x.wasm"]));
    assert_eq!(error, "there is no module /nowhere/x.wasm");

    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.wasm");
    std::fs::write(&garbage, "this is not a module").unwrap();
    let error = refusal(Cli::new(&["serve", "http_headers", "--port", "0", "--wasm", &garbage.to_string_lossy()]));
    assert_eq!(error, "Envoy refused the configuration: Failed to parse corrupted Wasm module");
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no/such/folder.json");
    // A run would fail with another message: there is no such Envoy.
    let error = refusal(Cli::new(&["load", "--json", &file.to_string_lossy()]).env("ENVOY", "/nowhere/envoy"));
    assert!(error.starts_with(&format!("cannot write {}: ", file.display())), "{error}");
}
