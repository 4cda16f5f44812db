use sluicegate::abi::Import;
use sluicegate::{Action, DataAction, LogLevel, Status};
use sluicegate_host::{Host, HttpStream, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const CONTINUE: u32 = DataAction::Continue as u32;
const PAUSE: u32 = DataAction::Pause as u32;

/// The operations, each with its result for `original`. An unknown operation replaces.
const OPERATIONS: [(&str, &str); 4] = [
    ("append", "original[this is appended body]"),
    ("prepend", "[this is prepended body]original"),
    ("replace", "[this is replaced body]"),
    ("invalid", "[this is replaced body]"),
];

fn stream<'host>(host: &'host RunningHost, side: &str, operation: &str) -> HttpStream<'host> {
    let stream = host.http_stream();
    let headers = [("content-length", "10"), ("buffer-replace-at", side), ("buffer-operation", operation)];
    assert_eq!(stream.request_headers(&headers), Action::Continue as u32);
    stream
}

#[sluicegate_host::test]
fn demands_content(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":method", "GET")]), Action::Pause as u32);
    let reply = stream.reply().unwrap();
    assert_eq!((reply.status, &*reply.body, reply.headers.len()), (400, &b"content must be provided"[..], 0));
}

#[sluicegate_host::test]
fn removes_the_length_of_a_body_that_it_edits(host: Host) {
    let host = host.start();
    let stream = stream(&host, "request", "append");
    assert_eq!(stream.request_header("content-length"), None);
    assert_eq!(stream.request_header("buffer-operation").as_deref(), Some("append"));
    stream.response_headers(&[("content-length", "10")]);
    assert_eq!(stream.response_header("content-length").as_deref(), Some("10"));

    let stream = self::stream(&host, "response", "append");
    stream.response_headers(&[("content-length", "10")]);
    assert_eq!(stream.response_header("content-length"), None);
}

#[sluicegate_host::test]
fn edits_a_request_body_once_it_is_complete(host: Host) {
    let host = host.start();
    for (operation, edited) in OPERATIONS {
        host.clear_log();
        let stream = stream(&host, "request", operation);
        assert_eq!(stream.request_body("orig", false), PAUSE);
        assert_eq!(stream.request_body("inal", true), CONTINUE);
        assert_eq!(String::from_utf8(stream.sent_request_body()).unwrap(), edited);
        assert!(host.logged(LogLevel::Info, "original request body: original"));
        stream.response_headers(&[(":status", "200"), ("content-length", "8")]);
        assert_eq!(stream.response_body("original", true), CONTINUE);
        assert_eq!(stream.sent_response_body(), b"original");
    }
}

#[sluicegate_host::test]
fn edits_a_response_body_once_it_is_complete(host: Host) {
    let host = host.start();
    for (operation, edited) in OPERATIONS {
        host.clear_log();
        let stream = stream(&host, "response", operation);
        assert_eq!(stream.request_body("original", true), CONTINUE);
        assert_eq!(stream.sent_request_body(), b"original");
        stream.response_headers(&[(":status", "200"), ("content-length", "8")]);
        assert_eq!(stream.response_body("original", false), PAUSE);
        assert_eq!(stream.response_body("", true), CONTINUE);
        assert_eq!(String::from_utf8(stream.sent_response_body()).unwrap(), edited);
        assert!(host.logged(LogLevel::Info, "original response body: original"));
    }
}

/// The body may be of any size.
#[sluicegate_host::test]
fn lets_the_body_that_it_does_not_edit_pass_in_parts(host: Host) {
    let host = host.buffer_limit(8).start();
    let stream = stream(&host, "response", "append");
    for part in ["a part", " and a part"] {
        assert_eq!(stream.request_body(part, false), CONTINUE);
    }
    assert_eq!(stream.sent_request_body(), b"a part and a part");
    assert_eq!(stream.request_trailers(&[("a", "b")]), CONTINUE);
    stream.response_headers(&[(":status", "200")]);
    assert_eq!(stream.response_body("a part", false), PAUSE);

    let stream = self::stream(&host, "request", "append");
    assert_eq!(stream.request_body("a part", false), PAUSE);
    stream.response_headers(&[(":status", "200")]);
    for part in ["a part", " and a part"] {
        assert_eq!(stream.response_body(part, false), CONTINUE);
    }
    assert_eq!(stream.response_body("", true), CONTINUE);
    assert_eq!((stream.sent_response_body(), stream.reply()), (b"a part and a part".to_vec(), None));
}

#[sluicegate_host::test]
fn edits_a_body_that_trailers_end(host: Host) {
    let host = host.start();
    for (operation, edited) in OPERATIONS {
        let stream = stream(&host, "request", operation);
        assert_eq!(stream.request_body("original", false), PAUSE);
        assert_eq!(stream.request_trailers(&[("a", "b")]), CONTINUE);
        assert_eq!(String::from_utf8(stream.sent_request_body()).unwrap(), edited);

        let stream = self::stream(&host, "response", operation);
        stream.response_headers(&[(":status", "200")]);
        assert_eq!(stream.response_body("original", false), PAUSE);
        assert_eq!(stream.response_trailers(&[("grpc-status", "0")]), CONTINUE);
        assert_eq!(String::from_utf8(stream.sent_response_body()).unwrap(), edited);
    }
}

#[sluicegate_host::test]
fn lets_a_body_pass_that_it_cannot_edit(host: Host) {
    let host = host.start();
    let failed =
        |text: &str| host.log().iter().any(|line| line.level == LogLevel::Error && line.text.starts_with(text));
    host.fail(Import::proxy_set_buffer_bytes, Status::BadArgument);
    for (operation, _) in &OPERATIONS[..3] {
        let stream = stream(&host, "request", operation);
        assert_eq!(stream.request_body("original", true), CONTINUE);
        assert_eq!(stream.sent_request_body(), b"original");
        assert!(failed(&format!("failed to {operation} request body: ")), "{:?}", host.log());
    }
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    assert_eq!(stream(&host, "request", "append").request_body("original", true), CONTINUE);
    assert!(failed("failed to get request body: "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn starts_without_a_readable_configuration(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    assert!(host.start_plugin());
    let log = host.log();
    assert!(log.iter().any(|line| line.text.starts_with("error reading plugin configuration: ")), "{log:?}");
}

#[sluicegate_host::test]
fn echoes_the_whole_body(host: Host) {
    let host = host.plugin_configuration("echo").start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers_with_body(&[(":method", "PUT")]), Action::Continue as u32);
    for part in ["frame1...", "frame2...", "frame3..."] {
        assert_eq!(stream.request_body(part, false), PAUSE);
        assert_eq!(stream.reply(), None);
    }
    stream.request_body("", true);
    let reply = stream.reply().unwrap();
    assert_eq!((reply.status, &*reply.body, reply.headers.len()), (200, &b"frame1...frame2...frame3..."[..], 0));
    assert!(stream.sent_request_body().is_empty());
}

#[sluicegate_host::test]
fn echoes_a_body_that_trailers_end(host: Host) {
    let host = host.plugin_configuration("echo").start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "PUT")]);
    assert_eq!(stream.request_body("frame1...", false), PAUSE);
    stream.request_trailers(&[("a", "b")]);
    let reply = stream.reply().unwrap();
    assert_eq!((reply.status, &*reply.body), (200, &b"frame1..."[..]));
    assert!(stream.sent_request_body().is_empty());
}

#[sluicegate_host::test]
fn echoes_nothing_for_nothing(host: Host) {
    let host = host.plugin_configuration("echo").start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":method", "GET")]), Action::Pause as u32);
    let reply = stream.reply().unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 0));
}

#[sluicegate_host::test]
fn refuses_another_protocol(host: Host) {
    for configuration in ["body-set", "echo"] {
        let host = host.clone().plugin_configuration(configuration).start();
        let stream = host.http_stream();
        let headers = [(":method", "GET"), ("content-length", "8"), ("upgrade", "websocket")];
        assert_eq!(stream.request_headers_with_body(&headers), Action::StopIteration as u32);
        assert_eq!(stream.reply().map(|reply| reply.status), Some(403), "{configuration}");
    }
}

#[sluicegate_host::test]
fn fails_closed_where_a_length_would_be_wrong(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_remove_header_map_value, Status::InternalFailure);
    let stream = host.http_stream();
    assert_eq!(stream.request_headers_with_body(&[("content-length", "8")]), Action::StopIteration as u32);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let edits = |edits: &[(&'static str, &'static str)]| {
        let edits = edits.to_vec();
        sweep(&host, move |host| {
            edits
                .iter()
                .map(|(side, operation)| {
                    let stream = host.http_stream();
                    let headers =
                        [("content-length", "8"), ("buffer-replace-at", *side), ("buffer-operation", *operation)];
                    let mut actions = vec![stream.request_headers_with_body(&headers)];
                    actions.extend([stream.request_body("orig", false), stream.request_body("inal", true)]);
                    actions.push(stream.response_headers(&[(":status", "200"), ("content-length", "8")]));
                    actions.extend([stream.response_body("orig", false), stream.response_body("inal", false)]);
                    actions.push(stream.response_trailers(&[("grpc-status", "0")]));
                    let seen = (actions, stream.sent_request_body(), stream.sent_response_body(), stream.reply());
                    stream.complete();
                    seen
                })
                .collect::<Vec<_>>()
        })
    };
    let of_requests = edits(&[("request", "append"), ("request", "prepend"), ("request", "replace")]);
    let of_responses = edits(&[("response", "append"), ("response", "prepend"), ("response", "replace")]);
    let echo = host.clone().plugin_configuration("echo");
    let echoes = sweep(&echo, traffic).and(sweep(&echo, |host| {
        let stream = host.http_stream();
        let action = stream.request_headers(&[(":method", "GET")]);
        let seen = (action, stream.reply());
        stream.complete();
        seen
    }));
    let all = sweep(&host, traffic).and(of_requests).and(of_responses).and(echoes);
    // The failure policy is closed, so nothing is resumed after an error. The only edit of headers
    // is a removal.
    all.assert_reaches_all_but(&["proxy_continue_stream", "proxy_replace_header_map_value"]);
}
