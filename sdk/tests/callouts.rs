//! HTTP calls: dispatched by streams, connections and plugins, answered later, failed, or answered
//! to nobody.

use std::cell::Cell;
use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status};
use sluicegate_host::Host;

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];

#[derive(Default)]
struct Plugin {
    ticks: Cell<u32>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        self.ticks.set(self.ticks.get() + 1);
        plugin.call(&HttpCall::new("ticks").headers(&HEADERS).body("tick").timeout(Duration::from_secs(5)))?;
        Ok(())
    }

    fn on_http_call_response(&mut self, plugin: &mut PluginHandle<'_>, response: &CallResponse) -> Result<()> {
        let headers = response.headers()?;
        let status = headers.get(":status").unwrap_or_default();
        info!("plugin {} got {}", plugin.id(), status.display());
        if status == "500" {
            return Err(Error::new("told to fail"));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Filter {
    first: Option<CallToken>,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let call = HttpCall::new("auth").headers(&HEADERS).trailers(&[("t", "1")]);
        self.first = Some(request.call(&call)?);
        Ok(Action::Pause)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, response: &CallResponse) -> Result<()> {
        if let Some((status, text)) = response.failure() {
            info!("{} failed: {status:?} {}", stream.id(), text.len());
            return Err(Error::new("no answer"));
        }
        info!(
            "{} got {} headers, {} bytes, {} trailers",
            stream.id(),
            response.headers()?.len(),
            response.body()?.len(),
            response.trailers()?.len(),
        );
        assert_eq!((response.body_size(), response.trailers_len()), (response.body()?.len(), 0));
        if self.first == Some(response.token()) && response.body()?.starts_with(b"again") {
            stream.call(&HttpCall::new("auth").headers(&HEADERS))?;
            return Ok(());
        }
        stream.edit_request_headers().add("x-checked", "yes")?;
        match &*response.body()? {
            b"no" => stream.reply(&LocalResponse::new(403)),
            _ => stream.resume_request(),
        }
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

#[test]
fn an_answer_comes_to_the_stream_that_asked() {
    let host = Host::new(&PLUGIN).start();
    let (first, second) = (host.http_stream(), host.http_stream());
    assert_eq!(first.request_headers(&[("a", "b")]), 1);
    assert_eq!(second.request_headers(&[("a", "b")]), 1);
    let calls = host.pending_calls();
    assert_eq!(calls.len(), 2);
    assert_eq!((&*calls[0].cluster, calls[0].headers.len(), calls[0].timeout), ("auth", 3, 1000));
    assert_eq!(calls[0].trailers.get(b"t"), Some(&b"1"[..]));

    host.answer_call(calls[1].token, &[(":status", "200")], "yes", &[]);
    assert!(host.logged(LogLevel::Info, &format!("{} got 1 headers, 3 bytes, 0 trailers", second.id())));
    assert!(second.request_resumed() && !first.request_resumed());
    assert_eq!(second.request_header("x-checked").as_deref(), Some("yes"));
    assert_eq!(first.request_header("x-checked"), None);

    host.answer_call(calls[0].token, &[(":status", "200")], "no", &[]);
    assert_eq!(first.reply().map(|reply| reply.status), Some(403));
}

#[test]
fn a_call_may_follow_a_call() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "again", &[]);
    assert!(!stream.request_resumed());
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "yes", &[]);
    assert!(stream.request_resumed());
}

#[test]
fn a_failed_call_says_why_and_the_policy_decides() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    host.fail_call(host.pending_calls()[0].token);
    assert!(host.logged(LogLevel::Info, &format!("{} failed: BrokenConnection 5", stream.id())));
    assert!(host.logged(LogLevel::Error, "on_http_call_response (context 2): no answer"));
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

#[test]
fn an_answer_to_a_stream_that_is_gone_is_dropped() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    let token = host.pending_calls()[0].token;
    stream.complete();
    host.clear_log();
    host.answer_call(token, &[(":status", "200")], "yes", &[]);
    assert_eq!(host.log(), []);
}

#[test]
fn a_number_that_nobody_waits_for_is_noted() {
    let host = Host::new(&PLUGIN).start();
    PLUGIN.proxy_on_http_call_response.unwrap()(1, 77, 1, 0, 0);
    assert!(host.logged(LogLevel::Warn, "sluicegate: no such call: 77"));
}

#[test]
fn a_plugin_calls_from_its_tick() {
    let host = Host::new(&PLUGIN).start();
    host.tick();
    host.tick();
    let calls = host.pending_calls();
    assert_eq!((calls.len(), &*calls[0].body, calls[0].timeout), (2, &b"tick"[..], 5000));
    host.answer_call(calls[0].token, &[(":status", "200")], "", &[]);
    host.answer_call(calls[1].token, &[(":status", "500")], "", &[]);
    assert!(host.logged(LogLevel::Info, "plugin 1 got 200"));
    assert!(host.logged(LogLevel::Error, "on_http_call_response (context 1): told to fail"));
}

#[test]
fn a_refused_call_is_an_error() {
    let host = Host::new(&PLUGIN).start();
    host.fail(Import::proxy_http_call, Status::BadArgument);
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[("a", "b")]), Action::StopIteration as u32);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    assert!(host.pending_calls().is_empty());
    assert!(
        host.logged(LogLevel::Warn, "sluicegate: the host refuses a call to the cluster: auth"),
        "{:?}",
        host.log()
    );
}

#[test]
fn an_answer_on_whose_context_the_host_does_not_act_is_a_failure() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    host.fail(Import::proxy_set_effective_context, Status::InternalFailure);
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "yes", &[]);
    let call = format!("on_http_call_response (context 2): proxy_set_effective_context (context {})", stream.id());
    let error = format!("{call}: error status returned by host: internal failure");
    assert!(host.logged(LogLevel::Error, &error), "{:?}", host.log());
    assert_eq!((stream.request_resumed(), host.counter("sluicegate_errors")), (false, Some(1)));
}

mod forward {
    use super::*;

    #[derive(Default)]
    struct Forward;

    #[sluicegate::http_filter]
    impl HttpFilter for Forward {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            let headers: Vec<_> = request.snapshot()?.iter().collect();
            request.call_and_forget(&HttpCall::new("mirror").headers(&headers))?;
            Ok(Action::Continue)
        }
    }

    sluicegate::plugin!(http: Forward);
}

#[test]
fn a_calls_headers_may_be_views_and_no_text() {
    let host = Host::new(&forward::PLUGIN).start();
    let stream = host.http_stream();
    let headers = [(&b":method"[..], &b"GET"[..]), (b":path", b"/"), (b":authority", b"a"), (b"x", b"\xff")];
    assert_eq!(stream.request_headers(&headers), Action::Continue as u32);
    assert_eq!(host.pending_calls()[0].headers, stream.request_map());
}

/// Returns the growth of a VM's memory from one repetition to a hundred.
fn growth(host: &sluicegate_host::RunningHost, once: impl Fn()) -> isize {
    once();
    let before = host.live_bytes().unwrap();
    (0..100).for_each(|_| once());
    host.live_bytes().unwrap() - before
}

#[test]
fn calls_whose_answers_nobody_takes_leave_nothing() {
    let host = Host::new(&forward::PLUGIN).start();
    let grown = growth(&host, || {
        let stream = host.http_stream();
        stream.request_headers(&HEADERS);
        stream.complete();
    });
    assert_eq!((grown, host.pending_calls().len()), (0, 101));
}

#[test]
fn answers_to_streams_that_are_gone_leave_nothing() {
    let host = Host::new(&PLUGIN).start();
    let grown = growth(&host, || {
        let stream = host.http_stream();
        stream.request_headers(&[("a", "b")]);
        stream.complete();
        host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "yes", &[]);
    });
    assert_eq!((grown, host.pending_calls().len()), (0, 0));
}

mod mirror {
    use super::*;

    /// Takes answers over HTTP, and none over gRPC.
    #[derive(Default)]
    struct Mirror;

    #[sluicegate::http_filter]
    impl HttpFilter for Mirror {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            request.call(&HttpCall::new("auth").headers(&HEADERS))?;
            request.stream().grpc_call_and_forget(&GrpcCall::new("mirror", "Service", "Get"))?;
            Ok(Action::Pause)
        }

        fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, _: &CallResponse) -> Result<()> {
            stream.resume_request()
        }
    }

    sluicegate::plugin!(http: Mirror);
}

#[test]
fn one_kind_of_answers_may_be_taken_and_the_other_not() {
    let host = Host::new(&mirror::PLUGIN).start();
    let grown = growth(&host, || {
        let stream = host.http_stream();
        stream.request_headers(&[("a", "b")]);
        host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "yes", &[]);
        assert!(stream.request_resumed());
        stream.complete();
    });
    assert_eq!((grown, host.open_grpc().len()), (0, 101));
}

mod sends {
    use super::*;

    thread_local! {
        /// The number of calls that the host took, as the filter sees it.
        pub static SENT: Cell<usize> = const { Cell::new(0) };
    }

    #[derive(Default)]
    struct Sends;

    #[sluicegate::http_filter(calls)]
    impl HttpFilter for Sends {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            let call = HttpCall::new("auth").headers(&HEADERS);
            let grpc = GrpcCall::new("cluster", "Service", "Get");
            let sent = [
                request.call_and_forget(&call).is_ok(),
                request.call_then(&call, |_: &mut Self, _, _| Ok(())).is_ok(),
                request.stream().grpc_call_and_forget(&grpc).is_ok(),
                request.stream().grpc_call_then(&grpc, |_: &mut Self, _, _| Ok(())).is_ok(),
                request
                    .stream()
                    .grpc_stream_then("cluster", "Service", "Chat", &[], |_: &mut Self, _, _| Ok(()))
                    .is_ok(),
            ];
            SENT.set(sent.iter().filter(|sent| **sent).count());
            Ok(Action::Continue)
        }
    }

    sluicegate::plugin!(http: Sends);
}

#[test]
fn a_call_that_is_an_error_because_memory_is_out_was_not_sent() {
    sluicegate_host::sweep_allocations(&Host::new(&sends::PLUGIN), |host| {
        sends::SENT.set(0);
        let stream = host.http_stream();
        stream.request_headers(&[("a", "b")]);
        let (calls, grpc) = (host.pending_calls(), host.open_grpc());
        assert_eq!(calls.len() + grpc.len(), sends::SENT.get());
        calls.iter().for_each(|call| host.answer_call(call.token, &[(":status", "200")], "", &[]));
        grpc.iter().for_each(|call| host.grpc_close(call.token, 0, ""));
        stream.complete();
    });
}

mod times {
    use super::*;

    #[derive(Default)]
    struct Times;

    #[sluicegate::http_filter]
    impl HttpFilter for Times {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            for timeout in [Duration::ZERO, Duration::from_micros(1), Duration::MAX] {
                request.call_and_forget(&HttpCall::new("auth").headers(&HEADERS).timeout(timeout))?;
                let grpc = GrpcCall::new("auth", "Service", "Get").timeout(timeout);
                request.stream().grpc_call_and_forget(&grpc)?;
            }
            Ok(Action::Continue)
        }
    }

    sluicegate::plugin!(http: Times);
}

#[test]
fn the_shortest_timeout_is_one_and_the_longest_is_accepted() {
    let host = Host::new(&times::PLUGIN).start();
    host.http_stream().request_headers(&[("a", "b")]);
    assert_eq!(host.log(), []);
    let timeouts: Vec<_> = host.pending_calls().iter().map(|call| call.timeout).collect();
    assert_eq!(timeouts, [0, 1, 2_147_483_647]);
    let timeouts: Vec<_> = host.open_grpc().iter().filter_map(|call| call.timeout).collect();
    assert_eq!(timeouts, [0, 1, 2_147_483_647]);
}
