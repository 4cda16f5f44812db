//! A filter that judges complete bodies, and lets the bodies of some messages pass in parts: those
//! come to no callback, are of any size, and go nowhere while the filter holds what comes before
//! them.

use std::cell::Cell;

use sluicegate::prelude::*;
use sluicegate::{Head, Headers, LogLevel};
use sluicegate_host::{Host, HttpStream, RunningHost};

/// The way in which the headers of a message are held.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Held {
    #[default]
    Not,
    /// For a call.
    Call,
    /// By the callback, until something else resumes them.
    Own,
}

thread_local! {
    /// The directions whose bodies pass, and the way in which the headers are held.
    static PLAN: Cell<([bool; 2], Held)> = Cell::default();
}

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, which: u32) -> Result<()> {
        if which.is_multiple_of(2) { plugin.resume_request(which / 2) } else { plugin.resume_response(which / 2) }
    }
}

#[derive(Default)]
struct Chooser;

impl Chooser {
    fn choose<D>(way: usize, headers: &mut Headers<'_, D, Plugin, Head>) -> Result<Action> {
        let (passes, held) = PLAN.get();
        if passes[way] {
            headers.let_body_pass();
        }
        let ask = [(":method", "GET"), (":path", "/"), (":authority", "a")];
        match held {
            Held::Not => Ok(Action::Continue),
            Held::Own => Ok(Action::StopIteration),
            Held::Call => {
                headers.hold_for_call(&HttpCall::new("a").headers(&ask), |_: &mut Self, _, _| Ok(Action::Continue))
            }
        }
    }
}

#[sluicegate::http_filter(calls)]
impl HttpFilter for Chooser {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        Self::choose(0, request)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Plugin>) -> Result<FilterStatus> {
        info!("judged request {:?}", ByteStr::new(&body.bytes()?));
        Ok(FilterStatus::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        Self::choose(1, response)
    }

    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_, Plugin>) -> Result<FilterStatus> {
        info!("judged response {:?}", ByteStr::new(&body.bytes()?));
        Ok(FilterStatus::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Chooser);

const HEADERS: [(&str, &str); 3] = [(":method", "POST"), (":path", "/"), (":authority", "a")];
const TRAILERS: [(&str, &str); 1] = [("x", "1")];

/// Larger together than what the proxy keeps, and the first alone smaller.
const PARTS: [&str; 3] = ["one, ", "two, ", "three"];
const LIMIT: usize = 8;

/// One direction of a stream.
struct Message<'a> {
    stream: &'a HttpStream<'a>,
    is_request: bool,
}

impl Message<'_> {
    fn headers(&self) {
        let _ = if self.is_request {
            self.stream.request_headers_with_body(&HEADERS)
        } else {
            self.stream.response_headers(&[(":status", "200")])
        };
    }

    fn part(&self, part: &str, ends: bool) {
        let _ =
            if self.is_request { self.stream.request_body(part, ends) } else { self.stream.response_body(part, ends) };
    }

    fn end(&self, trailers: bool) {
        let _ = match (self.is_request, trailers) {
            (_, false) => return self.part("", true),
            (true, _) => self.stream.request_trailers(&TRAILERS),
            (false, _) => self.stream.response_trailers(&TRAILERS),
        };
    }

    fn sent(&self) -> Vec<u8> {
        if self.is_request { self.stream.sent_request_body() } else { self.stream.sent_response_body() }
    }

    fn sent_whole(&self) -> bool {
        if self.is_request { self.stream.sent_whole_request() } else { self.stream.sent_whole_response() }
    }

    fn let_go(&self, host: &RunningHost, held: Held) {
        match held {
            Held::Not => {}
            Held::Call => host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "", &[]),
            Held::Own => host.call_function(self.stream.id() * 2 + u32::from(!self.is_request), ""),
        }
    }
}

#[test]
fn a_body_that_is_let_pass_comes_to_no_callback_and_is_of_any_size() {
    for (is_request, trailers) in [(true, false), (true, true), (false, false), (false, true)] {
        let host = Host::new(&PLUGIN).buffer_limit(LIMIT).start();
        let stream = host.http_stream();
        if !is_request {
            PLAN.set(([true; 2], Held::Not));
            stream.request_headers(&HEADERS);
        }
        let message = Message { stream: &stream, is_request };
        PLAN.set(([is_request, !is_request], Held::Not));
        message.headers();
        let mut came = String::new();
        for part in PARTS {
            message.part(part, false);
            came.push_str(part);
            assert_eq!(message.sent(), came.as_bytes(), "a part waits for nothing");
        }
        message.end(trailers);
        assert!(message.sent_whole());
        assert_eq!(host.log(), []);
        if is_request {
            // The other direction is judged as ever.
            let message = Message { stream: &stream, is_request: false };
            message.headers();
            message.part("answer", false);
            assert_eq!(message.sent(), b"");
            message.end(trailers);
            assert_eq!(message.sent(), b"answer");
            assert!(host.logged(LogLevel::Info, "judged response \"answer\""), "{:?}", host.log());
        }
    }
}

#[test]
fn a_body_that_is_let_pass_waits_for_headers_that_are_held() {
    let sides = [(true, false), (true, true), (false, false), (false, true)];
    for ((is_request, trailers), held) in
        sides.into_iter().flat_map(|side| [Held::Call, Held::Own].map(|held| (side, held)))
    {
        for (shows_body, ends_before) in [(false, false), (false, true), (true, false), (true, true)] {
            let case =
                format!("request {is_request}, trailers {trailers}, {held:?}, shown {shows_body}, {ends_before}");
            let host = Host::new(&PLUGIN);
            let host = if shows_body { host.allow_on_headers_stop_iteration() } else { host }.start();
            let stream = host.http_stream();
            if !is_request {
                PLAN.set(([true; 2], Held::Not));
                stream.request_headers(&HEADERS);
            }
            PLAN.set(([true; 2], held));
            let message = Message { stream: &stream, is_request };
            message.headers();
            message.part(PARTS[0], false);
            if ends_before {
                message.end(trailers);
            }
            assert_eq!((message.sent(), message.sent_whole()), (vec![], false), "{case}");
            message.let_go(&host, held);
            assert_eq!(message.sent(), PARTS[0].as_bytes(), "{case}");
            if !ends_before {
                message.part(PARTS[1], false);
                message.end(trailers);
            }
            assert!(message.sent_whole(), "{case}");
            assert!(
                !host.log().iter().any(|line| line.level >= LogLevel::Error || line.text.contains("judged")),
                "{case}"
            );
        }
    }
}
