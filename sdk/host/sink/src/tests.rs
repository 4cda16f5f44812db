use std::collections::BTreeSet;

use sluicegate::abi::Import;
use sluicegate_host::{Host, RunningHost, sweep, sweep_allocations};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const REQUEST: [(&str, &str); 3] = [(":path", "/"), (":authority", "a"), ("user-agent", "curl")];

/// The results that a client sees: the actions, the request's headers and body, the reply's status,
/// and the data that went through the connection.
type Round = (Vec<u32>, Vec<(String, String)>, Vec<u8>, Option<u32>, (Vec<u8>, Vec<u8>));

fn scenario(host: &RunningHost) -> Round {
    host.call_function(crate::STREAMS, "arguments");
    let stream = host.http_stream();
    let mut actions = vec![stream.request_headers_with_body(&REQUEST)];
    for call in host.pending_calls() {
        host.answer_call(call.token, &[(":status", "200")], "yes", &[("t", "1")]);
    }
    host.tick();
    answer_grpc(host);
    host.deliver_queues();
    actions.push(stream.request_body("one ", false));
    actions.push(stream.request_body("two", true));
    actions.push(stream.request_trailers(&[("t", "1")]));
    actions.push(stream.response_headers(&[(":status", "404"), ("server", "envoy")]));
    actions.push(stream.response_body("reply", false));
    let headers = stream.request_map().to_text();
    let (body, reply) = (stream.sent_request_body(), stream.reply().map(|reply| reply.status));
    // This stream is over with its reply. It ends last: a context of its number that a fault makes
    // ends with it.
    let second = host.http_stream();
    actions.push(second.response_trailers(&[("t", "1")]));
    second.complete();
    stream.complete();
    let entry = host.access_log().request_headers(&REQUEST).response_headers(&[(":status", "200")]);
    entry.response_trailers(&[("grpc-status", "0")]).log();

    host.call_function(crate::CONNECTIONS, "arguments");
    let connection = host.tcp_connection();
    actions.extend([connection.opened(), connection.downstream_data("hello", false)]);
    answer_grpc(host);
    actions.extend([connection.downstream_data(", you", false), connection.upstream_data("world", true)]);
    let sent = (connection.sent_upstream(), connection.sent_downstream());
    connection.close_downstream();
    connection.close_upstream();
    connection.complete();
    (actions, headers, body, reply, sent)
}

fn answer_grpc(host: &RunningHost) {
    for grpc in host.open_grpc() {
        host.grpc_initial_metadata(grpc.token, &[("m", "1")]);
        host.grpc_message(grpc.token, "answer");
        host.grpc_trailing_metadata(grpc.token, &[("m", "2")]);
        host.grpc_close(grpc.token, 5, "not found");
    }
}

fn configured(host: Host) -> Host {
    host.plugin_configuration("configuration")
}

#[sluicegate_host::test]
fn serves_a_request_and_a_connection(host: Host) {
    let host = configured(host).start();
    assert!(host.started());
    let (actions, headers, body, reply, connection) = scenario(&host);
    assert_eq!(actions, [1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0], "{:?}", host.log());
    assert_eq!((&*body, reply), (&b"one two!"[..], Some(503)));
    assert!(headers.contains(&("x-replaced".into(), "2".into())), "{headers:?}");
    assert_eq!(connection, (b"hello, you".to_vec(), b"changed".to_vec()));
    // Within the question it is too early to say so.
    assert!(!host.finish() && host.calls(Import::proxy_done) == 1 && !host.plugin().ended());
}

/// Two requests that are held; the first one's call is answered, so that the next tick acts on it.
fn held(host: &RunningHost) -> [sluicegate_host::HttpStream<'_>; 2] {
    let streams = [host.http_stream(), host.http_stream()];
    for stream in &streams {
        assert_eq!(stream.request_headers(&REQUEST), 1);
    }
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "yes", &[("t", "1")]);
    streams
}

#[sluicegate_host::test]
fn a_tick_refuses_a_held_request(host: Host) {
    let host = configured(host).start();
    let [first, second] = held(&host);
    host.call_function(crate::REFUSE, "");
    host.tick();
    assert_eq!(first.reply().map(|reply| reply.status), Some(403), "{:?}", host.log());
    assert!(second.reply().is_none() && !second.reached_upstream());
}

#[sluicegate_host::test]
fn a_tick_edits_a_held_request_and_is_the_plugins_again(host: Host) {
    let host = configured(host).start();
    let [first, second] = held(&host);
    host.tick();
    assert!(first.reached_upstream() && !second.reached_upstream());
    assert_eq!([&first, &second].map(|stream| stream.request_header("x-tick")), [Some("1".into()), None]);
    assert_eq!(host.open_grpc()[0].context, host.plugin().id());
}

#[sluicegate_host::test]
fn an_entry_of_the_access_log_has_all_maps(host: Host) {
    let host = configured(host).start();
    let entry = host.access_log().request_headers(&REQUEST).response_headers(&[(":status", "200")]);
    assert!(entry.response_trailers(&[("grpc-status", "5")]).log());
    host.assert_logged(sluicegate::LogLevel::Info, "entry of 3 and 1 headers, Some(\"5\")");
}

#[sluicegate_host::test]
fn every_host_call_may_go_wrong_and_every_callback_may_come(host: Host) {
    let swept = sweep(&configured(host), scenario);
    // But those of ABI 0.1.0, which its own test sweeps.
    let older =
        ["proxy_get_configuration", "proxy_continue_request", "proxy_continue_response", "proxy_clear_route_cache"];
    let all: BTreeSet<_> = Import::ALL.iter().map(|import| import.name()).collect();
    assert_eq!(all.difference(&swept.functions()).copied().collect::<BTreeSet<_>>(), older.into_iter().collect());
    assert!(swept.faults > if cfg!(miri) { 8 } else { 1000 }, "{}", swept.faults);
    assert!(swept.callbacks > if cfg!(miri) { 100 } else { 5000 }, "{}", swept.callbacks);
    swept.assert_reaches_all();
}

#[test]
fn every_allocation_may_be_refused() {
    let allocations = sweep_allocations(&configured(Host::new(&crate::PLUGIN)), scenario);
    assert!(allocations > 30, "{allocations}");
}
