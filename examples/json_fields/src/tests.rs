use std::fmt::Write;

use sluicegate::abi::Import;
use sluicegate::{DataAction, Status};
use sluicegate_host::{Host, HttpStream, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const FIELDS: &str = r#"{"/user/id": "x-user", "/items/1/a~1b": "x-item"}"#;
const BODY: &str = r#"{"user": {"id": "ann\u0021"}, "items": [0, {"a/b": 1.50}]}"#;

/// Sends a request with a body.
fn send<'host>(host: &'host RunningHost, body: &str) -> (HttpStream<'host>, u32) {
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":path", "/"), ("x-user", "a liar")]);
    let (first, second) = body.as_bytes().split_at(body.len() / 2);
    assert_eq!(stream.request_body(first, false), DataAction::Pause as u32);
    let action = stream.request_body(second, true);
    (stream, action)
}

#[sluicegate_host::test]
fn fields_become_headers(host: Host) {
    let host = host.plugin_configuration(FIELDS).allow_on_headers_stop_iteration().start();
    let (stream, action) = send(&host, BODY);
    assert_eq!(action, 0);
    assert_eq!(stream.request_header("x-user").as_deref(), Some("ann!"));
    assert_eq!(stream.request_header("x-item").as_deref(), Some("1.50"), "as it stands in the text");
    assert_eq!(stream.sent_request_body(), BODY.as_bytes());
}

#[sluicegate_host::test]
fn a_name_that_comes_twice_has_its_last_value(host: Host) {
    let host = host.plugin_configuration(FIELDS).allow_on_headers_stop_iteration().start();
    let (stream, _) = send(&host, r#"{"user": {"id": "ann", "id": "bob"}, "items": [0, {"a/b": 1, "a/b": 2}]}"#);
    assert_eq!(stream.request_header("x-user").as_deref(), Some("bob"));
    assert_eq!(stream.request_header("x-item").as_deref(), Some("2"));
}

#[sluicegate_host::test]
fn a_body_that_trailers_end_is_read_too(host: Host) {
    let host = host.plugin_configuration(FIELDS).allow_on_headers_stop_iteration().start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":path", "/")]);
    stream.request_body(BODY, false);
    assert_eq!(stream.request_trailers(&[("t", "1")]), 0);
    assert_eq!(stream.request_header("x-user").as_deref(), Some("ann!"));
}

#[sluicegate_host::test]
fn what_a_client_sends_as_a_header_does_not_pass(host: Host) {
    let host = host.plugin_configuration(FIELDS).allow_on_headers_stop_iteration().start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/"), ("x-user", "a liar")]), 0);
    assert_eq!(stream.request_header("x-user"), None);
}

#[sluicegate_host::test]
fn a_body_without_the_fields_is_answered(host: Host) {
    let host = host.plugin_configuration(FIELDS).allow_on_headers_stop_iteration().start();
    let missing = "a field is missing, or is no text or number\n";
    for (body, problem) in [
        ("{", "not JSON\n"),
        ("[]", missing),
        (r#"{"user": {"id": "ann"}}"#, missing),
        (&BODY.replace("\\u0021", "\\r\\nx: y"), missing),
        (&BODY.replace("1.50", "{}"), missing),
    ] {
        let (stream, _) = send(&host, body);
        let reply = stream.reply().expect(body);
        assert_eq!((reply.status, &*reply.body), (400, problem.as_bytes()), "{body}");
        assert_eq!(stream.request_header("x-user"), None);
    }
}

/// The body is the one block that the proxy hands over, however many fields there are.
#[sluicegate_host::test]
fn fields_cost_no_reads(host: Host) {
    let blocks = |fields: usize| {
        let (mut configuration, mut body) = (String::from("{"), String::from("{"));
        for field in 0..fields {
            write!(configuration, "\"/f{field}\": \"x-{field}\", ").unwrap();
            write!(body, "\"f{field}\": \"value\", ").unwrap();
        }
        let close = |text: String| text.trim_end_matches(", ").to_owned() + "}";
        let host = host.clone().plugin_configuration(close(configuration)).allow_on_headers_stop_iteration().start();
        let before = host.cost().host_allocations;
        let (stream, action) = send(&host, &close(body));
        // The headers are the path, the client's `x-user`, and the fields.
        assert_eq!((action, stream.request_map().len()), (0, 2 + fields));
        host.cost().host_allocations - before
    };
    assert_eq!((blocks(1), blocks(40)), (1, 1));
}

#[sluicegate_host::test]
fn fails_closed(host: Host) {
    let host = host.plugin_configuration(FIELDS).allow_on_headers_stop_iteration().start();
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    let (stream, _) = send(&host, BODY);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

#[sluicegate_host::test]
fn refuses_what_is_no_list_of_fields(host: Host) {
    for configuration in ["", r#"{"user": "x-user"}"#, r#"{"/user": 1}"#, r#"{"/user": ""}"#, r#"{"/user": ":path"}"#] {
        assert!(!host.clone().plugin_configuration(configuration).start().started(), "{configuration}");
    }
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let fields = r#"{"/id": "x-id", "/name": "x-name"}"#;
    let host = host.plugin_configuration(fields).allow_on_headers_stop_iteration();
    let found = sweep(&host, traffic);
    // The body ends with its last part, and then with trailers.
    let missing = sweep(&host, |host| {
        [true, false].map(|ends| {
            let stream = host.http_stream();
            let headers = [(":path", "/"), ("x-id", "a liar")];
            let mut actions =
                vec![stream.request_headers_with_body(&headers), stream.request_body(r#"{"id": 1}"#, ends)];
            actions.extend((!ends).then(|| stream.request_trailers(&[("t", "1")])));
            let seen = (actions, stream.request_map(), stream.reply());
            stream.complete();
            seen
        })
    });
    // The field is so long that the edit cannot wait.
    let long = sweep(&host, |host| {
        let stream = host.http_stream();
        let body = format!(r#"{{"id": 1, "name": "{}"}}"#, "x".repeat(20_000));
        let actions = [stream.request_headers_with_body(&[(":path", "/")]), stream.request_body(body, true)];
        let seen = (actions, stream.request_map(), stream.reply());
        stream.complete();
        seen
    });
    // The failure policy is closed, so nothing is resumed after an error. Only a refused
    // configuration is logged. A body that is not edited is not measured.
    found.and(missing).and(long).assert_reaches_all_but(&[
        "proxy_continue_stream",
        "proxy_get_buffer_status",
        "proxy_get_log_level",
        "proxy_set_buffer_bytes",
    ]);
}
