//! A call that would end the proxy, or hold a stream without anything that resumes it, is an error
//! at the call, and makes no host call.

use sluicegate::Exports;
use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{LogLevel, task};
use sluicegate_host::{Host, HttpStream, RunningHost};

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];
const ASK: HttpCall<'static> = HttpCall::new("auth").headers(&HEADERS);
const OK: [(&str, &str); 1] = [(":status", "200")];

/// The calls of a stream that a proxy may not survive.
fn ask<P>(stream: &HttpHandle<'_, P>, what: &str) -> Result<()> {
    match what {
        "resume request" => stream.resume_request(),
        "resume response" => stream.resume_response(),
        "reply" => stream.reply(&LocalResponse::new(403)),
        "reset" => stream.reset(),
        "reset response" => stream.reset_response(),
        other => panic!("{other}"),
    }
}

const ALL: [&str; 5] = ["resume request", "resume response", "reply", "reset", "reset response"];

/// Does in the callback of a header what the header says, and logs what came of it.
fn act<P>(stream: &HttpHandle<'_, P>, here: &str, wanted: &str) {
    if let Some(what) = wanted.strip_prefix(here).and_then(|what| what.strip_prefix(": ")) {
        let done = ask(stream, what);
        info!("{what}: {}", done.map_or_else(|error| error.to_string(), |()| "done".into()));
    }
}

#[derive(Default)]
struct Everywhere {
    wanted: String,
}

/// Each callback of a stream, with the header `do` that says where to ask for what.
#[sluicegate::http_filter(tasks)]
impl HttpFilter for Everywhere {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.wanted = request.get("do")?.unwrap_or_default().display().to_string();
        act(request.stream(), "request headers", &self.wanted);
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        act(body.stream(), "request body", &self.wanted);
        match &*self.wanted {
            "reply body" => body.reply(&LocalResponse::new(413)),
            "fail body" => Err(Error::new("told to")),
            _ => Ok(DataAction::Continue),
        }
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_>) -> Result<FilterStatus> {
        act(trailers.stream(), "request trailers", &self.wanted);
        Ok(FilterStatus::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        act(response.stream(), "response headers", &self.wanted);
        Ok(Action::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
        act(body.stream(), "response body", &self.wanted);
        match &*self.wanted {
            "reply response body" => body.reply(&LocalResponse::new(503)),
            "fail response body" => Err(Error::new("told to")),
            _ => Ok(DataAction::Continue),
        }
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_>) -> Result<FilterStatus> {
        act(trailers.stream(), "response trailers", &self.wanted);
        Ok(FilterStatus::Continue)
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
        act(stream, "log", &self.wanted);
        Ok(())
    }

    fn on_done(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
        act(stream, "done", &self.wanted);
        Ok(())
    }

    fn on_delete(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
        act(stream, "delete", &self.wanted);
        Ok(())
    }
}

sluicegate::plugin!(http: Everywhere);

fn whole_stream(host: &RunningHost, wanted: &str) {
    let stream = host.http_stream();
    stream.request_headers_with_body(&[("do", wanted)]);
    stream.request_body("x", false);
    stream.request_trailers(&[("a", "b")]);
    stream.response_headers(&OK);
    stream.response_body("x", false);
    stream.response_trailers(&[("a", "b")]);
    stream.complete();
}

/// Nothing of this stream is held, so in no callback a resume comes to the host.
#[test]
fn what_is_not_held_is_not_resumed_in_any_callback() {
    let before_the_end = [
        "request headers",
        "request body",
        "request trailers",
        "response headers",
        "response body",
        "response trailers",
    ];
    for here in before_the_end.iter().chain(&["log", "done", "delete"]) {
        for what in ["resume request", "resume response"] {
            let host = Host::new(&PLUGIN).start();
            whole_stream(&host, &format!("{here}: {what}"));
            let why = if before_the_end.contains(here) { "the filter does not hold it" } else { "it has ended" };
            let direction = what.strip_prefix("resume ").unwrap();
            host.assert_logged(LogLevel::Info, &format!("{what}: {direction}: {why}"));
            assert_eq!(host.calls(Import::proxy_continue_stream), 0, "{here} {what}");
        }
    }
}

/// A proxy may end if a stream is answered, resumed or reset that has ended.
#[test]
fn a_stream_that_has_ended_is_left_alone() {
    for here in ["log", "done", "delete"] {
        for what in ALL {
            let host = Host::new(&PLUGIN).start();
            whole_stream(&host, &format!("{here}: {what}"));
            let line = host.log().into_iter().find(|line| line.text.starts_with(what)).expect("it is asked for").text;
            assert!(line.contains("has ended"), "{here}: {line}");
            let calls = [Import::proxy_continue_stream, Import::proxy_send_local_response, Import::proxy_close_stream];
            assert_eq!(calls.map(|call| host.calls(call)), [0; 3], "{here} {what}");
        }
    }
}

/// A body is answered with a status that every host has, also where the SDK decides.
#[test]
fn bodies_that_the_sdk_stops_are_answered_with_the_one_stop_that_all_hosts_know() {
    for wanted in ["reply body", "fail body"] {
        let host = Host::new(&PLUGIN).start();
        let stream = host.http_stream();
        stream.request_headers_with_body(&[("do", wanted)]);
        assert_eq!(stream.request_body("x", true), 1, "{wanted}");
    }
    for wanted in ["reply response body", "fail response body"] {
        let host = Host::new(&PLUGIN).start();
        let stream = host.http_stream();
        stream.request_headers(&[("do", wanted)]);
        stream.response_headers(&OK);
        assert_eq!(stream.response_body("x", true), 1, "{wanted}");
    }
    let host = Host::new(&PLUGIN).start();
    assert_eq!(host.callback("proxy_on_request_body", &[77, 1, 1]), Some(1), "a stream that is missing");
}

/// The response may be complete once it was let go on, and a reply to it would end the proxy.
#[test]
fn a_response_that_was_let_go_on_is_not_answered() {
    for wanted in ["reply", "fail"] {
        let host = Host::new(&gone::PLUGIN).start();
        let stream = host.http_stream();
        stream.request_headers(&[("do", wanted)]);
        assert_eq!(stream.response_headers_only(&OK), 1, "it waits for the answer");
        host.answer_call(host.pending_calls()[0].token, &OK, "", &[]);
        assert!(stream.response_resumed(), "{wanted}");
        assert_eq!(host.calls(Import::proxy_send_local_response), 0, "{wanted}");
        let line = "reply: the response has gone on, and no reply is possible";
        assert_eq!(host.logged(LogLevel::Info, line), wanted == "reply");
        stream.complete();
    }
}

/// A response that is let go on when a call is answered, and answered in the same callback.
mod gone {
    use super::*;

    #[derive(Default)]
    struct Filter {
        wanted: String,
    }

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            self.wanted = request.get("do")?.unwrap_or_default().display().to_string();
            Ok(Action::Continue)
        }

        fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
            response.call(&ASK)?;
            Ok(Action::Pause)
        }

        fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, _: &CallResponse) -> Result<()> {
            stream.resume_response()?;
            if self.wanted == "fail" {
                return Err(Error::new("told to"));
            }
            act(stream, "answer", "answer: reply");
            Ok(())
        }
    }

    sluicegate::plugin!(http: Filter);
}

/// Calls and tasks in contexts that cannot take what comes of them.
mod unable {
    use super::*;

    #[derive(Default)]
    pub(super) struct Plugin;

    #[sluicegate::plugin_context]
    impl PluginContext for Plugin {
        fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, which: u32) -> Result<()> {
            // By another name, because the attribute refuses to compile what it sees.
            let handle = plugin;
            match which {
                0 => handle.call(&ASK).map(drop),
                1 => handle.grpc_call(&GrpcCall::new("auth", "S", "M")).map(drop),
                2 => handle.grpc_stream("auth", "S", "M", &[]).map(drop),
                _ => handle.call_and_forget(&ASK),
            }
        }
    }

    #[derive(Default)]
    struct Filter;

    #[sluicegate::http_filter(calls)]
    impl HttpFilter for Filter {
        type Plugin = Plugin;

        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
            let handle = request;
            match handle.get("do")?.unwrap_or_default().as_bytes() {
                b"call" => drop(handle.call(&ASK)?),
                b"grpc call" => drop(handle.stream().grpc_call(&GrpcCall::new("auth", "S", "M"))?),
                b"grpc stream" => drop(handle.stream().grpc_stream("auth", "S", "M", &[])?),
                b"forget" => {
                    handle.call_and_forget(&ASK)?;
                    handle.stream().grpc_call_and_forget(&GrpcCall::new("auth", "S", "M"))?;
                    return Ok(Action::Continue);
                }
                other => panic!("{other:?}"),
            }
            Ok(Action::Pause)
        }
    }

    sluicegate::plugin!(plugin: Plugin, http: Filter);
}

/// Also where another context of the module, or a closure, takes answers.
#[test]
fn a_call_whose_answer_nobody_takes_is_an_error() {
    for what in ["call", "grpc call", "grpc stream"] {
        let host = Host::new(&unable::PLUGIN).start();
        let stream = host.http_stream();
        stream.request_headers(&[("do", what)]);
        stream.assert_reply(500);
        let callback = if what == "call" { "`on_http_call_response`" } else { "`on_grpc_event`" };
        assert!(host.log().iter().any(|line| line.text.contains(callback)), "{:?}", host.log());
        assert_eq!((host.pending_calls().len(), host.open_grpc().len()), (0, 0));
    }
    let host = Host::new(&unable::PLUGIN).start();
    for which in 0..3 {
        host.call_function(which, "");
    }
    assert_eq!((host.pending_calls().len(), host.open_grpc().len(), host.log().len()), (0, 0, 3));
    host.clear_log();
    host.call_function(3, "");
    let stream = host.http_stream();
    stream.request_headers(&[("do", "forget")]);
    stream.assert_passed();
    host.pending_calls().iter().for_each(|call| host.answer_call(call.token, &OK, "", &[]));
    host.grpc_message(host.open_grpc()[0].token, "answer");
    assert_eq!(host.log(), [], "the answers are dropped without a word");
}

/// Answers that fail or are lost, by policy and by what the filter keeps.
macro_rules! fails {
    ($name:ident, $policy:ident $(, $argument:ident)?) => {
        mod $name {
            use super::*;

            #[derive(Default)]
            struct Filter;

            #[sluicegate::http_filter$(($argument))?]
            impl HttpFilter for Filter {
                const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
                    request.call(&ASK)?;
                    Ok(Action::Pause)
                }

                fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
                    response.call(&ASK)?;
                    Ok(Action::Pause)
                }

                fn on_http_call_response(&mut self, _: &mut HttpHandle<'_>, _: &CallResponse) -> Result<()> {
                    Err(Error::new("cannot judge"))
                }
            }

            sluicegate::plugin!(http: Filter);
        }
    };
}

fails!(open, Open);
fails!(open_stateless, Open, stateless);
fails!(closed, Closed);
fails!(closed_stateless, Closed, stateless);

/// In every kind of filter.
#[test]
fn an_error_in_an_answer_lets_go_or_refuses_by_the_policy() {
    let answer = |host: &RunningHost| host.answer_call(host.pending_calls()[0].token, &OK, "", &[]);
    let both: [(&Exports, bool); 4] = [
        (&open::PLUGIN, true),
        (&open_stateless::PLUGIN, true),
        (&closed::PLUGIN, false),
        (&closed_stateless::PLUGIN, false),
    ];
    for (plugin, is_open) in both {
        let host = Host::new(plugin).start();
        let stream = host.http_stream();
        stream.request_headers(&HEADERS);
        stream.assert_held();
        answer(&host);
        assert_eq!(stream.reached_upstream(), is_open);
        if !is_open {
            stream.assert_reply(500);
            continue;
        }
        stream.response_headers_only(&OK);
        assert!(!stream.reached_client());
        answer(&host);
        assert!(stream.reached_client() && stream.reply().is_none());
    }
}

/// A judge whose answer is lost, because a host brings it within a callback of the same stream.
mod nested {
    use super::*;

    macro_rules! nests {
        ($name:ident, $policy:ident) => {
            pub(super) mod $name {
                use super::*;

                #[derive(Default)]
                struct Filter;

                #[sluicegate::http_filter(calls)]
                impl HttpFilter for Filter {
                    const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
                        let _ = request.hold_for_call(&ASK, |_: &mut Self, _, _| Ok(Action::Continue))?;
                        // The host answers within this one: its token is the next after the first.
                        request.hold_for_call(&ASK, |_: &mut Self, _, answer| {
                            let token = format!("{:?}", answer?.token());
                            let token: u32 = token.trim_matches(|char: char| !char.is_ascii_digit()).parse().unwrap();
                            PLUGIN.proxy_on_http_call_response.unwrap()(1, token - 4, 1, 0, 0);
                            Ok(Action::Continue)
                        })
                    }
                }

                sluicegate::plugin!(http: Filter);
            }
        };
    }

    nests!(open, Open);
    nests!(closed, Closed);
}

#[test]
fn a_judge_whose_answer_is_lost_does_not_hold_for_ever() {
    for (plugin, is_open) in [(&nested::open::PLUGIN, true), (&nested::closed::PLUGIN, false)] {
        let host = Host::new(plugin).start();
        let stream = host.http_stream();
        stream.request_headers(&HEADERS);
        let calls = host.pending_calls();
        assert_eq!(calls[1].token, calls[0].token + 4);
        host.answer_call(calls[1].token, &OK, "", &[]);
        host.assert_logged(LogLevel::Warn, &format!("sluicegate: context is busy: {}", stream.id()));
        assert_eq!(
            (stream.reached_upstream(), stream.reply().map(|reply| reply.status)),
            if is_open { (true, None) } else { (false, Some(500)) }
        );
        assert!(host.calls(Import::proxy_continue_stream) <= 1);
    }
}

/// Headers that wait for their body.
mod waits {
    use super::*;

    #[derive(Default)]
    struct Filter;

    #[sluicegate::http_filter(tasks)]
    impl HttpFilter for Filter {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            match request.get("do")?.unwrap_or_default().as_bytes() {
                b"task" => request.hold_while(async {
                    ASK.send().await?;
                    task::reply(&LocalResponse::new(403))
                }),
                b"call" => request.hold_for_call(&ASK, |_: &mut Self, _, _| Ok(Action::Continue)),
                b"pass" => Ok(Action::Continue),
                _ => Ok(Action::Pause),
            }
        }
    }

    sluicegate::plugin!(http: Filter);
}

fn warnings(host: &RunningHost) -> usize {
    host.log()
        .iter()
        .filter(|line| line.level == LogLevel::Warn && line.text.contains("whose body is still to come"))
        .count()
}

/// Once a VM, and only where nothing pends.
#[test]
fn headers_that_nothing_will_resume_are_warned_of_once() {
    let host = Host::new(&waits::PLUGIN).start();
    let begin = |what: &str| -> HttpStream<'_> {
        let stream = host.http_stream();
        stream.request_headers_with_body(&[("do", what)]);
        stream
    };
    let _all = ["task", "call", "pass"].map(begin);
    host.http_stream().request_headers(&[("do", "no body")]);
    assert_eq!(warnings(&host), 0);
    let stream = begin("stuck");
    assert_eq!(warnings(&host), 1, "{:?}", host.log());
    let _second = begin("stuck");
    assert_eq!(warnings(&host), 1, "once");
    let id = stream.id();
    stream.complete();
    let line = format!("sluicegate: a stream is deleted that was paused and never resumed: {id}");
    host.assert_logged(LogLevel::Debug, &line);
}
