//! Bodies that end otherwise than by a last part, and proxies that hold headers otherwise: the same
//! filters, whose examples say nothing of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use sluicegate_envoy::proxy::example;
use sluicegate_envoy::{Config, Envoy, Options, Proxy};
use sluicegate_workspace::Allocator;

use super::PATIENCE;
use super::bodies::{connect, read_until};

const MAIN: u16 = 18000;
const ECHO: u16 = 38140;

/// An example in a proxy whose configuration is changed.
fn start(name: &str, change: impl Fn(Config) -> Config) -> Result<Proxy> {
    let config = change(example(name, Some(Allocator::Talc))?);
    Proxy::start(&Envoy::provision()?, &config, &Options::default())
}

fn insert(key: &str, value: Value) -> impl Fn(&mut Map<String, Value>) + '_ {
    move |object| drop(object.insert(key.to_owned(), value.clone()))
}

/// Trailers of HTTP/1.1 come to filters, and clients may ask for WebSocket.
fn with_trailers_and_upgrades(config: Config) -> Config {
    let config = config.with_each("http_filters", insert("http_protocol_options", json!({ "enable_trailers": true })));
    config.with_each("http_filters", insert("upgrade_configs", json!([{ "upgrade_type": "websocket" }])))
}

/// The setting that lets a filter see a body whose headers it holds, set both ways.
fn with_headers_alone(allowed: bool) -> impl Fn(Config) -> Config {
    move |config| config.with_each("vm_config", insert("allow_on_headers_stop_iteration", json!(allowed)))
}

#[test]
fn json_validation_judges_a_body_that_trailers_of_http1_end() -> Result<()> {
    let proxy = start("json_validation", with_trailers_and_upgrades)?;
    for (body, answer) in [(r#"{"id": 1, "token": 2}"#, "hello from the server\n"), (r#"{"id": 1}"#, "invalid payload")]
    {
        for part in [body.len(), 3] {
            let mut client = connect(&proxy)?;
            client.write_all(
                b"POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
            )?;
            for part in body.as_bytes().chunks(part) {
                write!(client, "{:x}\r\n{}\r\n", part.len(), str::from_utf8(part)?)?;
            }
            client.write_all(b"0\r\nsum: 1\r\n\r\n")?;
            read_until(&mut client, answer)?;
        }
    }
    Ok(())
}

#[test]
fn json_validation_judges_a_body_that_trailers_of_http2_end() -> Result<()> {
    let proxy = start("json_validation", |config| config)?;
    for (body, answer) in [(r#"{"id": 1, "token": 2}"#, "hello from the server\n"), (r#"{"id": 1}"#, "invalid payload")]
    {
        for trailers in [false, true] {
            assert_eq!(http2(&proxy, body, trailers)?, answer, "{trailers}");
        }
    }
    Ok(())
}

/// Refused at once, with nothing that hangs on either side.
#[test]
fn json_validation_refuses_another_protocol() -> Result<()> {
    let proxy = start("json_validation", with_trailers_and_upgrades)?;
    let mut client = connect(&proxy)?;
    client.write_all(
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    )?;
    let answer = read_until(&mut client, "\r\n\r\n")?;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    Ok(())
}

/// Headers of another proxy's configuration: the setting that the examples do not make, made and
/// not.
#[test]
fn http_body_works_whether_headers_can_be_held_alone() -> Result<()> {
    for allowed in [false, true] {
        let proxy = start("http_body", with_headers_alone(allowed))?;
        for side in ["request", "response"] {
            let headers = [("buffer-replace-at", side), ("buffer-operation", "append")];
            let response = proxy.request("PUT", MAIN, "/anything", &headers, b"[original body]")?;
            assert_eq!(response.text(), "[original body][this is appended body]", "{allowed} {side}");
        }
        let response = proxy.request("PUT", ECHO, "/", &[], b"an echo")?;
        assert_eq!((response.status, &*response.text()), (200, "an echo"), "{allowed}");
        ensure!(!proxy.log().contains("nothing pends"), "{}", proxy.log());
    }
    Ok(())
}

#[test]
fn http_body_chunk_works_whether_headers_can_be_held_alone() -> Result<()> {
    for allowed in [false, true] {
        let proxy = start("http_body_chunk", with_headers_alone(allowed))?;
        for (body, status) in [("nothing to see", 200), ("a pattern to see", 403)] {
            assert_eq!(proxy.request("POST", MAIN, "/", &[], body.as_bytes())?.status, status, "{allowed}");
        }
    }
    Ok(())
}

#[test]
fn json_validation_works_whether_headers_can_be_held_alone() -> Result<()> {
    for allowed in [false, true] {
        let proxy = start("json_validation", with_headers_alone(allowed))?;
        for (body, status) in [(r#"{"id": 1, "token": 2}"#, 200), (r#"{"id": 1}"#, 403)] {
            let json = [("content-type", "application/json")];
            assert_eq!(proxy.request("POST", MAIN, "/", &json, body.as_bytes())?.status, status, "{allowed}");
        }
    }
    Ok(())
}

#[test]
fn upload_budget_works_whether_headers_can_be_held_alone() -> Result<()> {
    for allowed in [false, true] {
        let proxy = start("upload_budget", with_headers_alone(allowed))?;
        let response = proxy.request("POST", MAIN, "/", &[], b"upload")?;
        assert_eq!((response.status, response.header("x-seen")), (200, Some("no")), "{allowed}");
    }
    Ok(())
}

/// A body over the proxy's limit never comes to the filter.
#[test]
fn json_validation_never_sees_a_body_over_the_limit() -> Result<()> {
    let proxy = start("json_validation", |config| config)?;
    let json = [("content-type", "application/json")];
    let response = proxy.request("POST", MAIN, "/", &json, &b"[".repeat(3 << 20))?;
    assert_eq!(response.status, 413);
    ensure!(!proxy.log().contains("body is not a valid json"), "{}", proxy.log());
    Ok(())
}

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const SETTINGS: u8 = 4;
pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// Posts JSON over HTTP/2 with prior knowledge, and gives the body of the answer.
fn http2(proxy: &Proxy, body: &str, trailers: bool) -> Result<String> {
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port(MAIN)))?;
    client.set_read_timeout(Some(PATIENCE))?;
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
        ("content-type", "application/json"),
    ];
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    client.write_all(&frame(SETTINGS, 0, 0, b""))?;
    client.write_all(&frame(HEADERS, END_HEADERS, 1, &fields(&head)))?;
    client.write_all(&frame(DATA, if trailers { 0 } else { END_STREAM }, 1, body.as_bytes()))?;
    if trailers {
        client.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&[("sum", "1")])))?;
    }
    let mut answer = Vec::new();
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head)?;
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        client.read_exact(&mut payload)?;
        match kind {
            SETTINGS if flags & ACK == 0 => client.write_all(&frame(SETTINGS, ACK, 0, b""))?,
            DATA => answer.extend(payload),
            _ => {}
        }
        if [DATA, HEADERS].contains(&kind) && flags & END_STREAM != 0 {
            return Ok(String::from_utf8(answer)?);
        }
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Header fields as literals that nobody keeps.
pub(super) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}
