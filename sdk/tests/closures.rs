//! Answers that come to closures: run once with the context that asked, or dropped with it.

use std::cell::Cell;
use std::rc::Rc;

use sluicegate::callout::Pending;
use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status, abi::Import};
use sluicegate_host::{Host, RunningHost};

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];
const OK: [(&str, &str); 1] = [(":status", "200")];

thread_local! {
    /// The number of live closures.
    static LIVE: Rc<()> = Rc::new(());
}

/// Goes into a closure, to count it.
fn guard() -> Rc<()> {
    LIVE.with(Rc::clone)
}

fn live() -> usize {
    LIVE.with(Rc::strong_count) - 1
}

#[derive(Default)]
struct Plugin {
    answers: Cell<u32>,
}

#[sluicegate::plugin_context(calls)]
impl PluginContext for Plugin {
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        let guard = guard();
        plugin.call_then(&HttpCall::new("tick").headers(&HEADERS), move |context: &mut Self, plugin, answer| {
            let _ = &guard;
            context.answers.set(context.answers.get() + 1);
            info!("plugin {} has {} answers: {}", plugin.id(), context.answers.get(), answer?.body_size());
            Ok(())
        })?;
        Ok(())
    }

    fn on_http_call_response(&mut self, _: &mut PluginHandle<'_>, _: &CallResponse) -> Result<()> {
        Err(Error::new("the closure has it"))
    }
}

#[derive(Default)]
struct Filter {
    answers: u32,
    pending: Option<Pending>,
}

#[sluicegate::http_filter(calls)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn create(plugin: &Plugin, id: u32) -> Self {
        info!("{id} after {}", plugin.answers.get());
        Self::default()
    }

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let (count, guard) = (request.snapshot()?.len(), guard());
        let call = HttpCall::new("auth").headers(&HEADERS);
        let pending = request.call_then(&call, move |filter: &mut Self, stream, answer| {
            let _ = &guard;
            filter.answers += 1;
            let response = match answer {
                Ok(response) => response,
                Err(failure) => {
                    info!("{} failed: {failure:?}", stream.id());
                    return Err(failure.into());
                }
            };
            info!("{} of {count}: {:?}", stream.id(), ByteStr::new(&response.body()?));
            if response.body_size() == 0 {
                // A closure may ask again.
                stream.call_then(&HttpCall::new("again").headers(&HEADERS), |filter: &mut Self, stream, answer| {
                    info!("again after {}: {}", filter.answers, answer?.body_size());
                    stream.resume_request()
                })?;
                return Ok(());
            }
            stream.resume_request()
        })?;
        self.pending = Some(pending);
        Ok(Action::Pause)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        let cancelled = self.pending.is_some_and(Pending::cancel);
        info!("cancelled {cancelled}");
        let guard = guard();
        let call = GrpcCall::new("cluster", "Service", "Get").message("?");
        self.pending = Some(body.stream().grpc_call_then(&call, move |filter: &mut Self, stream, answer| {
            let _ = &guard;
            match answer {
                Ok(event) => info!("{} after {}: {:?}", stream.id(), filter.answers, event.message()?),
                Err(failure) => {
                    info!("{failure:?} {:?}", failure.text()?);
                    return Err(failure.into());
                }
            }
            Ok(())
        })?);
        Ok(DataAction::Pause)
    }

    fn on_http_call_response(&mut self, _: &mut HttpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        info!("to the callback");
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn only_call(host: &RunningHost) -> u32 {
    let calls = host.pending_calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls[0].token
}

#[test]
fn an_answer_comes_to_its_closure_with_the_context_that_asked() {
    let host = Host::new(&PLUGIN).start();
    let (first, second) = (host.http_stream(), host.http_stream());
    first.request_headers(&[("a", "b")]);
    second.request_headers(&[("a", "b"), ("c", "d")]);
    assert_eq!(live(), 2);
    let calls = host.pending_calls();
    host.answer_call(calls[1].token, &OK, "yes", &[]);
    assert!(host.logged(LogLevel::Info, &format!("{} of 2: \"yes\"", second.id())), "{:?}", host.log());
    assert!(second.request_resumed() && !first.request_resumed());
    host.answer_call(calls[0].token, &OK, "", &[]);
    assert!(!first.request_resumed(), "it asked again");
    host.answer_call(only_call(&host), &OK, "1234", &[]);
    assert!(host.logged(LogLevel::Info, "again after 1: 4"));
    assert!(first.request_resumed());
    assert!(!host.logged(LogLevel::Info, "to the callback"));
    assert_eq!(live(), 0);
}

#[test]
fn a_plugin_asks_from_its_tick_and_changes_itself() {
    let host = Host::new(&PLUGIN).start();
    host.tick();
    host.tick();
    for call in host.pending_calls() {
        host.answer_call(call.token, &OK, "body", &[]);
    }
    assert!(host.logged(LogLevel::Info, "plugin 1 has 2 answers: 4"), "{:?}", host.log());
    assert_eq!(live(), 0);
    host.tick();
    assert_eq!(live(), 1);
    host.finish();
    assert_eq!(live(), 0, "it went with its plugin");
}

#[test]
fn a_failure_has_a_name_and_an_error_meets_the_policy() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    host.fail_call(only_call(&host));
    let line = host.log().into_iter().find(|line| line.text.contains(" failed: ")).expect("a line");
    assert!(line.text.ends_with("BrokenConnection") || line.text.ends_with("Reset"), "{line:?}");
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    assert_eq!(live(), 0);
}

#[test]
fn closures_go_with_their_stream_and_the_late_answer_is_dropped() {
    let host = Host::new(&PLUGIN).allow_on_headers_stop_iteration().start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    stream.request_body("x", false);
    let tokens = (only_call(&host), host.open_grpc()[0].token);
    stream.complete();
    assert_eq!(live(), 0);
    assert_eq!(host.open_grpc(), [], "cancelled at the proxy");
    host.clear_log();
    host.answer_call(tokens.0, &OK, "late", &[]);
    assert_eq!(host.log(), []);
}

#[test]
fn a_cancelled_closure_never_runs() {
    let host = Host::new(&PLUGIN).allow_on_headers_stop_iteration().start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    stream.request_body("x", false);
    assert!(host.logged(LogLevel::Info, "cancelled true"));
    assert_eq!((live(), host.open_grpc().len()), (1, 1), "the gRPC call's");
    host.clear_log();
    host.answer_call(only_call(&host), &OK, "late", &[]);
    assert_eq!(host.log(), [], "an HTTP call that is given up is answered to nobody");

    stream.request_body("x", false);
    assert!(host.logged(LogLevel::Info, "cancelled true"));
    assert_eq!((live(), host.open_grpc().len()), (1, 1), "one is cancelled at the proxy, one is new");
    let token = host.open_grpc()[0].token;
    host.grpc_message(token, "answer");
    assert_eq!(live(), 0);
    stream.request_body("x", false);
    assert!(host.logged(LogLevel::Info, "cancelled false"), "it has run");
}

#[test]
fn a_grpc_answer_or_its_status_comes_to_the_closure() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_body("x", false);
    let token = host.open_grpc()[0].token;
    host.grpc_initial_metadata(token, &[("a", "b")]);
    assert_eq!(live(), 1, "it waits for the message");
    host.grpc_message(token, "answer");
    assert!(host.logged(LogLevel::Info, &format!("{} after 0: \"answer\"", stream.id())), "{:?}", host.log());
    stream.request_body("x", false);
    host.grpc_close(host.open_grpc()[0].token, 14, "no host");
    assert!(host.logged(LogLevel::Info, "Closed(Unavailable) \"no host\""), "{:?}", host.log());
    assert!(host.logged(
        LogLevel::Error,
        "closure of a call (context 2): the gRPC service is unavailable, or did not respond in time"
    ));
    assert_eq!(live(), 0);
}

#[test]
fn a_refused_call_keeps_no_closure() {
    let host = Host::new(&PLUGIN).start();
    host.fail(Import::proxy_http_call, Status::BadArgument);
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[("a", "b")]), Action::StopIteration as u32);
    assert_eq!(live(), 0);
}

#[test]
fn a_number_that_comes_twice_or_unasked_is_tolerated() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    let token = only_call(&host);
    host.answer_call(token, &OK, "yes", &[]);
    PLUGIN.proxy_on_http_call_response.unwrap()(1, token, 1, 0, 0);
    assert!(host.logged(LogLevel::Warn, &format!("sluicegate: no such call: {token}")));
    PLUGIN.proxy_on_grpc_receive.unwrap()(1, 4000, 1);
    assert!(host.logged(LogLevel::Debug, "sluicegate: no such gRPC call or stream: 4000"));
}

mod connection {
    use super::*;

    #[derive(Default)]
    struct Connection;

    #[sluicegate::tcp_filter(calls)]
    impl TcpFilter for Connection {
        fn on_new_connection(&mut self, connection: &mut TcpHandle<'_>) -> Result<FilterStatus> {
            connection.call_then(
                &HttpCall::new("a").headers(&HEADERS),
                |_: &mut Self, connection, answer| match answer {
                    Ok(_) => connection.resume_downstream(),
                    Err(_) => connection.close_downstream(),
                },
            )?;
            Ok(FilterStatus::StopIteration)
        }
    }

    sluicegate::plugin!(tcp: Connection);
}

#[test]
fn a_connection_asks_too() {
    let host = Host::new(&connection::PLUGIN).start();
    let (first, second) = (host.tcp_connection(), host.tcp_connection());
    let calls = host.pending_calls();
    host.answer_call(calls[0].token, &OK, "", &[]);
    host.fail_call(calls[1].token);
    assert!(!first.closed_downstream());
    assert!(second.closed_downstream());
}

mod mixed_up {
    use super::*;

    #[derive(Default)]
    pub(super) struct Other;

    #[sluicegate::http_filter(calls)]
    impl HttpFilter for Other {}

    #[derive(Default)]
    struct Asks;

    #[sluicegate::http_filter(calls)]
    impl HttpFilter for Asks {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            request.call_then(&HttpCall::new("a").headers(&HEADERS), |_: &mut Other, _, _| Ok(()))?;
            Ok(Action::Pause)
        }
    }

    sluicegate::plugin!(http: Asks);
}

#[test]
fn a_closure_for_another_filter_is_an_error() {
    let host = Host::new(&mixed_up::PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    host.answer_call(only_call(&host), &OK, "", &[]);
    assert!(host.logged(
        LogLevel::Error,
        "closure of a call (context 2): the closure names another type than that of its context"
    ));
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

mod by_token {
    use super::*;

    #[derive(Default)]
    struct Ticks;

    #[sluicegate::plugin_context(calls)]
    impl PluginContext for Ticks {
        fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
            let guard = guard();
            let call = GrpcCall::new("cluster", "Service", "Get");
            let pending = plugin.grpc_call_then(&call, move |_: &mut Self, _, _| {
                let _ = &guard;
                Ok(())
            })?;
            pending.token().cancel()?;
            info!("cancelled twice: {}", pending.cancel());
            Ok(())
        }
    }

    sluicegate::plugin!(plugin: Ticks);
}

#[test]
fn a_call_that_is_cancelled_by_its_number_keeps_no_closure() {
    let host = Host::new(&by_token::PLUGIN).start();
    host.tick();
    assert!(host.logged(LogLevel::Info, "cancelled twice: false"), "{:?}", host.log());
    assert_eq!((live(), host.open_grpc().len()), (0, 0));
}

mod streams {
    use super::*;

    #[derive(Default)]
    struct Chat {
        events: usize,
    }

    #[sluicegate::http_filter(calls)]
    impl HttpFilter for Chat {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            let (how, guard) = (request.get("do")?.unwrap_or_default().display().to_string(), guard());
            let cluster = if how == "refused" { "" } else { "cluster" };
            let each = move |filter: &mut Self, stream: &mut HttpHandle<'_>, event: &GrpcEvent| {
                let _ = &guard;
                filter.events += 1;
                info!("{} of {}: {:?}", filter.events, stream.id(), event.kind());
                match (&*how, event.kind()) {
                    ("cancel", GrpcEventKind::Message(_)) => event.token().cancel(),
                    ("fail", GrpcEventKind::Message(_)) => Err(Error::new("told to")),
                    // The actions of a host that calls back.
                    ("nested", GrpcEventKind::Message(1)) => {
                        let token = format!("{:?}", event.token());
                        let token = token.trim_matches(|char: char| !char.is_ascii_digit());
                        PLUGIN.proxy_on_grpc_receive.unwrap()(1, token.parse().unwrap(), 2);
                        Ok(())
                    }
                    ("deleted", GrpcEventKind::Message(_)) => {
                        PLUGIN.proxy_on_delete.unwrap()(stream.id());
                        Ok(())
                    }
                    (_, GrpcEventKind::Closed(_)) => stream.resume_request(),
                    _ => Ok(()),
                }
            };
            request.stream().grpc_stream_then(cluster, "Service", "Chat", &[], each)?.send("hello", false)?;
            Ok(Action::Pause)
        }
    }

    sluicegate::plugin!(http: Chat);
}

fn chat<'a>(host: &'a RunningHost, how: &str) -> (sluicegate_host::HttpStream<'a>, u32) {
    let stream = host.http_stream();
    stream.request_headers(&[("do", how)]);
    (stream, host.open_grpc()[0].token)
}

#[test]
fn all_events_of_a_grpc_stream_come_to_its_closure() {
    let host = Host::new(&streams::PLUGIN).start();
    let (stream, token) = chat(&host, "");
    host.grpc_initial_metadata(token, &[("a", "b")]);
    host.grpc_message(token, "one");
    host.grpc_message(token, "three");
    host.grpc_trailing_metadata(token, &[]);
    assert!(!stream.request_resumed());
    assert_eq!(live(), 1);
    host.grpc_close(token, 0, "");
    assert!(stream.request_resumed());
    assert_eq!(live(), 0, "the last event drops it");
    let id = stream.id();
    let expected = ["InitialMetadata(1)", "Message(3)", "Message(5)", "TrailingMetadata(0)", "Closed(0)"];
    for (at, what) in expected.iter().enumerate() {
        host.assert_logged(LogLevel::Info, &format!("{} of {id}: {what}", at + 1));
    }
}

#[test]
fn the_closure_of_a_grpc_stream_goes_with_the_stream_and_with_its_context() {
    let host = Host::new(&streams::PLUGIN).start();
    let (stream, token) = chat(&host, "cancel");
    host.grpc_message(token, "one");
    assert_eq!((live(), host.calls(Import::proxy_grpc_cancel), host.open_grpc().len()), (0, 1, 0));
    stream.complete();

    let (stream, _) = chat(&host, "");
    assert_eq!(live(), 1);
    stream.complete();
    assert_eq!((live(), host.calls(Import::proxy_grpc_cancel), host.open_grpc().len()), (0, 2, 0));

    // While it runs.
    let (_, token) = chat(&host, "deleted");
    host.grpc_message(token, "one");
    assert_eq!((live(), host.calls(Import::proxy_grpc_cancel), host.open_grpc().len()), (0, 3, 0));

    // An event of a host that calls back while it runs is lost, and it goes on.
    let (stream, token) = chat(&host, "nested");
    host.grpc_message(token, "1");
    host.assert_logged(LogLevel::Warn, &format!("sluicegate: context is busy: {}", stream.id()));
    host.grpc_message(token, "three");
    host.assert_logged(LogLevel::Info, &format!("2 of {}: Message(5)", stream.id()));
    assert_eq!(live(), 1);
    stream.complete();
    assert_eq!(live(), 0);
}

#[test]
fn the_closure_of_a_grpc_stream_may_fail_and_goes_on() {
    let host = Host::new(&streams::PLUGIN).start();
    let (stream, token) = chat(&host, "fail");
    host.grpc_message(token, "one");
    host.assert_logged(LogLevel::Error, "closure of a gRPC stream (context 2): told to");
    stream.assert_reply(500);
    host.grpc_close(token, 13, "");
    host.assert_logged(LogLevel::Info, &format!("2 of {}: Closed(13)", stream.id()));
    assert_eq!(live(), 0);

    let host = Host::new(&streams::PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("do", "refused")]);
    stream.assert_reply(500);
    assert_eq!((live(), host.calls(Import::proxy_grpc_stream)), (0, 0), "it does not run, and is dropped");
}

#[test]
fn numbers_of_http_calls_and_of_grpc_are_told_apart() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    let http = only_call(&host);
    PLUGIN.proxy_on_grpc_receive.unwrap()(1, http, 0);
    PLUGIN.proxy_on_grpc_close.unwrap()(1, http, 0);
    assert_eq!(live(), 1);
    host.answer_call(http, &OK, "yes", &[]);
    assert!(host.logged(LogLevel::Info, &format!("{} of 1: \"yes\"", stream.id())), "{:?}", host.log());

    stream.request_body("x", true);
    let grpc = host.open_grpc()[0].token;
    PLUGIN.proxy_on_http_call_response.unwrap()(1, grpc, 1, 0, 0);
    assert_eq!(live(), 1);
    host.grpc_message(grpc, "here");
    assert!(host.logged(LogLevel::Info, &format!("{} after 1: \"here\"", stream.id())), "{:?}", host.log());
}

mod by_grpc {
    use super::*;

    #[derive(Default)]
    struct Judge;

    /// Lets go what a service says yes to, and answers the rest.
    fn judged(stream: &mut HttpHandle<'_>, answer: Result<&GrpcEvent, GrpcFailure>) -> Result<Action> {
        if *answer?.message()? == *b"yes" {
            return Ok(Action::Continue);
        }
        stream.reply(&LocalResponse::new(403))?;
        Ok(Action::Pause)
    }

    #[sluicegate::http_filter(calls)]
    impl HttpFilter for Judge {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            let call = GrpcCall::new("cluster", "Judge", "Headers");
            request.hold_for_grpc_call(&call, |_: &mut Self, stream, answer| judged(stream, answer))
        }

        fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
            let call = GrpcCall::new("cluster", "Judge", "Body");
            body.hold_for_grpc_call(&call, |_: &mut Self, stream, answer| judged(stream, answer))
        }
    }

    sluicegate::plugin!(http: Judge);
}

#[test]
fn a_grpc_service_judges_headers_and_a_body() {
    for (headers, body) in [("yes", "yes"), ("yes", "no"), ("no", "")] {
        let host = Host::new(&by_grpc::PLUGIN).start();
        let stream = host.http_stream();
        stream.request_headers_with_body(&[(":method", "POST")]);
        assert!(!stream.request_resumed());
        host.grpc_message(host.open_grpc()[0].token, headers);
        let passed = headers == "yes";
        assert_eq!((stream.request_resumed(), stream.reply().is_some()), (passed, !passed));
        if passed {
            stream.request_body("whole", true);
            assert!(stream.sent_request_body().is_empty());
            host.grpc_message(host.open_grpc()[0].token, body);
            let sent: &[u8] = if body == "yes" { b"whole" } else { b"" };
            assert_eq!((stream.sent_request_body().as_slice(), stream.reply().is_none()), (sent, body == "yes"));
        }
    }
    // No answer is an error of the judge's, and the policy is closed.
    let host = Host::new(&by_grpc::PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "POST")]);
    host.grpc_close(host.open_grpc()[0].token, 14, "no host");
    assert_eq!((stream.request_resumed(), stream.reply().map(|reply| reply.status)), (false, Some(500)));
}
