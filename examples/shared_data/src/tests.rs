use sluicegate::abi::Import;
use sluicegate::{Action, LogLevel, Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

use crate::KEY;

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

fn send(host: &RunningHost) {
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/")]), Action::Continue as u32);
    stream.complete();
}

fn warned(host: &RunningHost, start: &str) -> bool {
    host.log().iter().any(|line| line.level == LogLevel::Warn && line.text.starts_with(start))
}

#[sluicegate_host::test]
fn counts_requests(host: Host) {
    let host = host.start();
    assert_eq!(host.shared_data(KEY).as_deref(), Some(&b""[..]), "the start makes the key");
    send(&host);
    assert!(host.logged(LogLevel::Info, "shared value: 1"));
    send(&host);
    send(&host);
    assert!(host.logged(LogLevel::Info, "shared value: 3"));
    assert_eq!(host.shared_data(KEY).unwrap(), 3_u64.to_le_bytes());
}

#[sluicegate_host::test]
fn goes_on_where_another_vm_is(host: Host) {
    let host = host.start();
    host.set_shared_data(KEY, 41_u64.to_le_bytes());
    send(&host);
    assert!(host.logged(LogLevel::Info, "shared value: 42"));
}

#[sluicegate_host::test]
fn a_vm_that_starts_later_takes_nothing_away(host: Host) {
    let host = host.start();
    send(&host);
    assert!(host.start_vm());
    send(&host);
    assert!(host.logged(LogLevel::Info, "shared value: 2"));
}

#[sluicegate_host::test]
fn what_is_no_number_counts_from_the_start(host: Host) {
    for value in [&b""[..], b"1234567", b"123456789"] {
        let host = host.clone().start();
        host.set_shared_data(KEY, value);
        send(&host);
        assert!(host.logged(LogLevel::Info, "shared value: 1"), "{value:?}");
    }
}

#[sluicegate_host::test]
fn gives_up_after_sixteen_tries(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_set_shared_data, Status::CasMismatch);
    let before = host.calls(Import::proxy_set_shared_data);
    send(&host);
    assert_eq!(host.calls(Import::proxy_set_shared_data) - before, 16);
    assert!(warned(&host, "error setting shared data on OnHttpRequestHeaders: "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn says_what_the_host_refuses_and_lets_requests_pass(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_get_shared_data, Status::InternalFailure);
    send(&host);
    assert!(warned(&host, "error getting shared data on OnHttpRequestHeaders: "), "{:?}", host.log());
    host.fail(Import::proxy_get_shared_data, Status::Ok);

    for status in [Status::InternalFailure, Status::CasMismatch] {
        host.clear_log();
        host.fail(Import::proxy_set_shared_data, status);
        send(&host);
        assert!(warned(&host, "error setting shared data on OnHttpRequestHeaders: "), "{:?}", host.log());
    }
    assert!(host.start_vm());
    assert!(warned(&host, "error setting shared data on OnVMStart: "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    // No callback fails, so no reply is sent and no failure is counted.
    let of_errors = ["proxy_define_metric", "proxy_increment_metric", "proxy_send_local_response"];
    sweep(&host, traffic).assert_reaches_all_but(&of_errors);
}
