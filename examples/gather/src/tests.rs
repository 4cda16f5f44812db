use sluicegate::LogLevel;
use sluicegate::prelude::*;
use sluicegate_host::{Host, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

fn answer(host: &RunningHost, cluster: &str, status: &str, body: &str) {
    let calls = host.pending_calls();
    let call = calls.iter().find(|call| call.cluster == cluster).unwrap_or_else(|| panic!("{cluster}: {calls:?}"));
    host.answer_call(call.token, &[(":status", status)], body, &[]);
}

#[sluicegate_host::test]
fn a_task_asks_both_at_once_and_again_after_a_pause(host: Host) {
    let host = host.root_id("tasks").start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/ann")]), Action::Pause as u32);
    answer(&host, "limits", "200", "10");
    answer(&host, "users", "503", "");
    assert!(host.pending_calls().is_empty() && !stream.request_resumed());
    host.tick();
    answer(&host, "users", "200", "ann");
    answer(&host, "limits", "200", "10");
    assert!(stream.request_resumed());
    stream.response_headers(&[(":status", "200")]);
    assert_eq!(stream.response_header("x-gathered").as_deref(), Some("ann, 10"));
}

#[sluicegate_host::test]
fn a_task_gives_up(host: Host) {
    let host = host.root_id("tasks").start();
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/ann")]);
    for _ in 0..2 {
        for call in host.pending_calls() {
            host.fail_call(call.token);
        }
        host.tick();
    }
    assert_eq!(stream.reply().map(|reply| reply.status), Some(502));
    assert!(host.logged(LogLevel::Info, "gave up after 2 tries"));
}

#[sluicegate_host::test]
fn closures_ask_one_after_the_other(host: Host) {
    let host = host.root_id("closures").start();
    let (first, second) = (host.http_stream(), host.http_stream());
    first.request_headers(&[(":path", "/ann")]);
    answer(&host, "users", "200", "ann");
    answer(&host, "limits", "200", "10");
    assert!(first.request_resumed());
    first.response_headers(&[(":status", "200")]);
    assert_eq!(first.response_header("x-gathered").as_deref(), Some("ann; 10"));
    second.request_headers(&[(":path", "/ann")]);
    answer(&host, "users", "503", "");
    assert_eq!(second.reply().map(|reply| reply.status), Some(502));
}

#[sluicegate_host::test]
fn a_plugin_of_another_name_does_not_start(host: Host) {
    assert!(!host.start().started());
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let [tasks, closures] = ["tasks", "closures"].map(|root_id| {
        let host = host.clone().root_id(root_id);
        // The second service fails, and then both fail.
        let fails = |host: &RunningHost| {
            let stream = host.http_stream();
            let action = stream.request_headers(&[(":path", "/ann")]);
            for failing in ["limits", ""] {
                for call in host.pending_calls() {
                    if call.cluster.contains(failing) {
                        host.fail_call(call.token);
                    } else {
                        host.answer_call(call.token, &[(":status", "200")], "ann", &[]);
                    }
                }
                // The first tick may be for work that was left to do.
                (0..3).for_each(|_| host.tick());
            }
            let seen = (action, stream.reply().map(|reply| reply.status));
            stream.complete();
            seen
        };
        let refuses = |host: &RunningHost| {
            let stream = host.http_stream();
            let action = stream.request_headers(&[(":path", "/ann")]);
            for call in host.pending_calls() {
                host.answer_call(call.token, &[(":status", "503")], "", &[]);
            }
            let seen = (action, stream.reply().map(|reply| reply.status));
            stream.complete();
            seen
        };
        // Parts that follow come to a filter that holds headers.
        let passes = |host: &RunningHost| {
            let stream = host.http_stream();
            let action = stream.request_headers_with_body(&[(":path", "/ann")]);
            for _ in 0..2 {
                for call in host.pending_calls() {
                    host.answer_call(call.token, &[(":status", "200")], "ann", &[]);
                }
            }
            let seen = (action, stream.request_body("a body", false), stream.request_trailers(&[("a", "b")]));
            stream.complete();
            seen
        };
        sweep(&host, traffic).and(sweep(&host, fails)).and(sweep(&host, refuses)).and(sweep(&host, passes))
    });
    // Tasks may make gRPC calls, too. No header is read by its name, and no part of a body is
    // dropped after one that was kept.
    let others = [
        "proxy_set_buffer_bytes",
        "proxy_get_header_map_value",
        "proxy_on_grpc_close",
        "proxy_on_grpc_receive",
        "proxy_on_grpc_receive_initial_metadata",
        "proxy_on_grpc_receive_trailing_metadata",
        "proxy_grpc_cancel",
        "proxy_grpc_close",
    ];
    tasks.and(closures).assert_reaches_all_but(&others);
}
