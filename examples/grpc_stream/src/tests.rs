use sluicegate::{Action, LogLevel, abi::Import, abi::Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

use crate::message::{path, text};
use crate::waiting::{BYTES, PATHS, Waiting};
use crate::{BATCH, PATIENCE};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

/// Sends requests with these paths, none of which is held, and then a tick.
fn requests(host: &RunningHost, paths: &[&str]) {
    for path in paths {
        let stream = host.http_stream();
        assert_eq!(stream.request_headers(&[(":path", path)]), Action::Continue as u32);
        stream.complete();
    }
    host.tick();
}

#[sluicegate_host::test]
fn a_batch_goes_on_one_stream_and_is_acknowledged(host: Host) {
    let host = host.start();
    host.tick();
    assert!(host.open_grpc().is_empty(), "nothing to send");
    requests(&host, &["/a", "/b"]);
    let [open] = &*host.open_grpc() else { panic!("{:?}", host.open_grpc()) };
    assert_eq!((&*open.cluster, &*open.service, &*open.method), ("collector", "collector.v1.Collector", "Collect"));
    assert_eq!((&*open.sent, open.ended), (&[path("/a"), path("/b")][..], false));

    requests(&host, &["/c", "/d"]);
    let open = host.open_grpc().remove(0);
    assert_eq!((open.sent.len(), open.ended), (BATCH, true));
    host.grpc_message(open.token, path("stored"));
    host.grpc_close(open.token, 0, "");
    assert!(host.logged(LogLevel::Info, "collector acknowledged 3 paths: stored"), "{:?}", host.log());

    host.tick();
    let [next] = &*host.open_grpc() else { panic!("{:?}", host.open_grpc()) };
    assert_ne!(next.token, open.token);
    assert_eq!((&*next.sent, next.ended), (&[path("/d")][..], false), "what found no room comes next");
}

#[sluicegate_host::test]
fn the_configuration_says_how_many(host: Host) {
    let host = host.plugin_configuration(r#"{"batch": 1}"#).start();
    requests(&host, &["/a"]);
    let open = host.open_grpc().remove(0);
    assert!(open.ended);
    host.grpc_message(open.token, [0xff]);
    assert!(host.logged(LogLevel::Info, "collector acknowledged 1 paths: an unreadable message"), "{:?}", host.log());
}

#[sluicegate_host::test]
fn a_stream_that_breaks_loses_its_batch_alone(host: Host) {
    let host = host.start();
    requests(&host, &["/a"]);
    host.grpc_close(host.open_grpc()[0].token, 14, "unavailable");
    assert!(host.logged(LogLevel::Warn, "stream closed with status 14: unavailable"), "{:?}", host.log());
    requests(&host, &["/b"]);
    assert_eq!(host.open_grpc()[0].sent, [path("/b")]);
}

#[sluicegate_host::test]
fn a_host_that_refuses_does_not_fail_requests(host: Host) {
    for refused in [Import::proxy_grpc_stream, Import::proxy_grpc_send] {
        let host = host.clone().start();
        host.fail(refused, Status::InternalFailure);
        requests(&host, &["/a"]);
        assert!(host.open_grpc().is_empty(), "{refused:?}");
        let calls = host.calls(refused);
        host.tick();
        assert_eq!(host.calls(refused), calls, "what is lost is not tried again");
    }
}

#[sluicegate_host::test]
fn a_collector_that_never_answers_is_given_up(host: Host) {
    let host = host.start();
    requests(&host, &["/a", "/b", "/c"]);
    for _ in 0..PATIENCE {
        host.tick();
    }
    assert_eq!(host.open_grpc().len(), 1);
    host.tick();
    assert!(host.open_grpc().is_empty());
    assert!(host.logged(LogLevel::Warn, "no answer to 3 paths"), "{:?}", host.log());
}

#[test]
fn what_waits_has_a_limit() {
    let mut waiting = Waiting::default();
    for _ in 0..2 * PATHS {
        waiting.add("/");
    }
    let taken = std::iter::from_fn(|| waiting.take()).count();
    assert_eq!(taken, PATHS);

    waiting.add(&"x".repeat(BYTES));
    waiting.add("/");
    waiting.skip(1);
    assert!(waiting.is_empty());
    waiting.add("/");
    assert_eq!(waiting.take().as_deref(), Some("/"));
}

#[test]
fn messages_are_read_as_they_are_written() {
    for value in ["", "/", &"x".repeat(127), &"x".repeat(128), &"x".repeat(20_000)] {
        assert_eq!(text(&path(value)), Some(value));
    }
    assert_eq!(&path(&"x".repeat(300))[..4], b"\x0a\xac\x02x");
    assert_eq!(text(b""), Some(""));
    for broken in [&b"\x0a"[..], b"\x0a\x02x", b"\x0a\x01xy", b"\x12\x01x", b"\x0a\x01\xff", &[0x8a; 12]] {
        assert_eq!(text(broken), None, "{broken:?}");
    }
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let first = sweep(&host, traffic);
    let send = |host: &RunningHost, paths: &[&str]| {
        paths
            .iter()
            .map(|path| {
                let stream = host.http_stream();
                let action = stream.request_headers(&[(":path", path)]);
                stream.complete();
                action
            })
            .collect::<Vec<_>>()
    };
    let breaks = sweep(&host, |host| {
        let actions = send(host, &["/a", "/b", "/c"]);
        host.tick();
        for open in host.open_grpc() {
            host.grpc_message(open.token, path("stored"));
            host.grpc_close(open.token, 14, "unavailable");
        }
        actions
    });
    let never_answers = sweep(&host.plugin_configuration(r#"{"batch": 1}"#), |host| {
        let actions = send(host, &["/a"]);
        (0..=PATIENCE + 1).for_each(|_| host.tick());
        // The stream is still open if the host refused to end it.
        host.open_grpc().iter().for_each(|open| host.grpc_close(open.token, 0, ""));
        actions
    });
    // These are for calls of streams, and for streams that are resumed after a failure. Here the
    // plugin makes the calls, and no stream is paused.
    let of_streams =
        ["proxy_continue_stream", "proxy_grpc_close", "proxy_set_buffer_bytes", "proxy_set_effective_context"];
    first.and(breaks).and(never_answers).assert_reaches_all_but(&of_streams);
}
