//! The examples that read and edit bodies.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Result, ensure};
use sluicegate_envoy::Proxy;
use sluicegate_workspace::Allocator;

use super::PATIENCE;
use super::lines::{texts, wait_for_lines};

const MAIN: u16 = 18000;
const ECHO: u16 = 38140;

/// A connection of the test's own, for what a plain client does not send.
pub(super) fn connect(proxy: &Proxy) -> Result<TcpStream> {
    let client = TcpStream::connect(("127.0.0.1", proxy.port(MAIN)))?;
    client.set_read_timeout(Some(PATIENCE))?;
    Ok(client)
}

/// Reads the proxy's response up to this text. The proxy may reset the connection after that.
pub(super) fn read_until(client: &mut TcpStream, end: &str) -> Result<String> {
    let (mut answer, mut part) = (String::new(), [0; 1024]);
    while !answer.ends_with(end) {
        let size = client.read(&mut part)?;
        ensure!(size > 0, "the answer ends before `{end}`: {answer}");
        answer.push_str(&String::from_utf8_lossy(&part[..size]));
    }
    Ok(answer)
}

example!(http_body, |proxy| {
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
        wait_for_lines(&proxy, "info", &[format!("original {side} body: [original body]")])?;
    }
    let response = proxy.get(MAIN, "/anything")?;
    assert_eq!((response.status, &*response.text()), (400, "content must be provided"));
    Ok(())
});

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

/// The upstream of the echo's route never gets a body.
#[test]
fn http_body_echoes_instead_of_the_upstream() -> Result<()> {
    let proxy = Proxy::for_example("http_body", Some(Allocator::Talc))?;
    for body in ["frame", &"frame".repeat(100_000)] {
        let response = proxy.request("PUT", ECHO, "/", &[], body.as_bytes())?;
        assert_eq!((response.status, &*response.text()), (200, body));
    }
    Ok(())
}

/// A body without a byte, announced or not: no callback for a body comes, and the route's cluster
/// is not asked.
#[test]
fn http_body_echoes_nothing_for_nothing() -> Result<()> {
    let proxy = Proxy::for_example("http_body", Some(Allocator::Talc))?;
    for method in ["PUT", "GET"] {
        let response = proxy.request(method, ECHO, "/", &[], b"")?;
        assert_eq!((response.status, &*response.text()), (200, ""), "{method}");
    }
    for side in ["request", "response"] {
        let headers = [("content-length", "0"), ("buffer-replace-at", side), ("buffer-operation", "append")];
        let response = proxy.request("PUT", MAIN, "/", &headers, b"")?;
        assert_eq!((response.status, &*response.text()), (200, ""), "what does not come is not edited: {side}");
    }
    Ok(())
}

/// A body that is edited is kept until it is complete, so the proxy's limit is its limit.
#[test]
fn http_body_keeps_the_body_that_it_edits() -> Result<()> {
    let proxy = Proxy::for_example("http_body", Some(Allocator::Talc))?;
    let response =
        proxy.request("PUT", MAIN, "/", &[("buffer-replace-at", "request")], "x".repeat(3 << 20).as_bytes())?;
    assert_eq!(response.status, 413);
    Ok(())
}

example!(http_body_chunk, |proxy| {
    let response = proxy.request("POST", MAIN, "/", &[], b"nothing to see")?;
    assert_eq!((response.status, &*response.text()), (200, "example body\n"));
    wait_for_lines(&proxy, "info", &["pattern not found"])?;
    // The end comes with the only part, or after it.
    let called = |read, end| {
        format!("OnHttpRequestBody called. BodySize: 14, totalRequestBodyReadSize: {read}, endOfStream: {end}")
    };
    let (read, last) = ("read chunk size: 14".to_owned(), "pattern not found".to_owned());
    let together = vec![called(0, true), read.clone(), last.clone()];
    let apart = vec![called(0, false), read, called(14, true), last];
    let lines = texts(&proxy, "info");
    assert!(lines.ends_with(&together) || lines.ends_with(&apart), "{lines:?}");
    let response = proxy.request("POST", MAIN, "/", &[], b"a pattern to see")?;
    assert_eq!((response.status, &*response.text()), (403, "pattern found in chunk: 1"));
    assert_eq!(response.header("powered-by"), Some("sluicegate"));
    wait_for_lines(&proxy, "info", &["pattern found in chunk: 1", "local 403 response sent"])?;

    let mut body = vec![b'.'; 700_000];
    let response = proxy.request("POST", MAIN, "/", &[], &body)?;
    assert_eq!((response.status, &*response.text()), (200, "example body\n"));
    body.extend(b"pattern");
    let response = proxy.request("POST", MAIN, "/", &[], &body)?;
    // The proxy decides how many chunks there are. The response and the log agree about the
    // number.
    let chunk = response.text().strip_prefix("pattern found in chunk: ").and_then(|count| count.parse::<usize>().ok());
    assert!(response.status == 403 && chunk.is_some(), "{}", response.text());
    let lines = texts(&proxy, "info");
    let begin = lines.iter().rposition(|line| line.contains("totalRequestBodyReadSize: 0,")).unwrap_or_default();
    let sizes = lines[begin..].iter().filter_map(|line| line.strip_prefix("read chunk size: ")?.parse::<usize>().ok());
    let sizes: Vec<_> = sizes.collect();
    assert_eq!((Some(sizes.len()), sizes.iter().sum()), (chunk, body.len()), "{lines:?}");
    assert_eq!([texts(&proxy, "error"), texts(&proxy, "critical")].concat(), [""; 0]);
    Ok(())
});

/// The two halves go out far enough from each other that the proxy hands them over one by one.
#[test]
fn http_body_chunk_finds_a_pattern_that_two_chunks_share() -> Result<()> {
    let proxy = Proxy::for_example("http_body_chunk", Some(Allocator::Talc))?;
    let mut client = connect(&proxy)?;
    client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 13\r\n\r\n...pat")?;
    wait_for_lines(&proxy, "info", &["read chunk size: 6"])?;
    client.write_all(b"tern...")?;
    let answer = read_until(&mut client, "pattern found in chunk: 2")?;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    Ok(())
}

example!(json_validation, |proxy| {
    let (json, token) = ([("content-type", "application/json; charset=utf-8")], br#"{"id": 1, "token": "t"}"#);
    let response = proxy.request("POST", MAIN, "/", &json, token)?;
    assert_eq!((response.status, &*response.text()), (200, "hello from the server\n"));
    for body in ["invalid_payload", r#"{"id": 1}"#, &"[".repeat(500_000)] {
        let response = proxy.request("POST", MAIN, "/", &json, body.as_bytes())?;
        assert_eq!((response.status, &*response.text()), (403, "invalid payload"));
    }
    let lines = [r#"body is not a valid json: "invalid_payload""#, r#"required key (token) is missing: "{\"id\": 1}""#];
    wait_for_lines(&proxy, "error", &lines)?;

    let response = proxy.get(MAIN, "/")?;
    assert_eq!((response.status, &*response.text()), (403, "content-type must be provided"));
    let response = proxy.request("GET", MAIN, "/", &json, b"")?;
    assert_eq!((response.status, &*response.text()), (403, "invalid payload"), "no body is no JSON");
    wait_for_lines(&proxy, "error", &["a request without a body"])?;
    Ok(())
});

#[test]
fn json_validation_sees_a_body_that_trailers_end() -> Result<()> {
    let proxy = Proxy::for_example("json_validation", Some(Allocator::Talc))?;
    for (body, status) in [(r#"{"id": 1, "token": 2}"#, "200 OK"), (r#"{"id": 1}"#, "403 Forbidden")] {
        let mut client = connect(&proxy)?;
        let size = body.len();
        write!(
            client,
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
             {size:x}\r\n{body}\r\n0\r\nsum: 1\r\n\r\n"
        )?;
        let end = if status.starts_with("200") { "hello from the server\n" } else { "invalid payload" };
        let answer = read_until(&mut client, end)?;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
    Ok(())
}
