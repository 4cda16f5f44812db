use sluicegate::abi::Import;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

use crate::{RECEIVER, fnv1a};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

/// Starts a sender of this kind. Returns its proxy, and the receiver's three queues.
fn start(host: Host, kind: &str) -> (RunningHost, [u32; 3]) {
    let host = host.plugin_configuration(kind).start();
    let queues = ["http_request_headers", "http_response_headers", "tcp_data_hashes"];
    let queues = queues.map(|name| host.register_queue(RECEIVER, name));
    (host, queues)
}

fn items(host: &RunningHost, queue: u32) -> Vec<String> {
    std::iter::from_fn(|| Some(String::from_utf8(host.dequeue(queue)?).unwrap())).collect()
}

fn critical(host: &RunningHost, start: &str) -> bool {
    host.log().iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(start))
}

#[sluicegate_host::test]
fn sends_the_headers_of_requests_and_responses(host: Host) {
    let (host, [requests, responses, hashes]) = start(host, "http");
    assert!(host.logged(LogLevel::Info, "contextID=1 is configured for http"));
    let stream = host.http_stream();
    let id = stream.id();
    assert_eq!(stream.request_headers(&[(":method", "GET"), ("a", "b")]), 0);
    assert_eq!(stream.response_headers(&[(":status", "200")]), 0);
    stream.complete();
    assert_eq!(items(&host, requests), [r#"{"key": ":method","value": "GET"}"#, r#"{"key": "a","value": "b"}"#]);
    assert_eq!(items(&host, responses), [r#"{"key": ":status","value": "200"}"#]);
    assert_eq!(items(&host, hashes).len(), 0);
    assert!(host.logged(LogLevel::Info, r#"enqueued data: {"key": ":method","value": "GET"}"#));
    let line = format!(r#"(contextID={id}) enqueued data: {{"key": ":status","value": "200"}}"#);
    assert!(host.logged(LogLevel::Info, &line), "{:?}", host.log());
}

#[sluicegate_host::test]
fn a_message_is_json_whatever_the_header_is(host: Host) {
    let (host, [requests, ..]) = start(host, "http");
    let stream = host.http_stream();
    stream.request_headers(&[(&b"quote"[..], &b"\"}, \\ \t"[..]), (b"bytes", b"\xff")]);
    assert_eq!(
        items(&host, requests),
        [r#"{"key": "quote","value": "\"}, \\ \t"}"#, "{\"key\": \"bytes\",\"value\": \"\u{fffd}\"}"]
    );
}

#[sluicegate_host::test]
fn sends_the_hash_of_what_the_upstream_sends(host: Host) {
    assert_eq!(fnv1a(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    assert_eq!(fnv1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    let (host, [.., hashes]) = start(host, "tcp");
    let connection = host.tcp_connection();
    let id = connection.id();
    assert_eq!(connection.downstream_data("from the client", false), 0);
    assert_eq!(connection.upstream_data("a", false), 0);
    assert_eq!(connection.upstream_data("", true), 0);
    assert_eq!((&*connection.sent_upstream(), &*connection.sent_downstream()), (&b"from the client"[..], &b"a"[..]));
    connection.complete();
    assert_eq!(items(&host, hashes), ["d228cb696f1a8caf78912b704e4a8964"]);
    let line = format!("(contextID={id}) enqueued data: d228cb696f1a8caf78912b704e4a8964");
    assert!(host.logged(LogLevel::Info, &line), "{:?}", host.log());
}

#[sluicegate_host::test]
fn lets_requests_pass_without_a_receiver(host: Host) {
    let host = host.plugin_configuration("http").start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":method", "GET")]), 0);
    assert!(critical(&host, "error resolving queue id: "), "{:?}", host.log());
    let queue = host.register_queue(RECEIVER, "http_response_headers");
    stream.response_headers(&[(":status", "200")]);
    assert_eq!(items(&host, queue).len(), 1, "a receiver may start later");
}

#[sluicegate_host::test]
fn lets_pass_what_it_cannot_send(host: Host) {
    for (import, texts) in [
        (Import::proxy_resolve_shared_queue, ["error resolving queue id: "; 2]),
        (Import::proxy_enqueue_shared_queue, ["error queueing: "; 2]),
        (Import::proxy_get_header_map_pairs, ["error getting request headers: ", "error getting response headers: "]),
    ] {
        let (host, _) = start(host.clone(), "http");
        host.fail(import, Status::InternalFailure);
        let stream = host.http_stream();
        assert_eq!(stream.request_headers(&[(":method", "GET")]), 0);
        assert!(critical(&host, texts[0]), "{:?}", host.log());
        host.clear_log();
        assert_eq!(stream.response_headers(&[(":status", "200")]), 0);
        assert!(critical(&host, texts[1]), "{:?}", host.log());
        assert_eq!(stream.reply(), None);
    }
    let (host, _) = start(host, "tcp");
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    assert_eq!(host.tcp_connection().upstream_data("a", false), 0);
    assert!(critical(&host, "failed to get upstream data: "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn refuses_to_start_if_it_cannot_read_its_configuration(host: Host) {
    let (host, _) = start(host, "http");
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    assert!(!host.start_plugin());
    assert!(critical(&host, "failed to get plugin config: "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let [http, tcp] = ["http", "tcp"].map(|kind| {
        sweep(&host.clone().plugin_configuration(kind), |host| {
            for queue in ["http_request_headers", "http_response_headers", "tcp_data_hashes"] {
                host.register_queue(RECEIVER, queue);
            }
            traffic(host)
        })
    });
    // Nothing is paused, so nothing is resumed after an error.
    http.and(tcp).assert_reaches_all_but(&["proxy_continue_stream"]);
}
