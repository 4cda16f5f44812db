//! The examples of what this SDK has beyond the others.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sluicegate_envoy::{Options, Proxy};
use sluicegate_workspace::Allocator;

use super::PATIENCE;
use super::sharing::wait_for_metrics;

const MAIN: u16 = 18000;

example!(header_batch, |proxy| {
    proxy.wait_for_log("4 rules for requests, 2 for responses", PATIENCE)?;
    let headers = [("x-user-id", "ann"), ("x-debug", "leak"), ("x-env", "test")];
    let response = proxy.request("GET", MAIN, "/", &headers, b"")?;
    assert_eq!((response.status, response.header("x-frame-options")), (200, Some("DENY")));
    assert_eq!(response.header("x-server"), Some("envoy"));
    let saw = response.header("x-upstream-saw").unwrap_or_default();
    assert!(saw.starts_with("user ann, ") && saw.ends_with(", env production, via sluicegate"), "{saw}");
    assert!(!saw.contains("leak"), "{saw}");
    Ok(())
});

example!(rate_limit, |proxy| {
    let send = |plan| proxy.request("GET", MAIN, "/", &[("x-plan", plan)], b"");
    let start = Instant::now();
    let mut passed = 0;
    let refused = loop {
        let response = send("free")?;
        if response.status != 200 {
            break response;
        }
        passed += 1;
    };
    // A slow machine lets some more gather.
    ensure!(passed >= 3 && passed <= 4 + start.elapsed().as_secs(), "{passed} passed");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    for _ in 0..100 {
        assert_eq!(send("paid")?.status, 200);
    }
    thread::sleep(Duration::from_secs(1));
    assert_eq!(send("free")?.status, 200);
    Ok(())
});

/// Four workers share the tokens of a plan.
#[test]
fn rate_limit_counts_over_all_workers() -> Result<()> {
    let options = Options { concurrency: 4, ..Options::default() };
    let proxy = Proxy::for_example_with("rate_limit", Some(Allocator::Talc), &options)?;
    let start = Instant::now();
    let send = |_| proxy.get(MAIN, "/").map(|response| usize::from(response.status == 200));
    let passed = thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..25).map(send).sum::<Result<usize>>())).collect();
        clients.into_iter().map(|client| client.join().expect("a client panicked")).sum::<Result<usize>>()
    })?;
    ensure!(passed >= 3 && passed as u64 <= 4 + start.elapsed().as_secs(), "{passed} passed");
    Ok(())
}

example!(request_timing, |proxy| {
    for _ in 0..3 {
        let response = proxy.get(MAIN, "/")?;
        assert_eq!(response.status, 200);
        assert!(response.header("x-response-header-bytes").is_some());
    }
    proxy.wait_for_log("proxy_on_request_headers took ", PATIENCE)?;
    wait_for_metrics(
        &proxy,
        "sluicegate",
        &[
            r#"sluicegate_calls{callback="request-headers"} 3"#,
            r#"sluicegate_hostcalls{callback="request-headers"} 6"#,
            r#"sluicegate_ns_count{callback="response-headers"} 3"#,
        ],
    )
});

example!(async_token, |proxy| {
    thread::scope(|scope| {
        let client = || -> Result<()> {
            let response = proxy.request("GET", MAIN, "/", &[("authorization", "mine")], b"")?;
            assert_eq!((response.status, response.header("x-upstream-saw")), (200, Some("Bearer t0ken")));
            Ok(())
        };
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(client)).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client panicked"))
    })?;
    proxy.wait_for_log("a token for 60 s", PATIENCE)?;
    assert_eq!(proxy.log().matches("a token for 60 s").count(), 1, "{}", proxy.log());
    Ok(())
});

example!(access_rules, |proxy| {
    proxy.wait_for_log("3 rules", PATIENCE)?;
    let status = |method: &str, path: &str, headers: &[(&str, &str)]| -> Result<u16> {
        Ok(proxy.request(method, MAIN, path, headers, b"")?.status)
    };
    assert_eq!((status("GET", "/", &[])?, status("GET", "/admin/users", &[])?), (200, 403), "{}", proxy.log());
    assert_eq!(status("DELETE", "/", &[("x-role", "owner")])?, 200);
    assert_eq!(status("DELETE", "/", &[("x-role", "guest")])?, 401);
    assert_eq!(proxy.stats()?.get("wasmcustom.sluicegate_errors"), None, "nothing has failed");
    // The rule has no value, and so nobody gets through.
    assert_eq!(status("DELETE", "/", &[])?, 503);
    assert_eq!(proxy.stats()?.get("wasmcustom.sluicegate_errors"), Some(&1));
    proxy.wait_for_log("): proxy_call_foreign_function (foreign function expr_evaluate)", PATIENCE)
});

example!(json_fields, |proxy| {
    let body = br#"{"user": {"id": "ann"}, "order": {"items": [{"sku": "b-7"}], "total": 12.50}}"#;
    let response = proxy.request("POST", MAIN, "/", &[("x-user", "a liar")], body)?;
    assert_eq!((response.status, response.header("x-upstream-saw")), (200, Some("ann b-7 12.50")));
    let response = proxy.request("POST", MAIN, "/", &[], br#"{"user": {"id": "ann"}}"#)?;
    assert_eq!((response.status, &*response.text()), (400, "a field is missing, or is no text or number\n"));
    let response = proxy.request("POST", MAIN, "/", &[], b"no JSON")?;
    assert_eq!((response.status, &*response.text()), (400, "not JSON\n"));
    let response = proxy.request("GET", MAIN, "/", &[("x-user", "a liar")], b"")?;
    let saw = response.header("x-upstream-saw").unwrap_or_default();
    assert!(response.status == 200 && !saw.contains("liar"), "{saw}");
    Ok(())
});

example!(grpc_unary, |proxy| {
    for _ in 0..3 {
        let response = proxy.get(MAIN, "/public")?;
        assert_eq!((response.status, &*response.text()), (200, "example body\n"), "{}", proxy.log());
        let response = proxy.get(MAIN, "/private/a")?;
        assert_eq!((response.status, &*response.text()), (403, "forbidden\n"));
    }
    proxy.wait_for_log("wasm log: allowed", PATIENCE)?;
    proxy.wait_for_log("wasm log: forbidden", PATIENCE)
});

example!(grpc_stream, |proxy| {
    // The second batch is a second stream.
    for batch in 1..=2 {
        for path in ["/a", "/b", "/c"] {
            let response = proxy.get(MAIN, path)?;
            assert_eq!((response.status, &*response.text()), (200, "example body\n"), "{}", proxy.log());
        }
        let acknowledged = "collector acknowledged 3 paths: stored";
        let start = Instant::now();
        while proxy.log().matches(acknowledged).count() < batch {
            ensure!(start.elapsed() < PATIENCE, "batch {batch} is not acknowledged:\n{}", proxy.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
    ensure!(!proxy.log().contains("stream closed with status"), "{}", proxy.log());
    Ok(())
});
