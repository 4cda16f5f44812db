//! The examples whose VMs leave something in the proxy: metrics, values, queues.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sluicegate_envoy::{Options, Proxy};
use sluicegate_workspace::Allocator;

use super::lines::{texts, wait_for_lines, wait_for_lines_of};
use super::{PATIENCE, names_its_allocator};

const MAIN: u16 = 18000;
const TCP: u16 = 18001;

/// Waits until Prometheus would read these lines of the metrics with a name like this: workers hand
/// their counts over every few seconds.
pub(super) fn wait_for_metrics(proxy: &Proxy, name: &str, lines: &[&str]) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = proxy.admin(&format!("/stats/prometheus?filter={name}"))?;
        if lines.iter().all(|wanted| text.lines().any(|line| line == *wanted)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not all of {lines:?} in:\n{text}");
        thread::sleep(Duration::from_millis(50));
    }
}

example!(metrics, |proxy| {
    for (value, count) in [("foo", 3), ("bar", 5), ("not_letters", 1)] {
        for _ in 0..count {
            let response = proxy.request("GET", MAIN, "/", &[("my-custom-header", value)], b"")?;
            assert_eq!((response.status, &*response.text()), (200, "example body\n"));
        }
    }
    assert_eq!(proxy.get(MAIN, "/")?.status, 200, "without the header");
    wait_for_metrics(
        &proxy,
        "custom_header",
        &[
            "# TYPE custom_header_value_counts counter",
            r#"custom_header_value_counts{value="foo",reporter="sluicegate"} 3"#,
            r#"custom_header_value_counts{value="bar",reporter="sluicegate"} 5"#,
            r#"custom_header_value_counts{value="other",reporter="sluicegate"} 1"#,
        ],
    )
});

/// However many values clients make up, the proxy keeps a bounded number of counters.
#[test]
fn metrics_are_bounded() -> Result<()> {
    let proxy = Proxy::for_example("metrics", Some(Allocator::Talc))?;
    for number in 0..100_u8 {
        let value = String::from_utf8(vec![b'a' + number / 26, b'a' + number % 26])?;
        assert_eq!(proxy.request("GET", MAIN, "/", &[("my-custom-header", &value)], b"")?.status, 200);
    }
    wait_for_metrics(
        &proxy,
        "custom_header",
        &[r#"custom_header_value_counts{value="other",reporter="sluicegate"} 36"#],
    )?;
    let counters = proxy.stats()?.keys().filter(|name| name.contains("custom_header_value_counts")).count();
    assert_eq!(counters, 65);
    Ok(())
}

// Of a plugin that is no filter: requests without a route are logged too, and what gRPC is
// answered with.
example!(access_log, |proxy, allocator| {
    names_its_allocator(&proxy, allocator)?;
    for _ in 0..2 {
        assert_eq!(proxy.get(MAIN, "/")?.status, 200);
    }
    assert_eq!(proxy.get(MAIN, "/nowhere")?.status, 404);
    let grpc = proxy.request("POST", MAIN, "/grpc", &[("content-type", "application/grpc")], b"")?;
    assert_eq!((grpc.status, grpc.header("grpc-status")), (200, Some("14")));
    for line in ["GET / 200", "GET /nowhere 404", "POST /grpc 200 grpc-status 14"] {
        proxy.wait_for_log(line, PATIENCE)?;
    }
    wait_for_metrics(
        &proxy,
        "access_log",
        &[
            "# TYPE access_log_requests counter",
            r#"access_log_requests{class="2xx"} 3"#,
            r#"access_log_requests{class="4xx"} 1"#,
            r#"access_log_requests{class="5xx"} 0"#,
        ],
    )
});

example!(shared_data, |proxy| {
    for count in 1..=10 {
        let response = proxy.get(MAIN, "/")?;
        assert_eq!((response.status, &*response.text()), (200, "example body\n"));
        let lines: Vec<_> =
            texts(&proxy, "info").into_iter().filter(|line| line.starts_with("shared value: ")).collect();
        assert_eq!(lines, (1..=count).map(|count| format!("shared value: {count}")).collect::<Vec<_>>());
    }
    assert_eq!(texts(&proxy, "warning"), [""; 0]);
    Ok(())
});

/// Four workers, and clients that ask at once: no count is lost.
#[test]
fn shared_data_counts_over_all_workers() -> Result<()> {
    let options = Options { concurrency: 4, ..Options::default() };
    let proxy = Proxy::for_example_with("shared_data", Some(Allocator::Talc), &options)?;
    thread::scope(|scope| {
        let client = || (0..50).try_for_each(|_| proxy.get(MAIN, "/").map(drop));
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client panicked"))
    })?;
    wait_for_lines(&proxy, "info", &["shared value: 200"])
}

example!(shared_queue, |proxy, allocator| {
    names_its_allocator(&proxy, allocator)?;
    let queues = ["http_request_headers", "http_response_headers", "tcp_data_hashes"];
    for (queue, id) in queues.iter().zip(1..) {
        let line = format!("receiver: queue \"{queue}\" registered as queueID={id} by contextID={id}");
        wait_for_lines_of(&proxy, &[line])?;
    }
    let configured = [(1, "http"), (2, "tcp")];
    let configured = configured.map(|(id, kind)| format!("sender: contextID={id} is configured for {kind}"));
    wait_for_lines_of(&proxy, &configured)?;

    let response = proxy.request("GET", MAIN, "/", &[("x-quoted", r#"a "b" \"#)], b"")?;
    assert_eq!((response.status, &*response.text()), (200, "example body\n"));
    assert_eq!(proxy.get(TCP, "/ready")?.text(), "LIVE\n");
    let lines = [
        r#"sender: enqueued data: {"key": ":method","value": "GET"}"#,
        r#"sender: enqueued data: {"key": "x-quoted","value": "a \"b\" \\"}"#,
        r#"sender: (contextID=3) enqueued data: {"key": ":status","value": "200"}"#,
        r#"receiver: (contextID=1) dequeued data from http_request_headers(queueID=1): {"key": ":method","value": "GET"}"#,
        r#"receiver: (contextID=2) dequeued data from http_response_headers(queueID=2): {"key": ":status","value": "200"}"#,
    ];
    wait_for_lines_of(&proxy, &lines)?;
    let hashed = "(contextID=3) dequeued data from tcp_data_hashes(queueID=3): ";
    proxy.wait_for_log(hashed, PATIENCE)?;
    let lines = texts(&proxy, "info");
    let hash = lines.iter().find_map(|line| line.strip_prefix(hashed)).expect("waited for it");
    assert!(hash.len() == 32 && hash.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{hash}");
    wait_for_lines_of(&proxy, &[format!("sender: (contextID=4) enqueued data: {hash}")])
});
