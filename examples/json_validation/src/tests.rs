use sluicegate::abi::Import;
use sluicegate::{Action, DataAction, LogLevel, Status};
use sluicegate_host::{Host, HttpStream, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const CONTINUE: u32 = DataAction::Continue as u32;
const PAUSE: u32 = DataAction::Pause as u32;

fn start(host: Host, configuration: &str) -> RunningHost {
    host.plugin_configuration(configuration).start()
}

fn upload<'host>(host: &'host RunningHost, content_type: &str) -> HttpStream<'host> {
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "POST"), ("content-type", content_type)]);
    stream
}

fn refusal(stream: &HttpStream<'_>) -> Option<(u32, String)> {
    stream.reply().map(|reply| (reply.status, String::from_utf8(reply.body).unwrap()))
}

/// Sends a body, and returns whether it passes. A body that does not pass gets a 403.
fn passes(host: &RunningHost, body: &[u8]) -> bool {
    let stream = upload(host, "application/json");
    let (head, tail) = body.split_at(body.len() / 2);
    assert_eq!(stream.request_body(head, false), PAUSE);
    let passes = stream.request_body(tail, true) == CONTINUE;
    let (sent, refused): (&[u8], _) = if passes { (body, None) } else { (b"", Some((403, "invalid payload".into()))) };
    assert_eq!((stream.sent_request_body(), refusal(&stream)), (sent.to_vec(), refused));
    passes
}

#[sluicegate_host::test]
fn demands_json(host: Host) {
    let host = start(host, "");
    for content_type in ["application/json", "application/json; charset=utf-8", "Application/JSON ;a=b"] {
        assert_eq!(refusal(&upload(&host, content_type)), None, "{content_type}");
    }
    for content_type in
        ["text/html", "", "application/jsonp", "text/html; application/json", "application/json,text/html"]
    {
        let refused = refusal(&upload(&host, content_type));
        assert_eq!(refused, Some((403, "content-type must be provided".into())), "{content_type}");
    }
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":method", "GET")]), Action::Pause as u32);
    assert_eq!(refusal(&stream), Some((403, "content-type must be provided".into())));
}

#[sluicegate_host::test]
fn demands_a_body(host: Host) {
    let host = start(host, "");
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[("content-type", "application/json")]), Action::Pause as u32);
    assert_eq!(refusal(&stream), Some((403, "invalid payload".into())));
}

#[sluicegate_host::test]
fn demands_the_keys(host: Host) {
    let host = start(host, r#"{"requiredKeys": ["my_key"]}"#);
    assert!(host.started());
    assert!(!passes(&host, b"invalid_payload"));
    assert!(host.logged(LogLevel::Error, r#"body is not a valid json: "invalid_payload""#));
    assert!(!passes(&host, br#"{"unknown_key":"unknown_value"}"#));
    let log = r#"required key (my_key) is missing: "{\"unknown_key\":\"unknown_value\"}""#;
    assert!(host.logged(LogLevel::Error, log), "{:?}", host.log());
    assert!(passes(&host, br#"{"my_key":"my_value"}"#));
    assert!(passes(&host, br#"{"my_key":null}"#));
    assert!(!passes(&host, br#"["my_key"]"#));
    assert!(!passes(&host, b""));
}

#[sluicegate_host::test]
fn a_dot_leads_into_a_value(host: Host) {
    let host = start(host, r#"{"requiredKeys": ["user.name", "items.1.id"]}"#);
    assert!(passes(&host, br#"{"user": {"name": "a"}, "items": [0, {"id": 1}, 2]}"#));
    assert!(passes(&host, br#"{"items": {"1": {"id": [{}]}}, "user": {"n\u0061me": null}}"#));
    for body in [
        r#"{"user": "name", "items": [0, {"id": 1}]}"#,
        r#"{"user": {"name": "a"}, "items": [{"id": 1}]}"#,
        r#"{"user.name": "a", "items": [0, {"id": 1}]}"#,
        r#"{"user": {"name": "a"}, "items": {"1": {}}}"#,
        r#"{"user": {"name": "a"}, "items": [0, {"id": 1}], "user": 1}"#,
        r#"{"user": {"name": "a"}, "items": [0]}"#,
    ] {
        assert!(!passes(&host, body.as_bytes()), "{body}");
    }
}

/// Texts that GJSON reads as names are names here, too: a backslash, and characters that have a
/// meaning only elsewhere.
#[sluicegate_host::test]
fn names_are_what_gjson_takes_for_names(host: Host) {
    for (key, body) in [
        (r"kubernetes\.io.name", r#"{"kubernetes.io": {"name": 1}}"#),
        (r"a\*b", r#"{"a*b": 1}"#),
        (r"\#", r##"{"#": 1}"##),
        (r"a.\@this", r#"{"a": {"@this": 1}}"#),
        (r"\\", r#"{"\\": 1}"#),
        ("a#", r##"{"a#": 1}"##),
        ("#a", r##"{"#a": 1}"##),
        ("@type", r#"{"@type": "Person"}"#),
        ("a.@id.@thistle", r#"{"a": {"@id": {"@thistle": 1}}}"#),
        ("a.!b", r#"{"a": {"!b": 1}}"#),
        ("a[0]", r#"{"a[0]": 1}"#),
        ("a..b", r#"{"a": {"": {"b": 1}}}"#),
        ("a.", r#"{"a": {"": 1}}"#),
        ("", r#"{"": 1}"#),
        ("a.007", r#"{"a": [0, 1, 2, 3, 4, 5, 6, 7]}"#),
    ] {
        let host = start(host.clone(), &serde_json::json!({ "requiredKeys": [key] }).to_string());
        assert!(host.started(), "{key}: {:?}", host.log());
        assert!(passes(&host, body.as_bytes()), "{key} is in {body}: {:?}", host.log());
        assert!(!passes(&host, br#"{"other": 1}"#), "{key}");
    }
    // These are no numbers: a sign, a backslash, and a number that no array reaches.
    for key in ["a.+1", r"a.\1", "a.18446744073709551617"] {
        let host = start(host.clone(), &serde_json::json!({ "requiredKeys": [key] }).to_string());
        assert!(!passes(&host, br#"{"a": [0, 1, 2]}"#), "{key}");
    }
}

/// A path that GJSON reads as more than names is refused when the plugin is configured.
#[sluicegate_host::test]
fn refuses_paths_that_gjson_reads_otherwise(host: Host) {
    for (key, what) in [
        ("friends.#", "the elements of an array (`#`)"),
        ("#.name", "the elements of an array (`#`)"),
        (r#"friends.#(last=="Murphy").first"#, "the elements of an array (`#`)"),
        ("friends.#[age>45]#.last", "the elements of an array (`#`)"),
        ("child*.2", "any characters (`*` or `?`)"),
        ("c?ildren", "any characters (`*` or `?`)"),
        (r"a\.b*", "any characters (`*` or `?`)"),
        ("a|b", "the result of a path (`|`)"),
        ("@this", "a modified value (`@`)"),
        ("children.@reverse.0", "a modified value (`@`)"),
        ("@pretty:{}", "a modified value (`@`)"),
        ("!true", "a literal (`!`)"),
        ("[a,b]", "several values (`[` or `{`)"),
        ("a.{b,c}", "several values (`[` or `{`)"),
        ("..#", "lines of JSON (`..`)"),
        (r"a\", "nothing behind a backslash"),
    ] {
        // The bad path is one of several, so all paths are checked.
        let host = start(host.clone(), &serde_json::json!({ "requiredKeys": ["id", key] }).to_string());
        assert!(!host.started(), "{key}");
        let line = format!(
            "error parsing plugin configuration: the required key {key:?} asks for {what}, which this filter does not \
             read: name one value, with a backslash before a character that is part of a name"
        );
        assert!(host.logged(LogLevel::Critical, &line), "{key}: {:?}", host.log());
    }
}

/// This differs from GJSON on purpose. If a name comes twice, the last value counts, and a string
/// is no object.
#[sluicegate_host::test]
fn judges_what_an_upstream_would_read(host: Host) {
    let host = start(host, r#"{"requiredKeys": ["user.name"]}"#);
    assert!(!passes(&host, br#"{"user": {"name": "a"}, "user": 1}"#));
    assert!(passes(&host, br#"{"user": 1, "user": {"name": "a"}}"#));
    assert!(!passes(&host, br#""{\"user\":{\"name\":1}}""#));
}

#[sluicegate_host::test]
fn what_is_no_json_does_not_pass_without_keys_either(host: Host) {
    let host = start(host, "");
    for body in ["{}", "1", "\"text\"", "[]", " {\"a\": [1.5e3, true]} "] {
        assert!(passes(&host, body.as_bytes()), "{body}");
    }
    for body in ["", " ", "{", "{}{}", "{'a': 1}", "{\"a\":}", "[1,]", "{]", "nul"] {
        assert!(!passes(&host, body.as_bytes()), "{body}");
    }
    assert!(!passes(&host, b"\"\xff\""));
}

#[sluicegate_host::test]
fn depth_is_no_way_to_break_it(host: Host) {
    let host = start(host, r#"{"requiredKeys": ["a"]}"#);
    assert!(!passes(&host, &b"[".repeat(1 << 20)));
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    assert!(!passes(&host, deep.as_bytes()));
    assert!(host.log().iter().all(|line| line.text.len() < 1000), "what goes to the log is cut");
}

#[sluicegate_host::test]
fn trailers_end_a_body_too(host: Host) {
    let host = start(host, r#"{"requiredKeys": ["id"]}"#);
    let stream = upload(&host, "application/json");
    assert_eq!(stream.request_body(r#"{"id": 1}"#, false), PAUSE);
    assert_eq!(stream.request_trailers(&[("a", "b")]), CONTINUE);
    assert_eq!(stream.sent_request_body(), br#"{"id": 1}"#);

    let stream = upload(&host, "application/json");
    assert_eq!(stream.request_body(r#"{"no": 1}"#, false), PAUSE);
    assert_eq!(stream.request_trailers(&[("a", "b")]), PAUSE);
    assert_eq!(refusal(&stream), Some((403, "invalid payload".into())));
    assert!(stream.sent_request_body().is_empty());

    let stream = upload(&host, "application/json");
    assert_eq!(stream.request_trailers(&[("a", "b")]), PAUSE);
    assert_eq!(refusal(&stream), Some((403, "invalid payload".into())));
}

#[sluicegate_host::test]
fn fails_closed_if_the_body_cannot_be_read(host: Host) {
    let host = start(host, "");
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    let stream = upload(&host, "application/json");
    assert_ne!(stream.request_body("{}", true), CONTINUE);
    assert_eq!(refusal(&stream).map(|(status, _)| status), Some(500));
    let logged =
        |text: &str| host.log().iter().any(|line| line.level == LogLevel::Error && line.text.starts_with(text));
    assert!(logged("failed to get request body: "), "{:?}", host.log());
    host.fail(Import::proxy_get_buffer_bytes, Status::Ok);

    host.fail(Import::proxy_send_local_response, Status::InternalFailure);
    let stream = upload(&host, "application/json");
    assert_ne!(stream.request_body("{", true), CONTINUE);
    assert!(stream.sent_request_body().is_empty());
    assert!(logged("failed to send the 403 response: "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn refuses_a_configuration_that_it_cannot_use(host: Host) {
    for configuration in ["{", "requiredKeys"] {
        let host = start(host.clone(), configuration);
        assert!(!host.started(), "{configuration}");
        let log = format!(
            "error parsing plugin configuration: the plugin configuration is not a valid json: \"{configuration}\""
        );
        assert!(host.logged(LogLevel::Critical, &log), "{:?}", host.log());
    }
    for configuration in ["1", r#"{"requiredKeys": "id"}"#, r#"{"requiredKeys": [1]}"#] {
        let host = start(host.clone(), configuration);
        assert!(!host.started(), "{configuration}");
        let expected =
            r#"error parsing plugin configuration: the plugin configuration is not {"requiredKeys": ["<key>", …]}: "#;
        assert!(host.log().iter().any(|line| line.text.starts_with(expected)), "{:?}", host.log());
    }
    for configuration in ["", "{}", r#"{"requiredKeys": []}"#] {
        assert!(start(host.clone(), configuration).started(), "{configuration}");
    }
    let host = start(host.clone(), "");
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    assert!(!host.start_plugin());
    let text = "error reading plugin configuration: ";
    assert!(host.log().iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(text)));
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let host = host.plugin_configuration(r#"{"requiredKeys": ["id"]}"#);
    let passes = sweep(&host, traffic);
    let refuses = sweep(&host, |host| {
        let exchange = |content_type: &str, ends| {
            let stream = upload(host, content_type);
            let mut actions = vec![stream.request_body(r#"{"no": 1}"#, ends)];
            actions.extend((!ends).then(|| stream.request_trailers(&[("a", "b")])));
            let seen = (actions, refusal(&stream));
            stream.complete();
            seen
        };
        [exchange("text/html", true), exchange("application/json", true), exchange("application/json", false)]
    });
    // The failure policy is closed, so nothing is resumed after an error. No body is edited, so
    // none is measured.
    passes.and(refuses).assert_reaches_all_but(&[
        "proxy_continue_stream",
        "proxy_get_buffer_status",
        "proxy_remove_header_map_value",
        "proxy_replace_header_map_value",
        "proxy_set_buffer_bytes",
    ]);
}
