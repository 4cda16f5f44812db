use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::{Action, LogLevel, Status};
use sluicegate_host::{Host, HttpStream, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

fn postponed(host: &RunningHost) -> HttpStream<'_> {
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/")]), Action::Pause as u32);
    assert!(host.logged(LogLevel::Info, &format!("postpone request with contextID={}", stream.id())));
    assert!(!stream.request_resumed());
    stream
}

#[sluicegate_host::test]
fn resumes_each_request_once_with_the_next_tick(host: Host) {
    let host = host.start();
    assert_eq!(host.tick_period(), Some(Duration::from_secs(1)));
    let streams = [postponed(&host), postponed(&host)];
    host.tick();
    for stream in &streams {
        assert!(stream.request_resumed());
        assert!(host.logged(LogLevel::Info, &format!("resume request with contextID={}", stream.id())));
    }
    host.clear_log();
    let late = postponed(&host);
    host.tick();
    assert!(late.request_resumed());
    let resumed = host.log().iter().filter(|line| line.text.starts_with("resume")).count();
    assert_eq!(resumed, 1, "{:?}", host.log());
}

#[sluicegate_host::test]
fn resumes_in_the_order_of_arrival(host: Host) {
    let host = host.start();
    // The headers come in another order than that in which the streams were opened.
    let (first, second) = (host.http_stream(), host.http_stream());
    let third = host.http_stream();
    for stream in [&third, &first, &second] {
        stream.request_headers(&[(":path", "/")]);
    }
    host.clear_log();
    host.tick();
    let resumed: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    let expected = [&third, &first, &second].map(|stream| format!("resume request with contextID={}", stream.id()));
    assert_eq!(resumed, expected);
}

/// One callback lets at most 128 streams go on.
#[sluicegate_host::test]
fn resumes_more_requests_than_a_tick_can_a_moment_later(host: Host) {
    let host = host.start();
    let streams: Vec<_> = (0..300).map(|_| host.http_stream()).collect();
    for stream in &streams {
        stream.request_headers(&[(":path", "/")]);
    }
    let resumed = || streams.iter().filter(|stream| stream.request_resumed()).count();
    for (wanted, next) in [(128, 1), (256, 1), (300, 1000)] {
        host.tick();
        assert_eq!((resumed(), host.tick_period()), (wanted, Some(Duration::from_millis(next))));
    }
    assert!(!host.log().iter().any(|line| line.level >= LogLevel::Warn), "{:?}", host.log());
}

#[sluicegate_host::test]
fn forgets_a_stream_that_is_gone(host: Host) {
    let host = host.start();
    let (gone, waiting) = (postponed(&host), postponed(&host));
    let id = gone.id();
    gone.complete();
    host.tick();
    assert!(waiting.request_resumed());
    assert!(!host.logged(LogLevel::Info, &format!("resume request with contextID={id}")));
    assert!(!host.log().iter().any(|line| line.level >= LogLevel::Warn), "{:?}", host.log());
}

#[sluicegate_host::test]
fn goes_on_with_the_others_if_one_cannot_be_resumed(host: Host) {
    let host = host.start();
    let streams = [postponed(&host), postponed(&host)];
    host.fail(Import::proxy_continue_stream, Status::InternalFailure);
    host.tick();
    let warnings = host.log().into_iter().filter(|line| line.level == LogLevel::Warn).count();
    assert_eq!(warnings, streams.len());
}

#[sluicegate_host::test]
fn refuses_to_start_without_ticks(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_set_tick_period_milliseconds, Status::BadArgument);
    assert!(!host.start_plugin());
    let log = host.log();
    assert!(log.iter().any(|line| line.text.starts_with("failed to set tick period: ")), "{log:?}");
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    // No callback fails, so no failure is counted and no reply is sent. No part of a body is
    // dropped after one that was kept.
    let unused =
        ["proxy_define_metric", "proxy_increment_metric", "proxy_send_local_response", "proxy_set_buffer_bytes"];
    sweep(&host, traffic).assert_reaches_all_but(&unused);
}
