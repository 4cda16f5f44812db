use sluicegate::{Action, LogLevel};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const CONFIGURATION: &str = r#"{"tiers": ["gold", "silver"], "memory": {"total": "1MiB"}}"#;

fn start(host: Host) -> RunningHost {
    let host = host.plugin_configuration(CONFIGURATION).start();
    assert!(host.started());
    host
}

#[sluicegate_host::test]
fn answers_with_its_memory(host: Host) {
    let host = start(host.clone());
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/memory")]), Action::StopIteration as u32);
    let reply = stream.reply().unwrap();
    let text = String::from_utf8(reply.body).unwrap();
    assert_eq!(reply.status, 200);
    assert!(text.starts_with(r#"{"pages": "#) && text.ends_with(r#""shed": 0, "refused": 0}"#), "{text}");
}

#[sluicegate_host::test]
fn ranks_by_its_configuration_and_by_that_of_a_new_vm(host: Host) {
    for _ in 0..2 {
        let host = start(host.clone());
        assert!(host.logged(LogLevel::Info, "started with 2 tiers"));
        for (tier, rank) in [("gold", Some("0")), ("silver", Some("1")), ("lead", None)] {
            let stream = host.http_stream();
            assert_eq!(stream.request_headers(&[(":path", "/"), ("x-tier", tier)]), Action::Continue as u32);
            stream.response_headers(&[(":status", "200")]);
            assert_eq!(stream.response_header("x-rank").as_deref(), rank);
        }
    }
}

#[sluicegate_host::test]
fn tells_when_the_proxy_asks(host: Host) {
    let host = start(host.clone());
    host.call_function(1, "");
    assert!(host.log().iter().any(|line| line.text.ends_with(" 0 shed, 0 refused")), "{:?}", host.log());
}

/// The allocator of the tests shows nothing, and is not sampled. The test in Envoy sees both.
#[sluicegate_host::test]
fn tells_of_its_heap_and_of_what_lives(host: Host) {
    let host = start(host.clone());
    let report = host.ask(2, "heap_report").unwrap();
    assert!(report.starts_with(br#"{"walked":false,"#), "{}", String::from_utf8_lossy(&report));
    let profile = host.ask(3, "heap_profile").unwrap();
    assert!(profile.windows(11).any(|part| part == b"inuse_space"));
    for (path, kind) in
        [("/heap", "application/json"), ("/profile", "text/plain"), ("/profile.pb", "application/octet-stream")]
    {
        let stream = host.http_stream();
        assert_eq!(stream.request_headers(&[(":path", path)]), Action::StopIteration as u32);
        let reply = stream.reply().unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.headers.get(b"content-type"), Some(kind.as_bytes()));
    }
    host.tick();
    assert!(host.trapped().is_none());
}

#[sluicegate_host::test]
fn a_size_that_cannot_be_is_an_error_and_not_the_end(host: Host) {
    let host = start(host.clone());
    let stream = host.http_stream();
    // This is the largest number that fits a size. A compiled module has linear memory, and sizes
    // of 32 bits.
    let size = if host.pages() > 0 { u64::from(u32::MAX) } else { u64::MAX };
    stream.request_headers(&[(":path", "/"), ("x-keep", &size.to_string())]);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

#[sluicegate_host::test]
fn refuses_a_configuration_without_tiers(host: Host) {
    assert!(!host.plugin_configuration("{}").start().started());
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let host = host
        .plugin_configuration(r#"{"tiers": ["gold", "silver"], "memory": {"total": "16KiB", "metrics": true}}"#)
        .foreign_function("heap_report", |_| Ok(Vec::new()))
        .foreign_function("heap_profile", |_| Ok(Vec::new()));
    let first = sweep(&host, traffic);
    let asked = sweep(&host, |host| {
        for function in 1..=3 {
            host.call_function(function, "");
        }
        host.tick();
        // The last request is over the budget, and a metric counts that.
        let long = "x".repeat(20_000);
        [("/memory", ""), ("/", "silver"), ("/", &*long)].map(|(path, tier)| {
            let stream = host.http_stream();
            let actions = [
                stream.request_headers(&[(":path", path), ("x-tier", tier)]),
                stream.response_headers(&[(":status", "200")]),
            ];
            let status = stream.reply().map(|reply| reply.status);
            let seen = (actions, stream.response_header("x-rank"), status);
            stream.complete();
            seen
        })
    });
    // No part that was kept is resumed from another callback, and no part is dropped after one that
    // was kept.
    first.and(asked).assert_reaches_all_but(&[
        "proxy_continue_stream",
        "proxy_set_buffer_bytes",
        "proxy_set_effective_context",
    ]);
}
