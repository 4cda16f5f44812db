//! Calls that end or desynchronise a proxy in a callback, by the table that real Envoys made, are refused before the host is called.

use std::cell::Cell;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate_host::{Host, Running};

/// The outcomes in real Envoys.
const TABLE: &str = include_str!("../host/src/phases.tsv");
/// The outcomes that a filter must not reach.
const HARMS: [&str; 4] = ["hangs", "doubles", "corrupts", "dies"];

/// Methods of a stream's handle, and the calls of the table that they make.
const ACTS: &[(&str, &[&str])] = &[
    ("continue_stream request", &["resume_request"]),
    ("continue_stream response", &["resume_response"]),
    ("close_stream request", &["reset"]),
    ("close_stream response", &["reset_response"]),
    ("send_local_response", &["reply"]),
    ("send_local_response twice", &["reply", "reply"]),
    ("send_local_response and continue_stream request", &["reply", "resume_request"]),
    ("send_local_response and continue_stream response", &["reply", "resume_response"]),
    ("close_stream request and send_local_response", &["reset", "reply"]),
];

/// The callbacks of a stream, as the table names them.
const CALLBACKS: [&str; 10] = [
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "log",
    "done",
    "delete",
    "http_call_response",
];

thread_local! {
    /// The callback that acts, and what it does.
    static PLAN: Cell<(&'static str, &'static [&'static str])> = const { Cell::new(("", &[])) };
    /// Whether the last act was an error.
    static REFUSED: Cell<Option<bool>> = const { Cell::new(None) };
}

#[derive(Default)]
struct Acts;

impl Acts {
    fn run(callback: &str, stream: &HttpHandle<'_>) {
        let (wanted, acts) = PLAN.get();
        if wanted != callback {
            return;
        }
        for act in acts {
            let done = match *act {
                "resume_request" => stream.resume_request(),
                "resume_response" => stream.resume_response(),
                "reset" => stream.reset(),
                "reset_response" => stream.reset_response(),
                _ => stream.reply(&LocalResponse::new(418)),
            };
            REFUSED.set(Some(done.is_err()));
        }
    }
}

#[sluicegate::http_filter]
impl HttpFilter for Acts {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        if PLAN.get().0 == "http_call_response" {
            request.call(&HttpCall::new("service").headers(&[
                (":method", "GET"),
                (":path", "/"),
                (":authority", "a"),
            ]))?;
        }
        Self::run("request_headers", request.stream());
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        Self::run("request_body", body.stream());
        Ok(DataAction::Continue)
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_>) -> Result<Flow> {
        Self::run("request_trailers", trailers.stream());
        Ok(Flow::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        Self::run("response_headers", response.stream());
        Ok(Action::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
        Self::run("response_body", body.stream());
        Ok(DataAction::Continue)
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_>) -> Result<Flow> {
        Self::run("response_trailers", trailers.stream());
        Ok(Flow::Continue)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, _: &CallResponse) -> Result<()> {
        Self::run("http_call_response", stream);
        Ok(())
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
        Self::run("log", stream);
        Ok(())
    }

    fn on_done(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
        Self::run("done", stream);
        Ok(())
    }

    fn on_delete(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
        Self::run("delete", stream);
        Ok(())
    }
}

sluicegate::plugin!(http: Acts);

/// Whether a call harms in a callback of a stream that holds nothing, in any Envoy.
fn harms(callback: &str, call: &str) -> bool {
    let mut lines = TABLE.lines().skip(1);
    let moments: Vec<_> = lines.next().unwrap().split('\t').collect();
    let moment = format!("{callback} / nothing");
    let at = moments.iter().position(|each| *each == moment).unwrap();
    let row = lines.find(|line| line.split('\t').next() == Some(call)).unwrap();
    row.split('\t').nth(at).unwrap().split('|').any(|outcome| HARMS.contains(&outcome))
}

/// How often the host was asked to resume, close or answer.
fn asked(host: &Running) -> usize {
    let calls = [Import::proxy_continue_stream, Import::proxy_close_stream, Import::proxy_send_local_response];
    calls.into_iter().map(|call| host.calls(call)).sum()
}

/// Plays a whole stream; the statuses of its callbacks.
fn play(host: &Running) -> Vec<(&'static str, u32)> {
    let stream = host.http_stream();
    let mut statuses =
        vec![("request_headers", stream.request_headers_with_body(&[(":path", "/"), (":method", "POST")]))];
    for call in host.pending_calls() {
        host.answer_call(call.token, &[(":status", "200")], "", &[]);
    }
    statuses.push(("request_body", stream.request_body("part", false)));
    statuses.push(("request_trailers", stream.request_trailers(&[("a", "b")])));
    statuses.push(("response_headers", stream.response_headers(&[(":status", "200")])));
    statuses.push(("response_body", stream.response_body("part", false)));
    statuses.push(("response_trailers", stream.response_trailers(&[("a", "b")])));
    stream.complete();
    statuses
}

#[test]
fn what_harms_in_envoy_never_reaches_the_host() {
    let mut tried = 0;
    for callback in CALLBACKS {
        for (call, acts) in ACTS {
            if !harms(callback, call) {
                continue;
            }
            tried += 1;
            let host = Host::new(&PLUGIN).clusters(["service"]).start();
            PLAN.set((callback, acts));
            REFUSED.set(None);
            let statuses = play(&host);
            let refused = REFUSED.get().unwrap_or_else(|| panic!("{callback} / {call}: not reached"));
            if refused {
                assert!(asked(&host) < acts.len(), "{callback} / {call}: an error, and the host was asked");
            } else {
                // The trailers that end a response do not go on, so the reset harms nothing.
                let stopped = statuses.iter().any(|(each, status)| *each == callback && *status != 0);
                let resets = acts.last().is_some_and(|act| act.starts_with("reset"));
                assert!(resets && stopped, "{callback} / {call}: not refused");
            }
        }
    }
    assert!(tried > 40, "{tried} cells");
}
