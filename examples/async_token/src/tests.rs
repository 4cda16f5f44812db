use std::time::Duration;

use sluicegate::{Action, LogLevel};
use sluicegate_host::{Host, HttpStream, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const TOKEN: &str = r#"{"access_token": "abc", "expires_in": 60}"#;
const REQUEST: [(&str, &str); 2] = [(":path", "/"), ("authorization", "the client's")];

/// Opens a stream, and sends a request that waits for a token.
fn waiting(host: &RunningHost) -> HttpStream<'_> {
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&REQUEST), Action::Pause as u32);
    stream
}

/// Responds to the only call that waits.
fn answer(host: &RunningHost, status: &str, body: &str) {
    let calls = host.pending_calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    host.answer_call(calls[0].token, &[(":status", status)], body, &[]);
}

fn authorization(stream: &HttpStream<'_>) -> Option<String> {
    stream.request_header("authorization")
}

#[sluicegate_host::test]
fn fetches_a_token_and_keeps_it_until_it_expires(host: Host) {
    let host = host.start();
    let first = waiting(&host);
    answer(&host, "200", TOKEN);
    assert!(first.request_resumed());
    assert_eq!(authorization(&first).as_deref(), Some("Bearer abc"));
    assert!(host.logged(LogLevel::Info, "a token for 60 s"));
    let second = host.http_stream();
    assert_eq!(second.request_headers(&REQUEST), 0, "at once");
    assert_eq!(authorization(&second).as_deref(), Some("Bearer abc"));
    host.advance(Duration::from_secs(61));
    let third = waiting(&host);
    answer(&host, "200", &TOKEN.replace("abc", "def"));
    assert_eq!(authorization(&third).as_deref(), Some("Bearer def"));
}

#[sluicegate_host::test]
fn requests_that_come_together_wait_for_one_token(host: Host) {
    let host = host.start();
    let streams = [waiting(&host), waiting(&host), waiting(&host)];
    assert_eq!(host.tick_period(), None, "to wait costs nothing");
    answer(&host, "200", TOKEN);
    for stream in &streams {
        assert!(stream.request_resumed());
        assert_eq!(authorization(stream).as_deref(), Some("Bearer abc"));
    }
}

#[sluicegate_host::test]
fn a_request_that_goes_away_leaves_the_fetch_to_another(host: Host) {
    let host = host.start();
    let (first, second) = (waiting(&host), waiting(&host));
    first.complete();
    let gone = host.pending_calls()[0].token;
    host.answer_call(gone, &[(":status", "200")], TOKEN, &[]);
    answer(&host, "200", TOKEN);
    assert!(second.request_resumed());
}

#[sluicegate_host::test]
fn requests_that_wait_together_fail_together(host: Host) {
    let host = host.start();
    let streams = [waiting(&host), waiting(&host), waiting(&host)];
    answer(&host, "500", "");
    answer(&host, "500", "");
    for stream in &streams {
        assert_eq!(stream.reply().map(|reply| reply.status), Some(503));
    }
    let next = waiting(&host);
    answer(&host, "200", TOKEN);
    assert!(next.request_resumed());
}

#[sluicegate_host::test]
fn requests_that_go_away_one_after_another_leave_the_fetch_to_the_last(host: Host) {
    let host = host.start();
    let (mut streams, last) = ((0..20).map(|_| waiting(&host)).collect::<Vec<_>>(), waiting(&host));
    // Ends the request that fetches, and the requests that wait: in the order in which they came,
    // and in another order.
    for _ in 0..10 {
        streams.remove(0).complete();
        streams.pop().unwrap().complete();
    }
    let newest = host.pending_calls().into_iter().map(|call| call.token).max().unwrap();
    host.answer_call(newest, &[(":status", "200")], TOKEN, &[]);
    assert!(last.request_resumed());
    assert_eq!(authorization(&last).as_deref(), Some("Bearer abc"));
}

#[sluicegate_host::test]
fn asks_again_once(host: Host) {
    let host = host.start();
    let stream = waiting(&host);
    answer(&host, "500", "");
    answer(&host, "200", TOKEN);
    assert_eq!(authorization(&stream).as_deref(), Some("Bearer abc"));
}

#[sluicegate_host::test]
fn without_a_token_nothing_passes(host: Host) {
    for body in ["", "{}", r#"{"access_token": "abc"}"#, r#"{"access_token": 1, "expires_in": 1}"#] {
        let host = host.clone().start();
        let stream = waiting(&host);
        answer(&host, "200", body);
        host.fail_call(host.pending_calls()[0].token);
        assert_eq!(stream.reply().map(|reply| reply.status), Some(503), "{body}");
        assert!(host.pending_calls().is_empty());
    }
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    // This token is valid for this request only.
    let once = TOKEN.replace("60", "0");
    let answer_all = |host: &RunningHost, status: &str, body: &str| {
        for call in host.pending_calls() {
            host.answer_call(call.token, &[(":status", status)], body, &[]);
        }
    };
    let kept = sweep(&host, traffic);
    let two = sweep(&host, |host| {
        let streams = [host.http_stream(), host.http_stream()];
        let actions = streams.each_ref().map(|stream| stream.request_headers_with_body(&REQUEST));
        // The token is for both requests, because both waited for it.
        answer_all(host, "200", &once);
        // A request behind many others that were woken goes on at the next tick.
        host.tick();
        let seen = streams.each_ref().map(|stream| (stream.request_resumed(), authorization(stream)));
        // Parts that follow come to a filter that holds headers.
        let followed = streams
            .each_ref()
            .map(|stream| (stream.request_body("a body", false), stream.request_trailers(&[("a", "b")])));
        streams.into_iter().for_each(HttpStream::complete);
        (actions, seen, followed)
    });
    let none = sweep(&host, |host| {
        let stream = host.http_stream();
        let action = stream.request_headers(&REQUEST);
        answer_all(host, "500", "");
        host.pending_calls().iter().for_each(|call| host.fail_call(call.token));
        let seen = (action, stream.reply().map(|reply| reply.status));
        stream.complete();
        seen
    });
    // Tasks may make gRPC calls and sleep, too. No part of a body is dropped after one that was
    // kept.
    let others = [
        "proxy_set_buffer_bytes",
        "proxy_set_tick_period_milliseconds",
        "proxy_on_grpc_close",
        "proxy_on_grpc_receive",
        "proxy_on_grpc_receive_initial_metadata",
        "proxy_on_grpc_receive_trailing_metadata",
        "proxy_grpc_cancel",
        "proxy_grpc_close",
    ];
    kept.and(two).and(none).assert_reaches_all_but(&others);
}
