//! The examples that call other services.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::PATIENCE;
use super::lines::{texts, wait_for_lines};

const MAIN: u16 = 18000;

example!(http_auth_random, |proxy| {
    let (mut granted, mut forbidden) = (false, false);
    for _ in 0..64 {
        // The request has a body, the call for it has none.
        let response = proxy.request("POST", MAIN, "/uuid", &[("key", "value")], b"a body")?;
        match response.status {
            200 => granted = true,
            403 => {
                forbidden = true;
                assert_eq!(response.text(), "access forbidden");
                assert_eq!(response.header("powered-by"), Some("sluicegate!!"));
            }
            status => panic!("{status}: {}", response.text()),
        }
        if granted && forbidden {
            break;
        }
    }
    ensure!(granted && forbidden, "granted {granted}, forbidden {forbidden}");
    let lines = [
        "request header: key: value",
        "request header: :path: /uuid",
        "http call dispatched to httpbin",
        "response header from httpbin: :status: 200",
        "access granted",
        "access forbidden",
    ];
    wait_for_lines(&proxy, "info", &lines)
});

example!(dispatch_call_on_tick, |proxy| {
    let begin = Instant::now();
    wait_for_lines(&proxy, "info", &["set tick period milliseconds: 100"])?;
    let called = [1, 2].map(|plugin| [1, 2, 3, 4, 5].map(|count| format!("called {count} for contextID={plugin}")));
    wait_for_lines(&proxy, "info", &called.concat())?;
    // Ten ticks a second.
    ensure!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let status = |status| format!("response header for the dispatched call: :status: {status}");
    wait_for_lines(&proxy, "info", &[status(200), status(503)])?;
    let response = proxy.get(MAIN, "/")?;
    assert_eq!((response.status, &*response.text()), (200, "example body\n"), "requests pass");
    Ok(())
});

example!(multiple_dispatches, |proxy| {
    let response = proxy.get(MAIN, "/")?;
    assert_eq!((response.status, &*response.text()), (200, "example body\n"));
    assert_eq!(response.header("total-dispatched"), Some("10"));
    let pending = (1..10).rev().map(|left| format!("pending dispatched requests: {left}"));
    let resumed = "response resumed after processed 10 dispatched request".to_owned();
    let lines: Vec<_> = texts(&proxy, "info").into_iter().filter(|line| line.contains(" dispatched request")).collect();
    assert_eq!(lines, pending.chain([resumed]).collect::<Vec<_>>());
    Ok(())
});

example!(gather, |proxy| {
    for (port, gathered) in [(MAIN, "ann, 10"), (18001, "ann; 10")] {
        for _ in 0..5 {
            let response = proxy.get(port, "/")?;
            assert_eq!((response.status, response.header("x-gathered")), (200, Some(gathered)));
        }
        assert_eq!(proxy.get(port, "/busy")?.status, 502, "{port}");
    }
    proxy.wait_for_log("gave up after 2 tries", PATIENCE)?;
    assert!(!proxy.log().contains("sluicegate: no such"), "{}", proxy.log());
    Ok(())
});
