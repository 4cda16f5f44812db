use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

#[sluicegate_host::test]
fn says_hello_and_asks_for_ticks(host: Host) {
    let host = host.start();
    assert!(host.started());
    assert!(host.logged(LogLevel::Info, "OnPluginStart from Rust!"));
    assert_eq!(host.tick_period(), Some(Duration::from_secs(1)));
}

#[sluicegate_host::test]
fn tells_the_time_and_a_random_number_with_each_tick(host: Host) {
    let host = host.start();
    host.clear_log();
    host.tick();
    host.tick();
    let lines: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!((&*lines[1], &*lines[3]), ("OnTick called", "OnTick called"));
    let parse = |line: &str| {
        let (now, random) = line.strip_prefix("It's ")?.split_once(": random value: ")?;
        Some((now.parse::<u128>().ok()?, random.parse::<u64>().ok()?))
    };
    let (first, second) = (parse(&lines[0]).unwrap(), parse(&lines[2]).unwrap());
    assert_eq!(second.0 - first.0, 1_000_000_000);
    assert_ne!(first.1, second.1);
}

#[sluicegate_host::test]
fn starts_without_ticks_if_the_host_refuses_them(host: Host) {
    let host = host.start();
    host.clear_log();
    host.fail(Import::proxy_set_tick_period_milliseconds, Status::BadArgument);
    assert!(host.start_plugin());
    let log = host.log();
    let failure = log.iter().find(|line| line.level == LogLevel::Critical).unwrap();
    assert!(failure.text.starts_with("failed to set tick period: "), "{}", failure.text);
}

#[sluicegate_host::test]
fn lets_requests_through_without_a_context(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/")]), 0);
    stream.complete();
    assert!(!host.log().iter().any(|line| line.level >= LogLevel::Warn), "{:?}", host.log());
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    sweep(&host, traffic).assert_reaches_all();
}
