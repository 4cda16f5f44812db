use sluicegate::abi::Import;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

#[sluicegate_host::test]
fn shows_both_configurations(host: Host) {
    let host = host.vm_configuration("vm text").plugin_configuration(b"plugin \xff".to_vec()).start();
    assert!(host.started());
    assert!(host.logged(LogLevel::Info, "vm config: vm text"));
    assert!(host.logged(LogLevel::Info, "plugin config: plugin \u{fffd}"));
}

#[sluicegate_host::test]
fn shows_nothing_for_nothing(host: Host) {
    let host = host.start();
    assert!(host.started());
    assert!(host.logged(LogLevel::Info, "vm config: "));
    assert!(host.logged(LogLevel::Info, "plugin config: "));
}

#[sluicegate_host::test]
fn starts_even_if_it_cannot_read_them(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    assert!(host.start_vm() && host.start_plugin());
    for text in ["error reading vm configuration: ", "error reading plugin configuration: "] {
        let log = host.log();
        assert!(log.iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(text)), "{log:?}");
    }
}

#[sluicegate_host::test]
fn lets_requests_pass(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/")]), 0);
    assert_eq!(stream.response_headers(&[(":status", "200")]), 0);
    assert_eq!(stream.reply(), None);
    stream.complete();
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let host = host.vm_configuration("vm text").plugin_configuration("plugin text");
    // No callback fails with an error that would be counted.
    sweep(&host, traffic).assert_reaches_all_but(&["proxy_define_metric", "proxy_increment_metric"]);
}
