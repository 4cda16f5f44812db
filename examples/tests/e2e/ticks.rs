//! The examples in which a plugin acts on its streams, or without any.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Result;
use sluicegate_loadtest::{Allocator, Proxy};

use super::{PATIENCE, with_each_allocator};

const MAIN: u16 = 18000;

#[test]
fn postpone_requests() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("postpone_requests", allocator)?;
        for id in [2, 3] {
            let start = Instant::now();
            let response = proxy.get(MAIN, "/")?;
            assert_eq!((response.status, &*response.text()), (200, "example body\n"));
            // The period is a second, and the second request comes right after a tick. A busy machine makes a tick late, so only the least wait is
            // held here; the test on the simulated host, which has a clock of its own, holds the period.
            assert!(id == 2 || start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
            proxy.wait_for_log(&format!("postpone request with contextID={id}"), PATIENCE)?;
            proxy.wait_for_log(&format!("resume request with contextID={id}"), PATIENCE)?;
        }
        Ok(())
    })
}

/// A client that hangs up before the tick is forgotten.
#[test]
fn postpone_requests_forgets_a_client_that_went_away() -> Result<()> {
    let proxy = Proxy::for_example("postpone_requests", Some(Allocator::Talc))?;
    assert_eq!(proxy.get(MAIN, "/")?.status, 200, "a tick has just passed");
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port(MAIN)))?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")?;
    proxy.wait_for_log("postpone request with contextID=3", PATIENCE)?;
    drop(client);
    assert_eq!(proxy.get(MAIN, "/")?.status, 200);
    proxy.wait_for_log("resume request with contextID=4", PATIENCE)?;
    let log = proxy.log();
    assert!(!log.contains("resume request with contextID=3"), "{log}");
    assert!(!log.contains("failed to resume"), "{log}");
    Ok(())
}

#[test]
fn foreign_call_on_tick() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("foreign_call_on_tick", allocator)?;
        proxy.wait_for_log("set tick period milliseconds: 1", PATIENCE)?;
        for count in 1..=5 {
            let result = "789ccb48cdc9c95728cf2fca495104001e89047e";
            let line = format!("foreign function (compress) called: {count}, result: {result}");
            proxy.wait_for_log(&line, PATIENCE)?;
        }
        let response = proxy.get(MAIN, "/")?;
        assert_eq!((response.status, &*response.text()), (200, "example body\n"), "requests pass");
        Ok(())
    })
}
