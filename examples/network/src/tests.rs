use sluicegate::abi::Import;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, PropertyValue, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const COUNTER: &str = "sluicegate.connection_counter";

fn pairs(key: &str, value: &str) -> PropertyValue {
    PropertyValue::Map(vec![(key.to_owned(), value.into())])
}

fn lines(host: &RunningHost) -> Vec<String> {
    host.log().into_iter().filter(|line| line.level == LogLevel::Info).map(|line| line.text).collect()
}

#[sluicegate_host::test]
fn logs_the_data_of_both_directions_and_lets_it_pass(host: Host) {
    let host = host.start();
    host.set_property(&["upstream", "address"], "127.0.0.1:8099");
    host.set_property(&["xds", "cluster_metadata", "filter_metadata", "location"], pairs("region", "ap-northeast-1"));
    let connection = host.tcp_connection();
    assert_eq!(connection.downstream_data("hello", false), 0);
    assert_eq!(connection.upstream_data("world", false), 0);
    assert_eq!(connection.downstream_data("", true), 0);
    assert_eq!(connection.upstream_data("", true), 0);
    assert_eq!((&*connection.sent_upstream(), &*connection.sent_downstream()), (&b"hello"[..], &b"world"[..]));
    assert_eq!(
        lines(&host),
        [
            "new connection!",
            ">>>>>> downstream data received >>>>>>\\nhello",
            "remote address: 127.0.0.1:8099",
            "upstream cluster metadata location[region]=ap-northeast-1",
            "<<<<<< upstream data received <<<<<<\\nworld",
        ]
    );
}

#[sluicegate_host::test]
fn finds_the_metadata_under_the_name_of_older_proxies(host: Host) {
    let host = host.start();
    host.set_property(&["cluster_metadata", "filter_metadata", "location"], pairs("az", "a"));
    host.tcp_connection().upstream_data("x", false);
    assert!(host.logged(LogLevel::Info, "upstream cluster metadata location[az]=a"));
}

#[sluicegate_host::test]
fn warns_of_what_the_proxy_does_not_have(host: Host) {
    let host = host.start();
    let connection = host.tcp_connection();
    connection.upstream_data("world", false);
    for line in
        ["failed to get upstream remote address: not found", "failed to get upstream location metadata: not found"]
    {
        assert!(host.logged(LogLevel::Warn, line), "{line}: {:?}", host.log());
    }
    assert_eq!(lines(&host), ["new connection!", "<<<<<< upstream data received <<<<<<\\nworld"]);
}

#[sluicegate_host::test]
fn counts_connections_when_they_are_complete(host: Host) {
    let host = host.start();
    for _ in 0..3 {
        let connection = host.tcp_connection();
        connection.close_downstream();
        connection.complete();
    }
    assert_eq!(host.counter(COUNTER), Some(3));
    let lines = lines(&host);
    assert_eq!(lines.iter().filter(|line| *line == "downstream connection close!").count(), 3);
    assert_eq!(lines.iter().filter(|line| *line == "connection complete!").count(), 3);
}

#[sluicegate_host::test]
fn passes_connections_that_it_cannot_count(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_define_metric, Status::InternalFailure);
    let connection = host.add_plugin("", "").tcp_connection();
    assert_eq!(connection.downstream_data("hello", false), 0);
    connection.complete();
    assert_eq!(host.calls(Import::proxy_increment_metric), 0);
    let log = host.log();
    let text = "failed to define the connection counter: ";
    assert!(log.iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(text)), "{log:?}");
    assert_eq!(lines(&host).last().map(|line| &**line), Some("connection complete!"));
}

#[sluicegate_host::test]
fn goes_on_when_the_host_refuses(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    host.fail(Import::proxy_get_property, Status::InternalFailure);
    host.fail(Import::proxy_increment_metric, Status::BadArgument);
    let connection = host.tcp_connection();
    assert_eq!(connection.downstream_data("hello", false), 0);
    assert_eq!(connection.upstream_data("world", false), 0);
    assert!(!connection.closed_downstream());
    connection.complete();
    let log = host.log();
    for start in [
        "failed to get downstream data: ",
        "failed to get upstream remote address: ",
        "failed to get upstream location metadata: ",
        "failed to get upstream data: ",
        "on_log (context 2): ",
    ] {
        assert!(log.iter().any(|line| line.text.starts_with(start)), "{start}: {log:?}");
    }
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let known = sweep(&host, |host| {
        host.set_property(&["upstream", "address"], "127.0.0.1:8099");
        host.set_property(&["cluster_metadata", "filter_metadata", "location"], pairs("region", "ap-northeast-1"));
        traffic(host)
    });
    // Nothing is paused, so nothing is resumed after an error.
    sweep(&host, traffic).and(known).assert_reaches_all_but(&["proxy_continue_stream"]);
}
