//! The examples that call other services.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sluicegate_loadtest::Proxy;

use super::{PATIENCE, with_each_allocator};

const MAIN: u16 = 18000;

#[test]
fn http_auth_random() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("http_auth_random", allocator)?;
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
        for line in [
            "request header: key: value",
            "request header: :path: /uuid",
            "http call dispatched to httpbin",
            "response header from httpbin: :status: 200",
            "access granted",
            "access forbidden",
        ] {
            proxy.wait_for_log(line, PATIENCE)?;
        }
        Ok(())
    })
}

#[test]
fn dispatch_call_on_tick() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("dispatch_call_on_tick", allocator)?;
        proxy.wait_for_log("set tick period milliseconds: 100", PATIENCE)?;
        // Ten ticks a second: five answers to each plugin are there within five seconds, together.
        let deadline = Instant::now() + Duration::from_secs(5);
        for plugin in [1, 2] {
            for count in 1..=5 {
                let left = deadline.saturating_duration_since(Instant::now());
                proxy.wait_for_log(&format!("called {count} for contextID={plugin}"), left)?;
            }
        }
        proxy.wait_for_log("response header for the dispatched call: :status: 200", PATIENCE)?;
        proxy.wait_for_log("response header for the dispatched call: :status: 503", PATIENCE)?;
        let response = proxy.get(MAIN, "/")?;
        assert_eq!((response.status, &*response.text()), (200, "example body\n"), "requests pass");
        Ok(())
    })
}

#[test]
fn multiple_dispatches() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("multiple_dispatches", allocator)?;
        let response = proxy.get(MAIN, "/")?;
        assert_eq!((response.status, &*response.text()), (200, "example body\n"));
        assert_eq!(response.header("total-dispatched"), Some("10"));
        for left in 1..10 {
            proxy.wait_for_log(&format!("wasm log: pending dispatched requests: {left}"), PATIENCE)?;
        }
        proxy.wait_for_log("response resumed after processed 10 dispatched request", PATIENCE)
    })
}

#[test]
fn gather() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("gather", allocator)?;
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
    })
}
