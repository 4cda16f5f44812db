//! The examples in which a plugin acts on its streams, or without any.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;
use sluicegate_envoy::Proxy;
use sluicegate_workspace::Allocator;

use super::lines::{texts, time_of, wait_for_lines};

const MAIN: u16 = 18000;

example!(postpone_requests, |proxy| {
    for _ in 0..2 {
        let response = proxy.get(MAIN, "/")?;
        assert_eq!((response.status, &*response.text()), (200, "example body\n"));
    }
    let lines: Vec<_> = texts(&proxy, "info").into_iter().filter(|line| line.contains(" request with ")).collect();
    let expected = [2, 3].map(|id| ["postpone", "resume"].map(|what| format!("{what} request with contextID={id}")));
    assert_eq!(lines, expected.concat());
    // The second request came right after a tick, and waited for the next: a timer may be late,
    // and is never early.
    let [first, second] = [2, 3].map(|id| time_of(&proxy, &format!("resume request with contextID={id}")));
    let period = second.zip(first).map(|(second, first)| second - first);
    assert!(period.is_some_and(|period| period >= Duration::from_millis(995)), "{period:?}");
    Ok(())
});

/// A client that hangs up before the tick is forgotten.
#[test]
fn postpone_requests_forgets_a_client_that_went_away() -> Result<()> {
    let proxy = Proxy::for_example("postpone_requests", Some(Allocator::Talc))?;
    assert_eq!(proxy.get(MAIN, "/")?.status, 200, "a tick has just passed");
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port(MAIN)))?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")?;
    wait_for_lines(&proxy, "info", &["postpone request with contextID=3"])?;
    drop(client);
    assert_eq!(proxy.get(MAIN, "/")?.status, 200);
    wait_for_lines(&proxy, "info", &["resume request with contextID=4"])?;
    let lines = texts(&proxy, "info");
    assert!(!lines.iter().any(|line| line == "resume request with contextID=3"), "{lines:?}");
    assert_eq!([texts(&proxy, "warning"), texts(&proxy, "error")].concat(), [""; 0]);
    Ok(())
}

example!(foreign_call_on_tick, |proxy| {
    wait_for_lines(&proxy, "info", &["set tick period milliseconds: 1"])?;
    let result = "789ccb48cdc9c95728cf2fca495104001e89047e";
    let line = |count| format!("foreign function (compress) called: {count}, result: {result}");
    wait_for_lines(&proxy, "info", &[1, 2, 3, 4, 5].map(line))?;
    let response = proxy.get(MAIN, "/")?;
    assert_eq!((response.status, &*response.text()), (200, "example body\n"), "requests pass");
    Ok(())
});
