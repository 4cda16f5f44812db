use sluicegate::{Action, LogLevel};
use sluicegate_host::{Host, HttpStream, RunningHost, sweep, traffic};

use crate::message::{allowed, question};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

/// Sends a request. Returns the stream, and the number of the request's call.
fn ask<'host>(host: &'host RunningHost, path: &str) -> (HttpStream<'host>, u32) {
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", path)]), Action::Pause as u32);
    let token = host.open_grpc().last().expect("a call").token;
    (stream, token)
}

#[sluicegate_host::test]
fn asks_with_the_path(host: Host) {
    let host = host.start();
    let (_stream, _) = ask(&host, "/a");
    let call = &host.open_grpc()[0];
    assert_eq!((&*call.cluster, &*call.service, &*call.method), ("auth", "auth.v1.Auth", "Check"));
    assert_eq!(call.sent, [b"\x0a\x02/a"]);
    assert_eq!(call.timeout, Some(1000));
}

#[sluicegate_host::test]
fn what_is_allowed_goes_on(host: Host) {
    let host = host.start();
    let (stream, token) = ask(&host, "/");
    host.grpc_message(token, [8, 1]);
    assert!(stream.request_resumed());
    assert_eq!(stream.reply(), None);
    assert!(host.logged(LogLevel::Info, "allowed"));
}

#[sluicegate_host::test]
fn everything_else_does_not(host: Host) {
    let host = host.start();
    for answer in [&[8, 0][..], &[], &[8], &[16, 1]] {
        let (stream, token) = ask(&host, "/");
        host.grpc_message(token, answer);
        assert_eq!(stream.reply().map(|reply| reply.status), Some(403), "{answer:?}");
        assert!(!stream.request_resumed());
    }
    let (stream, token) = ask(&host, "/");
    host.grpc_close(token, 14, "no such host");
    assert_eq!(stream.reply().map(|reply| reply.status), Some(503));
    assert!(host.logged(LogLevel::Warn, "no answer: gRPC status 14, no such host"), "{:?}", host.log());
}

#[test]
fn a_length_of_two_bytes_is_written() {
    let message = question(&"x".repeat(300));
    assert_eq!((&message[..4], message.len()), (&b"\x0a\xac\x02x"[..], 303));
    assert_eq!(question(""), b"\x0a\x00");
}

#[test]
fn unknown_fields_are_skipped_and_broken_messages_refused() {
    for message in [
        &b"\x08\x01"[..],
        b"\x12\x02ab\x08\x01",
        b"\x08\x01\x10\xff\x01",
        b"\x15abcd\x11abcdefgh\x08\x01",
        b"\x08\x00\x08\x01",
    ] {
        assert!(allowed(message), "{message:?}");
    }
    for message in [&b""[..], b"\x08\x01\x08\x00", b"\x08\x01\x12\x05ab", b"\x08\x01\xff", b"\x08\x01\x13", &[0xff; 12]]
    {
        assert!(!allowed(message), "{message:?}");
    }
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let answered = |answer: fn(&RunningHost, u32)| {
        sweep(&host, move |host| {
            let stream = host.http_stream();
            let action = stream.request_headers(&[(":path", "/")]);
            host.open_grpc().iter().for_each(|call| answer(host, call.token));
            let seen = (action, stream.request_resumed(), stream.reply().map(|reply| reply.status));
            stream.complete();
            seen
        })
    };
    let allowed = answered(|host, token| host.grpc_message(token, [8, 1]));
    let closed = answered(|host, token| host.grpc_close(token, 14, "no such host"));
    // Parts that follow the headers come to a filter that holds them.
    let followed = sweep(&host, |host| {
        let stream = host.http_stream();
        let action = stream.request_headers_with_body(&[(":path", "/")]);
        host.open_grpc().iter().for_each(|call| host.grpc_message(call.token, [8, 1]));
        let seen = (action, stream.request_body("a body", false), stream.request_trailers(&[("a", "b")]));
        stream.complete();
        seen
    });
    // Only streams of messages are closed, no stream is deleted before its call has ended, and no
    // part of a body is dropped after one that was kept.
    sweep(&host, traffic).and(allowed).and(closed).and(followed).assert_reaches_all_but(&[
        "proxy_grpc_cancel",
        "proxy_grpc_close",
        "proxy_set_buffer_bytes",
    ]);
}
