use sluicegate::abi::Import;
use sluicegate::{Action, LogLevel, Status};
use sluicegate_host::{Host, HttpStream, RunningHost, sweep, traffic};

use crate::fnv1a;

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const GRANTED: &str = r#"{"uuid": "7b10a67a-1c67-4199-835b-cbefcd4a63d4"}"#;
const FORBIDDEN: &str = r#"{"uuid": "aaaaaaaa-1c67-4199-835b-cbefcd4a63d4"}"#;

const REQUEST: [(&str, &str); 5] =
    [(":method", "POST"), (":path", "/uuid"), (":authority", "example.com"), ("content-length", "7"), ("key", "value")];

const ANSWER: [(&str, &str); 8] = [
    (":status", "200"),
    ("Date", "MM, DD YYYY 00:00:00 GMT"),
    ("Content-Type", "application/json"),
    ("content-length", "53"),
    ("Connection", "keep-alive"),
    ("server", "gunicorn/19.9.0"),
    ("Access-Control-Allow-Origin", "*"),
    ("access-control-allow-credentials", "true"),
];

/// Sends a request that waits for a response. Returns its stream, and the number of its call.
fn ask(host: &RunningHost) -> (HttpStream<'_>, u32) {
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&REQUEST), Action::Pause as u32);
    let token = host.pending_calls().last().unwrap().token;
    (stream, token)
}

#[sluicegate_host::test]
fn asks_with_the_headers_of_the_request(host: Host) {
    let host = host.start();
    ask(&host).0.complete();
    let calls = host.pending_calls();
    assert_eq!((calls.len(), &*calls[0].cluster, calls[0].timeout, calls[0].body.len()), (1, "httpbin", 50_000, 0));
    assert_eq!(calls[0].headers.get(b"key"), Some(&b"value"[..]));
    assert_eq!(calls[0].headers.get(b"content-length"), None, "the call has no body");
    assert_eq!(calls[0].headers.len(), REQUEST.len() - 1);
    assert!(host.logged(LogLevel::Info, "request header: key: value"));
    assert!(host.logged(LogLevel::Info, "http call dispatched to httpbin"));
}

#[sluicegate_host::test]
fn grants(host: Host) {
    assert_eq!(fnv1a(GRANTED.as_bytes()), 0x22ad_36f4);
    let host = host.start();
    let (stream, token) = ask(&host);
    assert!(!stream.request_resumed());
    host.answer_call(token, &ANSWER, GRANTED, &[]);
    assert!(stream.request_resumed());
    assert_eq!(stream.reply(), None);
    assert!(host.logged(LogLevel::Info, "response header from httpbin: :status: 200"));
    assert!(host.logged(LogLevel::Info, "response header from httpbin: server: gunicorn/19.9.0"));
    assert!(host.logged(LogLevel::Info, "access granted"));
}

#[sluicegate_host::test]
fn forbids(host: Host) {
    assert_eq!(fnv1a(FORBIDDEN.as_bytes()), 0xaaed_6197);
    let host = host.start();
    let (stream, token) = ask(&host);
    host.answer_call(token, &ANSWER, FORBIDDEN, &[]);
    assert!(!stream.request_resumed());
    let reply = stream.reply().unwrap();
    assert_eq!((reply.status, &*reply.body, reply.grpc_status), (403, &b"access forbidden"[..], -1));
    assert_eq!(reply.headers.to_text(), [("powered-by".into(), "sluicegate!!".into())]);
    assert!(host.logged(LogLevel::Info, "access forbidden"));
}

#[sluicegate_host::test]
fn lets_nothing_pass_that_it_could_not_ask_about(host: Host) {
    let host = host.start();
    let closed = |stream: &HttpStream<'_>| {
        assert!(!stream.request_resumed());
        assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    };
    let critical =
        |text: &str| host.log().iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(text));
    for (import, text) in [
        (Import::proxy_get_header_map_pairs, "failed to get request headers: "),
        (Import::proxy_http_call, "dispatch httpcall failed: "),
    ] {
        host.fail(import, Status::InternalFailure);
        let stream = host.http_stream();
        assert_eq!(stream.request_headers(&REQUEST), Action::StopIteration as u32);
        closed(&stream);
        assert!(critical(text), "{:?}", host.log());
        host.fail(import, Status::Ok);
    }

    let (stream, token) = ask(&host);
    host.fail_call(token);
    closed(&stream);
    let line = format!("on_http_call_response (context {}): no answer about this request", stream.id());
    assert!(host.logged(LogLevel::Error, &line), "{:?}", host.log());

    for (import, text) in [
        (Import::proxy_get_header_map_pairs, "failed to get response headers: "),
        (Import::proxy_get_buffer_bytes, "failed to get response body: "),
    ] {
        let (stream, token) = ask(&host);
        host.fail(import, Status::InternalFailure);
        host.answer_call(token, &ANSWER, GRANTED, &[]);
        closed(&stream);
        assert!(critical(text), "{:?}", host.log());
        host.fail(import, Status::Ok);
    }

    let (stream, token) = ask(&host);
    host.fail(Import::proxy_send_local_response, Status::InternalFailure);
    host.answer_call(token, &ANSWER, FORBIDDEN, &[]);
    assert!(!stream.request_resumed());
    let log = host.log();
    let text = "failed to send local response: ";
    assert!(log.iter().any(|line| line.level == LogLevel::Error && line.text.starts_with(text)), "{log:?}");
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let forbidden = sweep(&host, traffic);
    let granted = sweep(&host, |host| {
        let stream = host.http_stream();
        let action = stream.request_headers(&REQUEST);
        for call in host.pending_calls() {
            host.answer_call(call.token, &ANSWER, GRANTED, &[]);
        }
        let seen = (action, stream.request_resumed(), stream.reply());
        stream.complete();
        seen
    });
    // Parts that follow the headers come to a filter that holds them.
    let followed = sweep(&host, |host| {
        let stream = host.http_stream();
        let action = stream.request_headers_with_body(&REQUEST);
        for call in host.pending_calls() {
            host.answer_call(call.token, &ANSWER, GRANTED, &[]);
        }
        let seen = (action, stream.request_body("a body", false), stream.request_trailers(&[("a", "b")]));
        stream.complete();
        seen
    });
    // No part of a body is dropped after one that was kept.
    forbidden.and(granted).and(followed).assert_reaches_all_but(&["proxy_set_buffer_bytes"]);
}
