//! The examples that read and edit bodies.

use anyhow::Result;
use sluicegate_loadtest::{Allocator, Proxy};

use super::{PATIENCE, with_each_allocator};

const MAIN: u16 = 18000;
const ECHO: u16 = 38140;

#[test]
fn http_body() -> Result<()> {
    with_each_allocator(|allocator| {
        let proxy = Proxy::for_example("http_body", allocator)?;
        for side in ["request", "response"] {
            for (operation, edited) in [
                ("append", "[original body][this is appended body]"),
                ("prepend", "[this is prepended body][original body]"),
                ("replace", "[this is replaced body]"),
                ("invalid", "[this is replaced body]"),
            ] {
                let headers = [("buffer-replace-at", side), ("buffer-operation", operation)];
                let response = proxy.request("PUT", MAIN, "/anything", &headers, b"[original body]")?;
                assert_eq!((response.status, &*response.text()), (200, edited), "{side} {operation}");
            }
            proxy.wait_for_log(&format!("original {side} body: [original body]"), PATIENCE)?;
        }
        let response = proxy.get(MAIN, "/anything")?;
        assert_eq!((response.status, &*response.text()), (400, "content must be provided"));
        Ok(())
    })
}

/// The lengths that a client sees fit the bodies, whoever changed them.
#[test]
fn http_body_tells_no_wrong_length() -> Result<()> {
    let proxy = Proxy::for_example("http_body", Some(Allocator::Talc))?;
    let body = "x".repeat(200_000);
    for (side, length) in [("request", Some("200023")), ("response", None)] {
        let headers = [("buffer-replace-at", side), ("buffer-operation", "append")];
        let response = proxy.request("PUT", MAIN, "/anything", &headers, body.as_bytes())?;
        assert_eq!(response.header("content-length"), length, "{side}");
        assert_eq!(response.text(), format!("{body}[this is appended body]"), "{side}");
    }
    Ok(())
}

/// What the echo's route leads to is never asked.
#[test]
fn http_body_echoes_instead_of_the_upstream() -> Result<()> {
    let proxy = Proxy::for_example("http_body", Some(Allocator::Talc))?;
    for body in ["frame", &"frame".repeat(100_000)] {
        let response = proxy.request("PUT", ECHO, "/", &[], body.as_bytes())?;
        assert_eq!((response.status, &*response.text()), (200, body));
    }
    let response = proxy.get(ECHO, "/")?;
    assert_eq!((response.status, &*response.text()), (200, ""));
    Ok(())
}
