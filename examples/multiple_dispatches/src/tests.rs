use sluicegate::abi::Import;
use sluicegate::{Action, LogLevel, Status};
use sluicegate_host::{Host, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

#[sluicegate_host::test]
fn waits_for_all_answers(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    assert_eq!(stream.response_headers(&[(":status", "200")]), Action::Pause as u32);
    let calls = host.pending_calls();
    assert_eq!(calls.len(), 10);
    for (call, left) in calls.iter().zip((0..10).rev()) {
        assert_eq!((&*call.cluster, call.timeout), ("httpbin", 50_000));
        assert_eq!(call.headers.get(b":authority"), Some(&b"httpbin"[..]));
        assert!(!stream.response_resumed());
        host.answer_call(call.token, &[(":status", "200")], "", &[]);
        assert_eq!(host.logged(LogLevel::Info, &format!("pending dispatched requests: {left}")), left > 0);
    }
    assert!(stream.response_resumed());
    assert_eq!(stream.response_header("total-dispatched").as_deref(), Some("10"));
    assert!(host.logged(LogLevel::Info, "response resumed after processed 10 dispatched request"));
}

#[sluicegate_host::test]
fn a_call_that_failed_is_done_too(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    stream.response_headers(&[(":status", "200")]);
    for call in host.pending_calls() {
        host.fail_call(call.token);
    }
    assert!(stream.response_resumed());
}

#[sluicegate_host::test]
fn streams_wait_for_their_own_calls(host: Host) {
    let host = host.start();
    let (first, second) = (host.http_stream(), host.http_stream());
    first.response_headers(&[(":status", "200")]);
    second.response_headers(&[(":status", "200")]);
    for call in host.pending_calls().split_off(10) {
        host.answer_call(call.token, &[(":status", "200")], "", &[]);
    }
    assert!(second.response_resumed() && !first.response_resumed());
}

#[sluicegate_host::test]
fn answers_with_500_if_a_call_cannot_be_dispatched(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_http_call, Status::BadArgument);
    let stream = host.http_stream();
    assert_eq!(stream.response_headers(&[(":status", "200")]), Action::StopIteration as u32);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let answered = sweep(&host, traffic);
    let failed = sweep(&host, |host| {
        let stream = host.http_stream();
        let action = stream.response_headers(&[(":status", "200")]);
        host.pending_calls().iter().for_each(|call| host.fail_call(call.token));
        let seen = (action, stream.response_resumed(), stream.response_map());
        stream.complete();
        seen
    });
    // No part of a body is dropped after one that was kept.
    answered.and(failed).assert_reaches_all_but(&["proxy_set_buffer_bytes"]);
}
