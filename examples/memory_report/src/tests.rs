use sluicegate::{Action, LogLevel};
use sluicegate_host::{Host, Running};

use crate::PLUGIN;

fn start() -> Running {
    let host = Host::new(&PLUGIN).plugin_configuration(r#"{"tiers": ["gold", "silver"], "memory": {"total": "1MiB"}}"#);
    let host = host.start();
    assert!(host.started());
    host
}

#[test]
fn answers_with_its_memory() {
    let host = start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/memory")]), Action::StopIteration as u32);
    let reply = stream.reply().unwrap();
    let text = String::from_utf8(reply.body).unwrap();
    assert_eq!(reply.status, 200);
    assert!(text.starts_with(r#"{"pages": "#) && text.ends_with(r#""shed": 0, "refused": 0}"#), "{text}");
}

#[test]
fn ranks_by_its_configuration_and_by_that_of_a_new_vm() {
    for _ in 0..2 {
        let host = start();
        assert!(host.logged(LogLevel::Info, "started with 2 tiers"));
        for (tier, rank) in [("gold", Some("0")), ("silver", Some("1")), ("lead", None)] {
            let stream = host.http_stream();
            assert_eq!(stream.request_headers(&[(":path", "/"), ("x-tier", tier)]), Action::Continue as u32);
            stream.response_headers(&[(":status", "200")]);
            assert_eq!(stream.response_header("x-rank").as_deref(), rank);
        }
    }
}

#[test]
fn tells_when_the_proxy_asks() {
    let host = start();
    host.call_function(1, "");
    assert!(host.log().iter().any(|line| line.text.ends_with(" 0 shed, 0 refused")), "{:?}", host.log());
}

#[test]
fn a_size_that_cannot_be_is_an_error_and_not_the_end() {
    let host = start();
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/"), ("x-keep", &usize::MAX.to_string())]);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

#[test]
fn refuses_a_configuration_without_tiers() {
    assert!(!Host::new(&PLUGIN).plugin_configuration("{}").start().started());
}
