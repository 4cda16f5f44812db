//! A filter or its plugin acts on a stream that is answered, or that the filter does not hold any
//! more: the call is refused without a host call, and the first decision stands.

use std::cell::RefCell;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate_host::{Host, HttpStream, RunningHost};

const ASK: HttpCall<'static> =
    HttpCall::new("auth").headers(&[(":method", "GET"), (":path", "/"), (":authority", "auth")]);

#[derive(Default)]
struct Plugin {
    streams: RefCell<Vec<u32>>,
}

/// Writes down what came of each attempt.
fn note<T>(what: &str, done: Result<T>) {
    info!("{what}: {}", done.map_or_else(|error| error.to_string(), |_| "done".into()));
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        for id in self.streams.borrow().iter().copied() {
            note("resume request", plugin.resume_request(id));
            note("again", plugin.resume_request(id));
            note("resume response", plugin.resume_response(id));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let mode = request.fetch("x-mode")?;
        let first = LocalResponse::new(401).body("first");
        let stop = request.reply(&first);
        match mode.as_deref().unwrap_or_default() {
            b"again" => note("reply", request.reply(&LocalResponse::new(402).body("second"))),
            b"fail" => return Err(Error::new("behind the answer")),
            b"resume" => note("resume request", request.stream().resume_request()),
            b"go on" => return Ok(Action::Continue),
            b"ask" => drop(request.call(&ASK)?),
            other => panic!("{other:?}"),
        }
        stop
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        note("reply", stream.reply(&LocalResponse::new(200).body("late")));
        note("resume request", stream.resume_request());
        Err(Error::new("late"))
    }
}

/// Requests that go on, and those that wait for the plugin.
mod ticks {
    use super::*;

    #[derive(Default)]
    struct Waits;

    #[sluicegate::http_filter]
    impl HttpFilter for Waits {
        type Plugin = Plugin;

        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
            request.plugin().streams.borrow_mut().push(request.id());
            Ok(if request.get("x-wait")?.is_some() { Action::Pause } else { Action::Continue })
        }
    }

    sluicegate::plugin!(plugin: Plugin, http: Waits);
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn begin<'host>(host: &'host RunningHost, mode: &str) -> HttpStream<'host> {
    let stream = host.http_stream();
    stream.request_headers(&[(":method", "GET"), (":path", "/"), ("x-mode", mode)]);
    stream
}

/// The first answer is the only one, and the request stays here.
fn assert_first_alone(host: &RunningHost, stream: &HttpStream<'_>, mode: &str) {
    let reply = stream.assert_reply(401);
    assert_eq!(reply.body, b"first", "{mode}");
    assert!(!stream.reached_upstream(), "{mode}");
    assert_eq!(host.calls(Import::proxy_send_local_response), 1, "{mode}");
    assert_eq!(host.calls(Import::proxy_continue_stream), 0, "{mode}");
}

fn lines(host: &RunningHost) -> Vec<String> {
    host.log().into_iter().map(|line| line.text).collect()
}

#[test]
fn the_first_answer_stands_whatever_its_callback_does_then() {
    let not_held = "resume request: request: the filter does not hold it";
    for (mode, line) in [
        ("again", Some("reply: the stream already has a reply")),
        ("fail", Some("on_request_headers (context 2): behind the answer")),
        ("resume", Some(not_held)),
        ("go on", None),
    ] {
        let host = Host::new(&PLUGIN).start();
        let stream = begin(&host, mode);
        assert_first_alone(&host, &stream, mode);
        assert_eq!(lines(&host), Vec::from_iter(line), "{mode}");
        stream.complete();
    }
}

#[test]
fn the_answer_to_a_call_changes_nothing_of_a_stream_that_is_answered() {
    let host = Host::new(&PLUGIN).start();
    let stream = begin(&host, "ask");
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "", &[]);
    assert_first_alone(&host, &stream, "ask");
    let expected = [
        "reply: the stream already has a reply",
        "resume request: request: the filter does not hold it",
        "on_http_call_response (context 2): late",
    ];
    assert_eq!(lines(&host), expected);
    stream.complete();
}

#[test]
fn a_tick_resumes_what_waits_once_and_nothing_else() {
    let host = Host::new(&ticks::PLUGIN).start();
    let [waits, goes_on] = [("x-wait", "1"), ("x-go", "1")].map(|header| {
        let stream = host.http_stream();
        stream.request_headers(&[(":method", "GET"), (":path", "/"), header]);
        stream
    });
    assert_eq!([&waits, &goes_on].map(HttpStream::reached_upstream), [false, true]);
    host.tick();
    assert!(waits.reached_upstream());
    let refused = ["request", "response"].map(|way| format!("{way}: the filter does not hold it"));
    let [again, request, response] = [("again", 0), ("resume request", 0), ("resume response", 1)]
        .map(|(what, at)| format!("{what}: {}", refused[at]));
    let done = "resume request: done".to_owned();
    assert_eq!(lines(&host), [done, again.clone(), response.clone(), request, again, response]);
    assert_eq!(host.calls(Import::proxy_continue_stream), 1);
}
