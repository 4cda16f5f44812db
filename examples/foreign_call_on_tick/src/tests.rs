use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

fn critical(host: &RunningHost, start: &str) -> bool {
    host.log().iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(start))
}

#[sluicegate_host::test]
fn calls_with_each_tick(host: Host) {
    let host = host.start();
    assert_eq!(host.tick_period(), Some(Duration::from_millis(1)));
    assert!(host.logged(LogLevel::Info, "set tick period milliseconds: 1"));
    host.add_foreign_function("compress", |bytes| Ok(bytes.to_vec()));
    for calls in 1..10 {
        host.tick();
        let line = format!("foreign function (compress) called: {calls}, result: 68656c6c6f20776f726c6421");
        assert!(host.logged(LogLevel::Info, &line), "{:?}", host.log());
    }
}

#[sluicegate_host::test]
fn goes_on_after_a_call_that_failed(host: Host) {
    let host = host.start();
    host.add_foreign_function("compress", |_| Err(Status::SerializationFailure));
    host.tick();
    assert!(critical(&host, "foreign function (compress) failed: "), "{:?}", host.log());
    host.add_foreign_function("compress", |_| Ok(vec![0, 10, 255]));
    host.tick();
    assert!(host.logged(LogLevel::Info, "foreign function (compress) called: 2, result: 000aff"));
}

#[sluicegate_host::test]
fn refuses_to_start_without_ticks(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_set_tick_period_milliseconds, Status::BadArgument);
    assert!(!host.start_plugin());
    assert!(critical(&host, "failed to set tick period: "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn lets_requests_pass(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/")]), 0);
    stream.complete();
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    // No callback fails with an error that would be counted.
    sweep(&host, traffic).assert_reaches_all_but(&["proxy_define_metric", "proxy_increment_metric"]);
}
