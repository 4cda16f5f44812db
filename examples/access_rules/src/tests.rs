use std::cell::Cell;
use std::rc::Rc;

use sluicegate::abi::Import;
use sluicegate::{Action, LogLevel, Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const RULES: &str = r#"[{"when": "never", "status": 401}, {"when": "true", "status": 403}]"#;

/// Returns a proxy with a language of three expressions, and the number of expressions that it
/// holds compiled.
fn with_language(host: Host, rules: &str) -> (Host, Rc<Cell<i32>>) {
    let compiled = Rc::new(Cell::new(0));
    let (more, less) = (compiled.clone(), compiled.clone());
    let host = host
        .plugin_configuration(rules)
        .foreign_function("expr_create", move |text| {
            let expressions: [&[u8]; 3] = [b"never", b"true", b"unknown"];
            let token = expressions.iter().position(|known| *known == text).ok_or(Status::BadArgument)?;
            more.set(more.get() + 1);
            Ok(u32::try_from(token).expect("a small number").to_le_bytes().to_vec())
        })
        .foreign_function("expr_evaluate", |token| match token {
            [0, 0, 0, 0] => Ok(vec![0]),
            [1, 0, 0, 0] => Ok(vec![1]),
            _ => Err(Status::InternalFailure),
        })
        .foreign_function("expr_delete", move |_| {
            less.set(less.get() - 1);
            Ok(Vec::new())
        });
    (host, compiled)
}

fn start(host: Host, rules: &str) -> (RunningHost, Rc<Cell<i32>>) {
    let (host, compiled) = with_language(host, rules);
    (host.start(), compiled)
}

#[sluicegate_host::test]
fn the_first_rule_that_is_true_answers(host: Host) {
    let (host, compiled) = start(host, RULES);
    assert!(host.started() && compiled.get() == 2, "{:?}", host.log());
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    let reply = stream.reply().expect("it is answered");
    assert_eq!((reply.status, &*reply.details), (403, "access_rules"));
    assert_eq!(host.counter("sluicegate_errors"), None);
}

#[sluicegate_host::test]
fn without_the_proxys_parser_there_is_no_filter(host: Host) {
    let host = host.plugin_configuration(RULES).start();
    assert!(!host.started());
    assert_eq!(host.counter("sluicegate_errors"), Some(1));
}

#[sluicegate_host::test]
fn without_a_rule_that_is_true_a_request_passes(host: Host) {
    let (host, ..) = start(host, r#"[{"when": "never", "status": 401}]"#);
    assert_eq!(host.http_stream().request_headers(&[(":path", "/")]), Action::Continue as u32);
}

#[sluicegate_host::test]
fn a_rule_without_a_value_lets_nobody_in(host: Host) {
    let (host, ..) = start(host, r#"[{"when": "unknown", "status": 401}]"#);
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(503));
    assert_eq!(host.counter("sluicegate_errors"), Some(1));
    let line = "on_request_headers (context 2): proxy_call_foreign_function (foreign function expr_evaluate): error status returned by host: internal failure";
    assert!(host.logged(LogLevel::Error, line), "{:?}", host.log());
}

#[sluicegate_host::test]
fn what_is_no_rule_is_refused_and_nothing_of_it_stays(host: Host) {
    let wrong = r#"[{"when": "true", "status": 403}, {"when": "((", "status": 403}]"#;
    let (host, compiled) = start(host, wrong);
    assert!(!host.started());
    assert_eq!((compiled.get(), host.calls(Import::proxy_call_foreign_function)), (0, 3), "{:?}", host.log());
}

#[sluicegate_host::test]
fn each_field_of_a_rule_is_needed(host: Host) {
    for (rules, reason) in [
        (r#"[{"when": "true"}]"#, "on_configure (context 1): a rule needs a status"),
        (r#"[{"when": "true", "status": 99}]"#, "on_configure (context 1): a rule needs a status"),
        (r#"[{"status": 403}]"#, "on_configure (context 1): a rule needs a `when`"),
    ] {
        let host = host.clone().plugin_configuration(rules).start();
        assert!(!host.started());
        assert!(host.logged(LogLevel::Critical, reason), "{:?}", host.log());
    }
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let (host, _) = with_language(host, RULES);
    sweep(&host, traffic).assert_reaches_all();
}
