use sluicegate::abi::Import;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const CONFIGURATION: &str = r#"{"header": "x-wasm-header", "value": "x-value"}"#;
const REQUEST: [(&str, &str); 2] = [("key1", "value1"), ("key2", "value2")];

fn infos(host: &RunningHost) -> Vec<String> {
    host.log().into_iter().filter(|line| line.level == LogLevel::Info).map(|line| line.text).collect()
}

#[sluicegate_host::test]
fn reads_its_configuration(host: Host) {
    let host = host.plugin_configuration(r#"{"header": " x-h\u0031 ", "value": "a \"b\" "}"#).start();
    assert!(host.started());
    assert!(host.logged(LogLevel::Debug, "loading plugin config"));
    assert!(host.logged(LogLevel::Info, r#"header from config: x-h1 = a "b""#));
}

#[sluicegate_host::test]
fn starts_without_a_configuration(host: Host) {
    let host = host.start();
    assert!(host.started());
    let stream = host.http_stream();
    stream.response_headers(&[("key1", "value1")]);
    assert!(host.logged(LogLevel::Info, "adding header: ="));
    assert_eq!(stream.response_map().len(), 2);
}

#[sluicegate_host::test]
fn refuses_a_configuration_that_it_cannot_use(host: Host) {
    let expected = r#"invalid configuration format; expected {"header": "<header name>", "value": "<header value>"}"#;
    let empty = r#"{"header": "  ", "value": "v"}"#;
    let missing = r#"{"header": "h"}"#;
    let number = r#"{"header": "h", "value": 1}"#;
    for configuration in ["not json", "{", empty, missing, number, "\u{1}"] {
        let host = host.clone().plugin_configuration(configuration).start();
        assert!(!host.started(), "{configuration}");
        assert!(host.logged(LogLevel::Critical, expected), "{configuration}: {:?}", host.log());
    }
    let host = host.clone().plugin_configuration(b"\xff\xfe".to_vec()).start();
    assert!(!host.started());
}

#[sluicegate_host::test]
fn refuses_a_configuration_that_it_cannot_read(host: Host) {
    let host = host.plugin_configuration(CONFIGURATION).start();
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    assert!(!host.start_plugin());
}

#[sluicegate_host::test]
fn leaves_out_a_header_that_http_does_not_have(host: Host) {
    for (header, value) in [("x wasm", "v"), ("x-wasm:", "v"), ("x-wasm", "a\\r\\nb: c")] {
        let configuration = format!(r#"{{"header": "{header}", "value": "{value}"}}"#);
        let host = host.clone().plugin_configuration(configuration).start();
        assert!(host.started());
        let stream = host.http_stream();
        assert_eq!(stream.response_headers(&[(":status", "200")]), 0);
        assert_eq!(stream.response_map().len(), 2, "the constant header is there, and no other: {header}");
        let log = host.log();
        let text = "failed to set response headers: ";
        assert!(log.iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(text)), "{log:?}");
    }
}

#[sluicegate_host::test]
fn sets_a_request_header_and_logs_them_all(host: Host) {
    let host = host.start();
    host.clear_log();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&REQUEST), 0);
    assert_eq!(stream.request_header("test").as_deref(), Some("best"));
    assert_eq!(stream.request_map().len(), 3);
    assert_eq!(
        infos(&host),
        ["request header --> key1: value1", "request header --> key2: value2", "request header --> test: best"]
    );
}

#[sluicegate_host::test]
fn adds_response_headers_and_logs_them_all(host: Host) {
    let host = host.plugin_configuration(CONFIGURATION).start();
    host.clear_log();
    let stream = host.http_stream();
    assert_eq!(stream.response_headers(&REQUEST), 0);
    assert_eq!(
        infos(&host),
        [
            "adding header: x-wasm-header=x-value",
            "response header <-- key1: value1",
            "response header <-- key2: value2",
            "response header <-- x-sluicegate-example: http_headers",
            "response header <-- x-wasm-header: x-value",
        ]
    );
    assert_eq!(stream.response_header("x-sluicegate-example").as_deref(), Some("http_headers"));
    assert_eq!(stream.response_header("x-wasm-header").as_deref(), Some("x-value"));
}

#[sluicegate_host::test]
fn says_when_a_stream_is_finished(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    let id = stream.id();
    stream.request_headers(&REQUEST);
    stream.response_headers(&REQUEST);
    stream.complete();
    assert!(host.logged(LogLevel::Info, &format!("{id} finished")));
}

#[sluicegate_host::test]
fn goes_on_when_the_host_refuses(host: Host) {
    let host = host.clone().plugin_configuration(CONFIGURATION).start();
    host.fail(Import::proxy_replace_header_map_value, Status::BadArgument);
    host.fail(Import::proxy_add_header_map_value, Status::InternalFailure);
    host.fail(Import::proxy_get_header_map_pairs, Status::InvalidMemoryAccess);
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&REQUEST), 0);
    assert_eq!(stream.response_headers(&REQUEST), 0);
    assert_eq!(stream.reply(), None);
    let critical: Vec<_> = host.log().into_iter().filter(|line| line.level == LogLevel::Critical).collect();
    let starts = [
        "failed to set request header: test",
        "failed to get request headers: ",
        "failed to set response constant header: ",
        "failed to set response headers: ",
        "failed to get response headers: ",
    ];
    assert_eq!(critical.len(), starts.len(), "{critical:?}");
    for (line, start) in critical.iter().zip(starts) {
        assert!(line.text.starts_with(start), "{line:?}");
    }
}

#[sluicegate_host::test]
fn values_that_are_not_text_are_logged_and_pass(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    stream.request_headers(&[(&b"key\xff"[..], &b"\x80value"[..])]);
    assert!(host.logged(LogLevel::Info, "request header --> key\u{fffd}: \u{fffd}value"));
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let configured = sweep(&host.clone().plugin_configuration(CONFIGURATION), traffic);
    // Nothing is paused, so nothing is resumed after an error.
    sweep(&host, traffic).and(configured).assert_reaches_all_but(&["proxy_continue_stream"]);
}
