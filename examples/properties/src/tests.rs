use sluicegate::abi::Import;
use sluicegate::{Action, LogLevel, Status};
use sluicegate_host::{Host, LocalReply, RunningHost, sweep, traffic};

use crate::AUTH;

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

/// Sends a request with these headers. Returns the filter's action and reply.
fn send(host: &RunningHost, headers: &[(&str, &str)]) -> (u32, Option<LocalReply>) {
    let stream = host.http_stream();
    let action = stream.request_headers(headers);
    (action, stream.reply())
}

fn passes(host: &RunningHost, headers: &[(&str, &str)]) -> bool {
    let (action, reply) = send(host, headers);
    action == Action::Continue as u32 && reply.is_none()
}

#[sluicegate_host::test]
fn a_route_that_asks_for_nothing_lets_pass(host: Host) {
    let host = host.start();
    assert!(passes(&host, &[(":path", "/three")]));
    assert!(host.logged(LogLevel::Info, "no auth header for route"));
}

#[sluicegate_host::test]
fn a_request_with_the_header_passes(host: Host) {
    let host = host.start();
    host.set_property(&AUTH, "cookie");
    assert!(passes(&host, &[(":path", "/one"), ("cookie", "value")]));
    assert!(passes(&host, &[(":path", "/one"), ("Cookie", "")]), "names have no case, and any value will do");
    assert!(host.logged(LogLevel::Info, "auth header is \"cookie\""));
    host.set_property(&AUTH, "Cookie");
    assert!(passes(&host, &[("cookie", "value")]));
    assert!(!passes(&host, &[("cookies", "value")]));
}

#[sluicegate_host::test]
fn a_request_without_it_is_answered(host: Host) {
    let host = host.start();
    for name in ["cookie", "authorization", ""] {
        host.set_property(&AUTH, name);
        let (action, reply) = send(&host, &[(":path", "/one"), ("cookies", "cookie")]);
        let reply = reply.unwrap();
        assert_eq!(action, Action::Pause as u32);
        assert_eq!((reply.status, reply.headers.len(), reply.body.len(), reply.grpc_status), (401, 0, 0, 16));
    }
}

/// The path without `xds` is that of older proxies. The check must not be lost there.
#[sluicegate_host::test]
fn finds_the_metadata_under_the_name_of_older_proxies(host: Host) {
    let host = host.start();
    host.set_property(&AUTH[1..], "cookie");
    assert!(!passes(&host, &[(":path", "/one")]));
    assert!(passes(&host, &[("cookie", "value")]));
}

#[sluicegate_host::test]
fn fails_closed(host: Host) {
    let host = host.start();
    host.set_property(&AUTH, "cookie");
    for (import, text) in [
        (Import::proxy_get_property, "failed to read properties: "),
        (Import::proxy_get_header_map_pairs, "failed to get request headers: "),
    ] {
        host.fail(import, Status::InternalFailure);
        let (action, reply) = send(&host, &[("cookie", "value")]);
        assert_eq!((action, reply.map(|reply| reply.status)), (Action::StopIteration as u32, Some(500)));
        let log = host.log();
        assert!(log.iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(text)), "{log:?}");
        host.fail(import, Status::Ok);
    }
    assert!(passes(&host, &[("cookie", "value")]));
}

#[sluicegate_host::test]
fn says_when_a_stream_is_finished(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    let id = stream.id();
    stream.request_headers(&[(":path", "/")]);
    stream.complete();
    assert!(host.logged(LogLevel::Info, &format!("{id} finished")));
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let asks = |path: &'static [&'static str]| {
        sweep(&host, move |host| {
            host.set_property(path, "cookie");
            [[(":path", "/one"), ("cookie", "value")], [(":path", "/one"), ("cookies", "value")]].map(|headers| {
                let stream = host.http_stream();
                let seen = (stream.request_headers(&headers), stream.reply());
                stream.complete();
                seen
            })
        })
    };
    sweep(&host, traffic).and(asks(&AUTH)).and(asks(&AUTH[1..])).assert_reaches_all();
}
