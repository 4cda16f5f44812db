use sluicegate::LogLevel;
use sluicegate_host::{Host, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

#[sluicegate_host::test]
fn says_how_large_headers_are(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/"), ("name", "value")]), 0);
    assert_eq!(stream.request_header("x-request-header-bytes").as_deref(), Some("15"));
    assert_eq!(stream.response_headers(&[(":status", "200")]), 0);
    assert_eq!(stream.response_header("x-response-header-bytes").as_deref(), Some("10"));
}

/// The module that ships is measured. Natively the feature is off.
#[sluicegate_host::test]
fn the_module_is_measured(host: Host) {
    let (wasm, host) = (host.is_wasm(), host.start());
    for _ in 0..3 {
        host.http_stream().request_headers(&[(":path", "/")]);
    }
    let figures = ["sluicegate_calls", "sluicegate_hostcalls"];
    let figures = figures.map(|figure| host.counter(&format!("{figure}_callback=request-headers")));
    let times = host.histogram("sluicegate_ns_callback=request-headers").map(|times| times.len());
    let logged = |line: &str| host.log().iter().any(|of| of.level == LogLevel::Debug && of.text.starts_with(line));
    assert_eq!(logged("proxy_on_request_headers took "), wasm, "{:?}", host.log());
    // Each request makes two host calls: a snapshot and an edit.
    assert_eq!((figures, times), if wasm { ([Some(3), Some(6)], Some(3)) } else { ([None; 2], None) });
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    sweep(&host, traffic).assert_reaches_all();
}
