use sluicegate::abi::Import;
use sluicegate::{Action, LogLevel, Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const REQUEST: [(&str, &str); 1] = [(":authority", "my-host.com")];

fn authority(host: &RunningHost) -> String {
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&REQUEST), Action::Continue as u32);
    assert_eq!(stream.request_map().len(), 1);
    stream.request_header(":authority").unwrap()
}

fn critical(host: &RunningHost, start: &str) -> bool {
    host.log().iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(start))
}

#[sluicegate_host::test]
fn an_even_value_leads_to_the_canary(host: Host) {
    for value in [2, 254] {
        let host = host.clone().plugin_configuration([value]).start();
        assert_eq!(authority(&host), "my-host.com-canary");
        assert!(host.logged(LogLevel::Info, &format!("value: {value}")));
    }
}

#[sluicegate_host::test]
fn an_odd_value_leads_to_the_primary(host: Host) {
    let host = host.plugin_configuration([1]).start();
    assert_eq!(authority(&host), "my-host.com");
    assert!(host.logged(LogLevel::Info, "value: 1"));
}

#[sluicegate_host::test]
fn chance_leads_to_both(host: Host) {
    // Neither a zero byte nor an empty configuration loads the dice.
    for configuration in [&b""[..], &[0], &[0, 1]] {
        let host = host.clone().plugin_configuration(configuration).start();
        let canary = (0..1000).filter(|_| authority(&host).ends_with("-canary")).count();
        assert!((300..700).contains(&canary), "{canary} of 1000 requests went to the canary");
    }
}

#[sluicegate_host::test]
fn what_has_no_authority_or_cannot_be_changed_is_answered(host: Host) {
    let host = host.plugin_configuration([2]).start();
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    let text = "failed to get request header: ':authority': a request without an authority";
    assert!(host.logged(LogLevel::Critical, text), "{:?}", host.log());
    host.fail(Import::proxy_replace_header_map_value, Status::BadArgument);
    let stream = host.http_stream();
    stream.request_headers(&REQUEST);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    assert!(critical(&host, "failed to set request header: ':authority': "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn refuses_to_start_without_a_readable_configuration(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    assert!(!host.start_plugin());
    assert!(critical(&host, "error reading plugin configuration: "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let primary = sweep(&host.clone().plugin_configuration([1]), traffic);
    let canary = host.plugin_configuration([2]);
    // The authority is so long that the edit cannot wait.
    let long = sweep(&canary, |host| {
        let stream = host.http_stream();
        let action = stream.request_headers(&[(":authority", "x".repeat(20_000))]);
        let seen = (action, stream.request_map(), stream.reply());
        stream.complete();
        seen
    });
    let all = primary.and(sweep(&canary, traffic)).and(long);
    all.assert_reaches_all();
}
