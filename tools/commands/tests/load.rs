//! The load tests, run as their users run them. Wrong input ends with one clear line on stderr, a
//! failing status, and nothing left running.

use sluicegate_workspace::testing::{Cli, refusal};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sluicegate-commands");

fn command(args: &[&str]) -> Cli {
    Cli::new(PROGRAM, args)
}

#[test]
fn load_compares_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let mut cli =
        command(&["load", "--only", "by-hand,proxy-wasm", "--repetitions", "2", "--requests", "600", "--json"]);
    cli.command.arg(&file);
    let output = cli.output();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(cli.left_running(), [""; 0]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(["filterless", "by-hand", "proxy-wasm", "2 repetitions of 600"].iter().all(|text| table.contains(text)));

    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let names: Vec<_> = report["variants"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["filterless", "by-hand", "proxy-wasm"]);
    assert_eq!(report["request_headers"], 25);
    assert!(report["variants"][2]["module_bytes"].as_u64() > report["variants"][1]["module_bytes"].as_u64());
    #[cfg(target_os = "linux")]
    assert!(report["variants"][1]["wasm_bytes"].as_u64() >= Some(2 * 65_536));
}

#[test]
fn an_unknown_variant_is_answered_with_the_known_ones() {
    let error = refusal(command(&["load", "--only", "by-hand,nonesuch"]));
    assert!(error.starts_with("there is no variant `nonesuch`; there are: filterless, by-hand, proxy-wasm"), "{error}");
}

#[test]
fn a_variable_that_names_no_envoy_is_told() {
    let error = refusal(command(&["load", "--quick"]).env("ENVOY", PROGRAM));
    assert!(error.ends_with("--version does not print the version of an Envoy"), "{error}");
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no/such/folder.json");
    // A run would fail with another message: there is no such Envoy.
    let error = refusal(command(&["load", "--json", &file.to_string_lossy()]).env("ENVOY", "/nowhere/envoy"));
    assert!(error.starts_with(&format!("cannot write {}: ", file.display())), "{error}");
}
