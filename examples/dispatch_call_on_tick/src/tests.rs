use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

#[sluicegate_host::test]
fn calls_with_each_tick(host: Host) {
    let host = host.start();
    assert_eq!(host.tick_period(), Some(Duration::from_millis(100)));
    assert!(host.logged(LogLevel::Info, "set tick period milliseconds: 100"));
    for ticks in 1..10 {
        host.tick();
        assert_eq!(host.pending_calls().len(), ticks);
    }
    for call in host.pending_calls() {
        assert_eq!((&*call.cluster, call.timeout, call.body.len()), ("web_service", 5000, 0));
        assert_eq!(call.headers.get(b":authority"), Some(&b"some_authority"[..]));
        assert!(matches!(call.headers.get(b":path"), Some(b"/ok" | b"/fail")), "{:?}", call.headers);
    }
}

#[sluicegate_host::test]
fn logs_the_answers_in_whatever_order(host: Host) {
    let host = host.start();
    for _ in 1..10 {
        host.tick();
    }
    for (call, count) in host.pending_calls().iter().rev().zip(1..) {
        host.answer_call(call.token, &[(":status", "200")], "", &[("sum", "1")]);
        assert!(host.logged(LogLevel::Info, &format!("called {count} for contextID=1")));
    }
    assert!(host.logged(LogLevel::Info, "response header for the dispatched call: :status: 200"));
    assert!(host.logged(LogLevel::Info, "response trailer for the dispatched call: sum: 1"));
}

#[sluicegate_host::test]
fn a_failed_call_counts_as_an_answer(host: Host) {
    let host = host.start();
    host.tick();
    host.fail_call(host.pending_calls()[0].token);
    let log = host.log();
    assert!(
        log.iter().any(|line| line.level == LogLevel::Warn && line.text.starts_with("the dispatched call failed: ")),
        "{log:?}"
    );
    assert!(host.logged(LogLevel::Info, "called 1 for contextID=1"), "{log:?}");
}

#[sluicegate_host::test]
fn says_what_the_host_refuses(host: Host) {
    let host = host.start();
    let critical =
        |text: &str| host.log().iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(text));
    host.fail(Import::proxy_http_call, Status::BadArgument);
    host.tick();
    assert!(critical("dispatch httpcall failed: "), "{:?}", host.log());
    host.fail(Import::proxy_set_tick_period_milliseconds, Status::BadArgument);
    assert!(!host.start_plugin());
    assert!(critical("failed to set tick period: "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let answered = sweep(&host, traffic);
    let failed = sweep(&host, |host| {
        host.tick();
        host.pending_calls().iter().for_each(|call| host.fail_call(call.token));
    });
    answered.and(failed).assert_reaches_all();
}
