//! A panic of a filter's is in the proxy's log, with its place, whoever handles it; the VM is lost,
//! and the next one serves.

use std::path::PathBuf;

use sluicegate_host::wasm::Module;
use sluicegate_host::{Host, LogLevel};
use sluicegate_workspace::{Allocator, guest};

/// The place of the panic, by its words in the source.
fn place() -> String {
    let source = include_str!("../../guests/panics/src/lib.rs");
    let (line, text) = source.lines().enumerate().find(|(_, text)| text.contains("panic!(")).unwrap();
    format!(
        "panicked at benches/guests/panics/src/lib.rs:{}:{}:\nasked for by stream 2",
        line + 1,
        text.find("panic!").unwrap() + 1
    )
}

fn logged(module: PathBuf) -> Vec<(LogLevel, String)> {
    let host = Host::wasm(&Module::load(module).unwrap()).start();
    host.http_stream().request_headers(&[(":path", "/"), ("x-panic", "1")]);
    assert!(host.trapped().is_some(), "{:?}", host.log());
    host.log().into_iter().map(|line| (line.level, line.text)).collect()
}

/// Returns whether a line of this level has the panic, with this text in place of its line break.
fn holds(log: &[(LogLevel, String)], level: LogLevel, line_break: &str) -> bool {
    let place = place().replace('\n', line_break);
    log.iter().any(|(of, text)| *of == level && text.contains(&place))
}

#[test]
fn without_the_standard_library_the_sdk_logs_it() {
    let log = logged(guest::build_small("guest-panics", Allocator::Talc).unwrap());
    assert!(holds(&log, LogLevel::Critical, " "), "{log:?}");
}

#[test]
fn with_the_feature_it_is_a_critical_line() {
    let log = logged(guest::build_with("guest-panics", Some(Allocator::Talc), &["panic-log"]).unwrap());
    assert!(holds(&log, LogLevel::Critical, "\\n"), "{log:?}");
}

#[test]
fn otherwise_the_standard_library_prints_it_and_proxies_log_that() {
    let log = logged(guest::build("guest-panics", None).unwrap());
    let printed: String =
        log.into_iter().filter(|(level, _)| *level == LogLevel::Error).map(|(_, text)| text + "\n").collect();
    assert!(printed.contains(&place()), "{printed:?}");
}
