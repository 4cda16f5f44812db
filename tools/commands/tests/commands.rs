//! The built command, run as its users run it. Wrong input ends with one clear line on stderr, a
//! failing status, and nothing left running.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use sluicegate_envoy::http;
use sluicegate_workspace::guest;
use sluicegate_workspace::testing::{Cli, refusal};

fn command(args: &[&str]) -> Cli {
    Cli::new(env!("CARGO_BIN_EXE_sluicegate-commands"), args)
}

#[cfg(unix)]
#[test]
fn serve_answers_until_a_signal_and_leaves_nothing() {
    for signal in ["-INT", "-TERM"] {
        let module = guest::build("guest-floor", None).unwrap();
        let mut cli = command(&["serve", "http_headers", "--port", "0", "--wasm", &module.to_string_lossy()]);
        let mut child = cli.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let curl = lines.find_map(|line| line.trim().strip_prefix("curl -i ").map(str::to_owned));
        let response = http::send("GET", &curl.expect("a line to paste"), &[], b"").unwrap();
        assert_eq!((response.status, response.header("x-filter")), (200, Some("1")));

        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(cli.left_running(), [""; 0]);
    }
}

#[test]
fn an_unknown_example_is_answered_with_the_known_ones() {
    let error = refusal(command(&["serve", "nonesuch"]));
    assert!(error.starts_with("there is no example `nonesuch`; there are: "), "{error}");
    assert!(error.contains("http_headers"), "{error}");
}

#[test]
fn an_unknown_allocator_is_answered_with_the_known_ones() {
    let mut cli = command(&["serve", "http_headers", "--alloc", "jemalloc"]);
    let stderr = String::from_utf8_lossy(&cli.output().stderr).into_owned();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let error = refusal(cli);
    assert!(error.contains("'jemalloc'") && error.contains("--alloc"), "{error}");
    assert!(error.contains("[possible values: system, talc"), "{error}");
}

#[test]
fn a_taken_port_is_told_before_anything_is_built() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let error = refusal(command(&["serve", "http_headers", "--port", &port]));
    assert_eq!(error, format!("port {port} is taken; pick another with --port N, or --port 0 for a free one"));
}

#[test]
fn an_envoy_variable_that_points_nowhere_is_told() {
    let nowhere = command(&["serve", "http_headers", "--port", "0"]).env("ENVOY", "/nowhere/envoy");
    assert_eq!(refusal(nowhere), "the variable ENVOY does not name a usable Envoy: /nowhere/envoy does not exist");
}

#[test]
fn an_index_that_cannot_be_reached_is_told() {
    let cli = command(&["serve", "http_headers", "--port", "0", "--envoy", "0.0.1"]).without("ENVOY");
    // Nothing listens on port 9, and no other index may be asked.
    let error = refusal(cli.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_INDEX_URL", "http://127.0.0.1:9/simple"));
    assert!(error.contains("could not reach the package index") && error.contains("Envoy 0.0.1"), "{error}");
    assert!(error.contains("set ENVOY="), "{error}");
}

#[test]
fn a_machine_without_python_is_told() {
    let cli = command(&["serve", "http_headers", "--port", "0", "--envoy", "0.0.1"]).without("ENVOY");
    let error = refusal(cli.env("PATH", "/nowhere"));
    assert!(error.contains("there is no python3 on PATH") && error.contains("set ENVOY="), "{error}");
}

#[test]
fn a_module_that_is_none_is_told() {
    let error = refusal(command(&["serve", "http_headers", "--port", "0", "--wasm", "/nowhere/x.wasm"]));
    assert_eq!(error, "there is no module /nowhere/x.wasm");

    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.wasm");
    std::fs::write(&garbage, "this is not a module").unwrap();
    let error = refusal(command(&["serve", "http_headers", "--port", "0", "--wasm", &garbage.to_string_lossy()]));
    assert_eq!(error, "Envoy refused the configuration: Failed to parse corrupted Wasm module");
}
