//! The commands on input that is right.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use sluicegate_loadtest::{guest, http};

use crate::cli::Cli;

#[test]
fn load_compares_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let mut cli =
        Cli::new(&["load", "--only", "by-hand,proxy-wasm", "--repetitions", "2", "--requests", "600", "--json"]);
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

#[cfg(unix)]
#[test]
fn serve_answers_until_a_signal_and_leaves_nothing() {
    for signal in ["-INT", "-TERM"] {
        let module = guest::build("guest-floor", None).unwrap();
        let mut cli = Cli::new(&["serve", "http_headers", "--port", "0", "--wasm", &module.to_string_lossy()]);
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
