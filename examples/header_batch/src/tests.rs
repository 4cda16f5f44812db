use std::fmt::Write;

use sluicegate::abi::Import;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const RULES: &str = r#"{
    "request": [{"rename": "X-Old", "to": "X-New"}, {"remove": "x-debug"}, {"set": "x-env", "to": "p\u0031"}, {"append": "x-via", "to": "us"}],
    "response": [{"rename": "server", "to": "x-server"}]
}"#;

#[sluicegate_host::test]
fn renames_removes_sets_and_appends(host: Host) {
    let host = host.plugin_configuration(RULES).start();
    assert!(host.logged(LogLevel::Info, "4 rules for requests, 1 for responses"));
    let stream = host.http_stream();
    let sent = [
        (":path", "/"),
        ("x-old", "1"),
        ("x-debug", "a"),
        ("x-old", "2"),
        ("x-debug", "b"),
        ("x-env", "q"),
        ("x-via", "me"),
    ];
    assert_eq!(stream.request_headers(&sent), 0);
    let mut map = stream.request_map().to_text();
    map.sort();
    let left = [(":path", "/"), ("x-env", "p1"), ("x-new", "1"), ("x-new", "2"), ("x-via", "me"), ("x-via", "us")];
    assert_eq!(map, left.map(|(name, value)| (name.to_owned(), value.to_owned())));
    stream.response_headers(&[(":status", "200"), ("server", "s")]);
    assert_eq!(stream.response_header("x-server").as_deref(), Some("s"));
    assert_eq!(stream.response_header("server"), None);
}

/// Twenty names are set, appended to and removed again. There is one host call for each edit, and
/// one that reads, however many rules there are.
#[sluicegate_host::test]
fn sixty_edits_are_sixty_host_calls_and_the_map_is_read_once(host: Host) {
    let mut rules = String::from(r#"{"request": ["#);
    for name in 0..20 {
        write!(
            rules,
            r#"{{"set": "x-{name}", "to": "a"}}, {{"append": "x-{name}", "to": "b"}}, {{"remove": "x-{name}"}}, "#
        )
        .unwrap();
    }
    rules.truncate(rules.len() - 2);
    let host = host.plugin_configuration(rules + "]}").start();
    let stream = host.http_stream();
    let before = host.all_calls();
    stream.request_headers(&[(":path", "/"), ("a", "b")]);
    assert_eq!((host.all_calls() - before, host.calls(Import::proxy_get_header_map_pairs)), (61, 1));
    assert_eq!(stream.request_map().len(), 2);
}

#[sluicegate_host::test]
fn refuses_what_is_no_list_of_rules(host: Host) {
    for rule in [
        r#"{"rename": "a"}"#,
        r#"{"rename": "a", "to": "A"}"#,
        r#"{"remove": ":path"}"#,
        r#"{"set": "", "to": "b"}"#,
        "1",
        "{}",
    ] {
        let host = host.clone().plugin_configuration(format!(r#"{{"request": [{rule}]}}"#)).start();
        assert!(!host.started(), "{rule}");
    }
    assert!(!host.start().started(), "no configuration");
}

#[sluicegate_host::test]
fn fails_closed(host: Host) {
    let host = host.plugin_configuration(RULES).start();
    host.fail(Import::proxy_get_header_map_pairs, Status::InternalFailure);
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let edits = |host: &RunningHost| {
        let stream = host.http_stream();
        let mut actions = [0; 2];
        actions[0] = stream.request_headers(&[(":path", "/"), ("x-old", "1"), ("x-debug", "a"), ("x-env", "q")]);
        actions[1] = stream.response_headers(&[(":status", "200"), ("server", "s")]);
        let seen = (actions, stream.request_map(), stream.response_map());
        stream.complete();
        seen
    };
    let host = host.plugin_configuration(RULES);
    sweep(&host, traffic).and(sweep(&host, edits)).assert_reaches_all();
}
