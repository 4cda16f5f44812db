//! The report of the heap by a filter on wasm. A filter that does not report has none of the code.

use std::fs;
use std::path::PathBuf;

use sluicegate_build::{Build, TARGET, add_target, run};
use sluicegate_host::wasm::Module;
use sluicegate_host::{Host, RunningHost};

/// The actions of the filter's functions, by number.
const DROP: u32 = 0;
const SEND: u32 = 3;
const BURST: u32 = 4;

/// A module, built as the other tests build it.
fn built(package: &str, folder: &str, features: &str) -> PathBuf {
    add_target(run).unwrap();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let build = Build::new(root, package, "guest")
        .target_dir(target.join("guests").join(folder))
        .target(TARGET)
        .features(features);
    let answer = run(&mut build.command()).unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    build.module()
}

fn start(features: &str) -> RunningHost {
    let folder = if features.is_empty() { "none" } else { features };
    let host = Host::wasm(&Module::load(built("sluicegate-regions", folder, features)).unwrap()).start();
    assert!(host.started());
    host
}

fn report(host: &RunningHost) -> String {
    String::from_utf8(host.ask(SEND, "heap_report").expect("the filter sends it")).unwrap()
}

/// A number of the report.
fn figure(json: &str, name: &str) -> u64 {
    let (_, rest) = json.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{json}"));
    rest.split([',', '}', ']']).next().and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("{json}"))
}

#[test]
fn a_filter_tells_where_its_memory_is() {
    let host = start("alloc-arena");
    // The first one has made a block that is kept since.
    let (_, before) = (report(&host), report(&host));
    assert!(before.starts_with(r#"{"walked":true,"#) && before.contains(r#""complete":true"#), "{before}");
    assert_eq!(figure(&before, "pages"), host.pages(), "{before}");
    assert!(figure(&before, "live") >= figure(&before, "asked") && figure(&before, "asked") > 0, "{before}");
    assert_eq!(report(&host), before, "a report changes nothing");
    host.call_function(BURST, "");
    let cost = host.cost().instructions;
    let after = report(&host);
    let cost = host.cost().instructions - cost;
    let (gaps, kept) = (figure(&after, "gaps"), figure(&after, "kept_blocks"));
    assert!(gaps + kept >= 10_000, "{after}");
    assert_eq!(figure(&after, "live") + figure(&after, "free") + figure(&after, "kept"), figure(&after, "held"));
    let each = cost / (gaps + kept);
    println!("{each} instructions for each gap and kept block");
    assert!(each < 180, "{each} instructions for each gap and kept block");
}

#[test]
fn a_region_that_pins_a_block_is_named() {
    let host = start("alloc-arena");
    let stream = host.http_stream();
    stream.request_headers_with_body(&[("a", "b")]);
    stream.request_body("x", true);
    let open = report(&host);
    assert_eq!((figure(&open, "regions"), figure(&open, "retained")), (1, 0), "{open}");
    stream.complete();
    let ended = report(&host);
    assert_eq!((figure(&ended, "regions"), figure(&ended, "retained")), (0, 1), "{ended}");
    assert!(ended.ends_with(r#""pins":[{"region":1,"blocks":1}]}"#), "{ended}");
    host.call_function(DROP, "");
    assert!(report(&host).ends_with(r#""pins":[]}"#));
}

#[test]
fn an_allocator_that_is_not_known_tells_nothing() {
    let told = report(&start(""));
    assert!(told.starts_with(r#"{"walked":false,"pages":0,"#) && told.contains(r#""live":null"#), "{told}");
}

/// The names of figures are in the module that tells them, and in no other, even if that announces
/// an allocator of its own.
#[test]
fn a_filter_that_tells_nothing_links_nothing() {
    let has = |module: PathBuf| {
        let bytes = fs::read(module).unwrap();
        bytes.windows(11).any(|part| part == b"empty_pages")
    };
    assert!(has(built("sluicegate-regions", "alloc-arena", "alloc-arena")));
    assert!(!has(built("sluicegate-fifth", "fifth", "")));
}
