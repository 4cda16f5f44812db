use sluicegate::abi::Import;
use sluicegate::{Action, LogLevel, Status};
use sluicegate_host::{Host, Running};

use crate::{KEY, PLUGIN};

fn send(host: &Running) {
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/")]), Action::Continue as u32);
    stream.complete();
}

fn warned(host: &Running, start: &str) -> bool {
    host.log().iter().any(|line| line.level == LogLevel::Warn && line.text.starts_with(start))
}

#[test]
fn counts_requests() {
    let host = Host::new(&PLUGIN).start();
    assert_eq!(host.shared_data(KEY).as_deref(), Some(&b""[..]), "the start makes the key");
    send(&host);
    assert!(host.logged(LogLevel::Info, "shared value: 1"));
    send(&host);
    send(&host);
    assert!(host.logged(LogLevel::Info, "shared value: 3"));
    assert_eq!(host.shared_data(KEY).unwrap(), 3_u64.to_le_bytes());
}

#[test]
fn goes_on_where_another_vm_is() {
    let host = Host::new(&PLUGIN).start();
    host.set_shared_data(KEY, 41_u64.to_le_bytes());
    send(&host);
    assert!(host.logged(LogLevel::Info, "shared value: 42"));
}

#[test]
fn a_vm_that_starts_later_takes_nothing_away() {
    let host = Host::new(&PLUGIN).start();
    send(&host);
    assert!(host.start_vm());
    send(&host);
    assert!(host.logged(LogLevel::Info, "shared value: 2"));
}

#[test]
fn what_is_no_number_counts_from_the_start() {
    for value in [&b""[..], b"1234567", b"123456789"] {
        let host = Host::new(&PLUGIN).start();
        host.set_shared_data(KEY, value);
        send(&host);
        assert!(host.logged(LogLevel::Info, "shared value: 1"), "{value:?}");
    }
}

#[test]
fn says_what_the_host_refuses_and_lets_requests_pass() {
    let host = Host::new(&PLUGIN).start();
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
