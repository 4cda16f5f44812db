//! A body that is held is replaced from elsewhere than its callback, and passes so.

use std::cell::RefCell;
use std::time::Duration;

use sluicegate::LogLevel;
use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::task;
use sluicegate_host::{Host, HttpStream, RunningHost};

const POST: [(&str, &str); 3] = [(":method", "POST"), (":path", "/"), (":authority", "a")];
const OK: [(&str, &str); 1] = [(":status", "200")];
const ASK: HttpCall<'static> = HttpCall::new("auth").headers(&POST);

/// The code that replaces the body.
const BY: [&str; 4] = ["closure", "task", "answer", "tick"];

#[derive(Default)]
struct Plugin {
    waiting: RefCell<Vec<u32>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        plugin.set_tick_period(Duration::from_millis(1))?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        for id in self.waiting.take() {
            plugin.with_http_stream(id, |stream| replace(stream, true).and_then(|()| stream.resume_request()))?;
        }
        Ok(())
    }
}

fn replace<P>(stream: &HttpHandle<'_, P>, is_request: bool) -> Result<()> {
    if is_request { stream.replace_request_body("replaced") } else { stream.replace_response_body("replaced") }
}

#[derive(Default)]
struct Filter {
    by: String,
    is_response: bool,
}

impl Filter {
    fn begin<D>(&mut self, headers: &mut sluicegate::Headers<'_, D, Plugin, sluicegate::Head>) -> Result<Action> {
        self.by = headers.get("by")?.map(|by| by.display().to_string()).unwrap_or_default();
        if headers.get("fixed")?.is_none() {
            headers.body_will_change()?;
        }
        Ok(if headers.get("held")?.is_some() { Action::Pause } else { Action::Continue })
    }

    fn hold<D>(&self, body: &mut sluicegate::CompleteBody<'_, D, Plugin>, is_request: bool) -> Result<FilterStatus> {
        // Here the methods of the body are for that.
        assert!(replace(body.stream(), is_request).is_err());
        match &*self.by {
            "closure" => body.hold_for_call(&ASK, move |_: &mut Self, stream, _| {
                replace(stream, is_request)?;
                Ok(Action::Continue)
            }),
            "task" => body.hold_while(async move {
                ASK.send().await?;
                task::with_filter(move |_: &mut Self, stream: &mut HttpHandle<'_, Plugin>| replace(stream, is_request))
                    .await??;
                Ok(Action::Continue)
            }),
            "answer" => {
                body.stream().call(&ASK)?;
                Ok(FilterStatus::Pause)
            }
            _ => {
                body.plugin().waiting.borrow_mut().push(body.id());
                Ok(FilterStatus::Pause)
            }
        }
    }
}

#[sluicegate::http_filter(calls, tasks)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        self.begin(request)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Plugin>) -> Result<FilterStatus> {
        self.hold(body, true)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        self.is_response = true;
        self.begin(response)
    }

    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_, Plugin>) -> Result<FilterStatus> {
        self.hold(body, false)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        replace(stream, !self.is_response)?;
        if self.is_response { stream.resume_response() } else { stream.resume_request() }
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

/// Sends a message whose complete body is held, in two parts.
fn held<'host>(
    host: &'host RunningHost,
    is_request: bool,
    by: &str,
    also: &[(&str, &str)],
    trailers: bool,
) -> HttpStream<'host> {
    let stream = host.http_stream();
    let mut headers = if is_request { POST.to_vec() } else { OK.to_vec() };
    headers.push(("by", by));
    headers.extend(also);
    if is_request {
        stream.request_headers_with_body(&headers);
        stream.request_body("some ", false);
        stream.request_body("body", !trailers);
        if trailers {
            stream.request_trailers(&[("a", "b")]);
        }
    } else {
        stream.request_headers(&POST);
        stream.response_headers(&headers);
        stream.response_body("some ", false);
        stream.response_body("body", !trailers);
        if trailers {
            stream.response_trailers(&[("a", "b")]);
        }
    }
    stream
}

fn go(host: &RunningHost, by: &str) {
    if by == "tick" {
        host.tick();
    } else {
        host.answer_call(host.pending_calls()[0].token, &OK, "", &[]);
    }
}

fn sent(stream: &HttpStream<'_>, is_request: bool) -> Vec<u8> {
    if is_request { stream.sent_request_body() } else { stream.sent_response_body() }
}

#[test]
fn a_held_body_is_replaced_by_whoever_lets_it_go() {
    for (by, is_request) in BY.into_iter().flat_map(|by| [(by, true), (by, false)]) {
        if by == "tick" && !is_request {
            continue;
        }
        for also in [
            &[][..],
            &[("held", "1"), ("content-length", "9"), ("fixed", "1")],
            &[("fixed", "1"), ("content-length", "9")],
        ] {
            // The callback for the headers paused them itself, and somebody must undo that.
            if also.len() == 3 && ["closure", "task"].contains(&by) {
                continue;
            }
            let what = format!("{by}, request {is_request}, {also:?}");
            let host = Host::new(&PLUGIN).allow_on_headers_stop_iteration().start();
            let stream = held(&host, is_request, by, also, false);
            assert_eq!(sent(&stream, is_request), b"", "{what}");
            go(&host, by);
            if also.len() == 2 {
                // The headers went on with a length that another size contradicts.
                assert_ne!(sent(&stream, is_request), b"replaced", "{what}");
                assert!(host.log().iter().any(|line| line.text.contains("the headers have gone on")), "{what}");
                continue;
            }
            assert_eq!(sent(&stream, is_request), b"replaced", "{what}: {:?}", host.log());
            if also.len() == 3 {
                let length = if is_request {
                    stream.request_header("content-length")
                } else {
                    stream.response_header("content-length")
                };
                assert_eq!(length.as_deref(), Some("8"), "{what}");
            }
            stream.complete();
            host.assert_no_log_at(LogLevel::Error);
        }
    }
}

/// Envoy takes no bytes once the trailers have come.
#[test]
fn a_held_body_behind_its_trailers_is_not_replaced() {
    for (by, is_request) in [("closure", true), ("closure", false), ("task", true), ("answer", false)] {
        let host = Host::new(&PLUGIN).start();
        let stream = held(&host, is_request, by, &[], true);
        let writes = host.calls(Import::proxy_set_buffer_bytes);
        go(&host, by);
        assert_eq!(host.calls(Import::proxy_set_buffer_bytes), writes);
        assert!(host.log().iter().any(|line| line.text.contains("its trailers have come")), "{:?}", host.log());
        assert!(sent(&stream, is_request).is_empty() || stream.reply().is_some());
        stream.complete();
    }
}
