use sluicegate::abi::Import;
use sluicegate::{Action, LogLevel, Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

use crate::MOST_VALUES;

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

fn send(host: &RunningHost, value: impl AsRef<[u8]>) {
    let stream = host.http_stream();
    let action = stream.request_headers(&[(":path", b"/".as_slice()), ("my-custom-header", value.as_ref())]);
    assert_eq!(action, Action::Continue as u32);
    stream.complete();
}

fn count(host: &RunningHost, value: &str) -> Option<u64> {
    host.counter(&format!("custom_header_value_counts_value={value}_reporter=sluicegate"))
}

#[sluicegate_host::test]
fn counts_the_values_of_the_header(host: Host) {
    let host = host.start();
    for value in ["foo", "bar", "foo", "foo"] {
        send(&host, value);
    }
    assert_eq!((count(&host, "foo"), count(&host, "bar")), (Some(3), Some(1)));
    assert_eq!(host.calls(Import::proxy_define_metric), 2, "a counter is defined once");
}

#[sluicegate_host::test]
fn a_request_without_the_header_counts_nothing(host: Host) {
    let host = host.start();
    assert_eq!(host.http_stream().request_headers(&[(":path", "/")]), Action::Continue as u32);
    assert_eq!(host.calls(Import::proxy_define_metric), 0);
}

#[sluicegate_host::test]
fn what_is_no_tag_counts_as_other(host: Host) {
    let host = host.start();
    let long = "x".repeat(33);
    for value in [&b""[..], b"foo_bar", b"a1", b"a=b", b"\xff", long.as_bytes()] {
        send(&host, value);
    }
    assert_eq!((count(&host, "other"), host.calls(Import::proxy_define_metric)), (Some(6), 1));
}

/// A client that makes up values increases neither the proxy's memory nor the filter's.
#[sluicegate_host::test]
fn values_beyond_the_most_count_as_other(host: Host) {
    let host = host.start();
    let name = |number: usize| [b'a' + (number / 26) as u8, b'a' + (number % 26) as u8];
    for round in 1..=2 {
        for number in 0..MOST_VALUES + 100 {
            send(&host, name(number));
        }
        assert_eq!(count(&host, "aa"), Some(round));
        assert_eq!(count(&host, "other"), Some(100 * round));
    }
    assert_eq!(host.calls(Import::proxy_define_metric), MOST_VALUES + 1);
}

#[sluicegate_host::test]
fn lets_requests_pass_that_it_cannot_count(host: Host) {
    let host = host.start();
    for import in [Import::proxy_get_header_map_value, Import::proxy_define_metric, Import::proxy_increment_metric] {
        host.clear_log();
        host.fail(import, Status::InternalFailure);
        send(&host, "foo");
        assert_eq!(host.log().iter().filter(|line| line.level == LogLevel::Error).count(), 1, "{:?}", host.log());
        host.fail(import, Status::Ok);
    }
    send(&host, "foo");
    assert_eq!(count(&host, "foo"), Some(1));
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let counted = sweep(&host, |host| {
        ["foo", "no tag"].map(|value| {
            let stream = host.http_stream();
            let action = stream.request_headers(&[(":path", "/"), ("my-custom-header", value)]);
            stream.complete();
            action
        })
    });
    // Nothing is logged. Nothing is paused, so nothing is resumed after an error.
    sweep(&host, traffic).and(counted).assert_reaches_all_but(&["proxy_continue_stream", "proxy_get_log_level"]);
}
