//! The arena's work for streams on wasm. A block that outlives its stream is counted, also if
//! another stream's callback ran within the callback that allocated it.

use std::path::PathBuf;

use sluicegate_build::{Build, add_target, run};
use sluicegate_host::wasm::Module;
use sluicegate_host::{Fault, Host, RunningHost};

const TARGETS: [&str; 2] = [sluicegate_build::TARGET, "wasm32-unknown-unknown"];
const PAGE: u64 = 65_536;

/// The actions of the filter's functions, by number.
const DROP: u32 = 0;
const REPORT: u32 = 1;
const SECOND_SOURCE: u32 = 2;

fn start(target: &str, features: &str) -> RunningHost {
    add_target(run).unwrap();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let build = Build::new(root, "sluicegate-regions", "guest")
        .target_dir(folder.join("guests").join(if features.is_empty() { "none" } else { features }))
        .target(target)
        .features(features);
    let answer = run(&mut build.command()).unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let host = Host::wasm(&Module::load(build.module()).unwrap()).start();
    assert!(host.started());
    host
}

/// The filter's last line in the log, after it was told to call a function.
fn told(host: &RunningHost, function: u32) -> String {
    host.call_function(function, "");
    host.log().pop().map_or_else(String::new, |line| line.text)
}

fn retained(host: &RunningHost) -> u64 {
    let report = told(host, REPORT);
    let before = report.split(" retained").next().and_then(|before| before.split_whitespace().next_back());
    before.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("{report:?}"))
}

/// A stream whose filter keeps a block.
fn keep(host: &RunningHost) {
    let stream = host.http_stream();
    stream.request_headers_with_body(&[("a", "b")]);
    stream.request_body("x", true);
    stream.response_headers(&[(":status", "200")]);
    stream.complete();
}

#[test]
fn a_block_that_outlives_its_stream_is_counted() {
    for target in TARGETS {
        let host = start(target, "alloc-arena");
        assert_eq!(retained(&host), 0, "{target}");
        for _ in 0..3 {
            // Another takes the place of the one before.
            keep(&host);
            assert_eq!(retained(&host), 1, "{target}");
        }
        told(&host, DROP);
        assert_eq!(retained(&host), 0, "{target}");
    }
}

#[test]
fn without_the_arena_nothing_is_held() {
    let host = start(sluicegate_build::TARGET, "");
    keep(&host);
    assert_eq!(retained(&host), 0);
}

#[test]
fn a_block_counts_for_its_own_stream_after_a_callback_within_it() {
    for target in TARGETS {
        let host = start(target, "alloc-arena");
        let (outer, inner, third) = (host.http_stream(), host.http_stream(), host.http_stream());
        let headers = |stream: &sluicegate_host::HttpStream<'_>| vec![stream.id(), 1, 1];
        // The outer's first call runs the inner's callback, whose own first runs the third's.
        let call = host.all_calls();
        host.fault(call, Fault::Nested("proxy_on_request_headers", headers(&inner)));
        host.fault(call + 1, Fault::Nested("proxy_on_request_headers", headers(&third)));
        outer.request_headers_with_body(&[("a", "b")]);
        let lines = host.log().iter().filter(|line| line.text == "waited").count();
        assert_eq!(lines, 3, "{target}: {:?}", host.log());
        // The outer keeps a block that it made after both: it is none of theirs.
        third.complete();
        inner.complete();
        assert_eq!(retained(&host), 0, "{target}");
        outer.complete();
        assert_eq!(retained(&host), 1, "{target}");
        told(&host, DROP);
        assert_eq!(retained(&host), 0, "{target}");
    }
}

/// Where there is no C library, the slack of the initial memory is the first piece of the
/// allocator's source: it is not the first piece of another's besides.
#[test]
fn the_slack_is_handed_out_once() {
    let host = start("wasm32-unknown-unknown", "alloc-arena");
    assert_eq!(host.pages(), 2, "the filter's blocks lie in the slack");
    let told = told(&host, SECOND_SOURCE);
    let at = told.strip_prefix("piece at ").and_then(|at| at.parse::<u64>().ok()).unwrap_or_else(|| panic!("{told:?}"));
    assert_eq!(at, 2 * PAGE, "a piece behind the slack");
    assert_eq!(host.pages(), 3);
}
