use std::time::Duration;

use sluicegate::Status;
use sluicegate::abi::Import;
use sluicegate_host::{Host, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const PLANS: &str = r#"{"header": "x-plan", "plans": {
    "free": {"rate": 1, "burst": 3},
    "paid": {"rate": 1000, "burst": 2000, "batch": 50}
}}"#;

/// Sends a request. Returns the `retry-after` of a refusal, or `None` if the request passed.
fn send(host: &RunningHost, plan: &str) -> Option<String> {
    let stream = host.http_stream();
    let action = stream.request_headers(&[(":path", "/"), ("x-plan", plan)]);
    let Some(reply) = stream.reply() else {
        assert_eq!(action, 0);
        stream.complete();
        return None;
    };
    assert_eq!(reply.status, 429);
    let wait = reply.headers.get(b"retry-after").map(|value| String::from_utf8(value.to_vec()).unwrap());
    Some(wait.expect("a refusal says when to come again"))
}

fn passed(host: &RunningHost, plan: &str, requests: usize) -> usize {
    (0..requests).filter(|_| send(host, plan).is_none()).count()
}

#[sluicegate_host::test]
fn a_burst_passes_and_then_the_rate(host: Host) {
    let host = host.plugin_configuration(PLANS).start();
    assert_eq!(passed(&host, "free", 10), 3);
    assert_eq!(send(&host, "free").as_deref(), Some("1"));
    host.advance(Duration::from_millis(999));
    assert_eq!(send(&host, "free").as_deref(), Some("1"));
    host.advance(Duration::from_millis(1));
    assert_eq!(passed(&host, "free", 10), 1);
    host.advance(Duration::from_secs(60));
    assert_eq!(passed(&host, "free", 10), 3, "no more than a burst gathers");
}

#[sluicegate_host::test]
fn plans_do_not_share_and_strangers_are_of_the_first(host: Host) {
    let host = host.plugin_configuration(PLANS).start();
    assert_eq!(passed(&host, "made up", 2) + passed(&host, "another", 10), 3);
    assert_eq!(passed(&host, "free", 1), 0);
    assert_eq!(passed(&host, "paid", 100), 100);
}

#[sluicegate_host::test]
fn a_batch_spares_writes_and_refusals_ask_nobody(host: Host) {
    let host = host.plugin_configuration(PLANS).start();
    assert_eq!(passed(&host, "paid", 100), 100);
    assert_eq!(host.calls(Import::proxy_set_shared_data), 2);
    let before = host.calls(Import::proxy_set_shared_data);
    assert_eq!(passed(&host, "free", 50), 3);
    assert_eq!(host.calls(Import::proxy_set_shared_data) - before, 4, "three tokens, and once that there is none");
}

/// Returns the shared level of the paid plan, in tokens.
fn level(host: &RunningHost) -> u64 {
    let value = host.shared_data("rate_limit paid").unwrap();
    u64::from_le_bytes(value[..8].try_into().unwrap()) / 1_000_000_000
}

#[sluicegate_host::test]
fn what_a_worker_does_not_spend_goes_back(host: Host) {
    let host = host.plugin_configuration(PLANS).start();
    send(&host, "paid");
    assert_eq!(level(&host), 1950);
    host.tick();
    assert_eq!(level(&host), 2000);
}

#[sluicegate_host::test]
fn a_value_of_another_and_a_clock_set_back_are_survived(host: Host) {
    let host = host.plugin_configuration(PLANS).start();
    host.set_shared_data("rate_limit free", "another plugin's");
    assert_eq!(passed(&host, "free", 10), 3);
    host.set_time(Duration::from_secs(1));
    assert_eq!(send(&host, "free").as_deref(), Some("1"), "no longer than a token takes");
}

#[sluicegate_host::test]
fn lets_requests_pass_that_it_cannot_count(host: Host) {
    let host = host.plugin_configuration(PLANS).start();
    for import in [Import::proxy_get_shared_data, Import::proxy_set_shared_data] {
        host.fail(import, Status::InternalFailure);
        assert_eq!(passed(&host, "free", 10), 10);
        host.fail(import, Status::Ok);
    }
}

#[sluicegate_host::test]
fn refuses_what_is_no_plan(host: Host) {
    for plan in [
        r#"{"rate": 0, "burst": 1}"#,
        r#"{"rate": 1}"#,
        r#"{"rate": 1, "burst": 1, "batch": "x"}"#,
        r#"{"rate": 1, "burst": 1000001}"#,
    ] {
        let configuration = format!(r#"{{"header": "x-plan", "plans": {{"free": {plan}}}}}"#);
        assert!(!host.clone().plugin_configuration(configuration).start().started(), "{plan}");
    }
    assert!(!host.clone().plugin_configuration(r#"{"header": "x-plan", "plans": {}}"#).start().started());
    assert!(!host.start().started());
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let plans = r#"{"header": "x-plan", "plans": {"free": {"rate": 1000000, "burst": 1000000, "batch": 10}}}"#;
    let passes = sweep(&host.clone().plugin_configuration(plans), traffic);
    let refuses = sweep(&host.plugin_configuration(PLANS), |host| {
        host.advance(Duration::from_secs(10));
        [0; 4].map(|_| {
            let stream = host.http_stream();
            let seen = (stream.request_headers(&[(":path", "/"), ("x-plan", "free")]), stream.reply());
            stream.complete();
            seen
        })
    });
    // Nothing is paused, so nothing is resumed after an error. Only a configuration without plans
    // is logged. No part of a body is dropped after one that was kept.
    passes.and(refuses).assert_reaches_all_but(&[
        "proxy_continue_stream",
        "proxy_get_log_level",
        "proxy_set_buffer_bytes",
    ]);
}
