//! Frames of metadata: a stream is answered or reset from a request's, and not from a response's.

use std::rc::Rc;

use sluicegate::LogLevel;
use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::task::{self, Notify};
use sluicegate_host::{Host, HttpStream, RunningHost};

const GET: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];
const OK: [(&str, &str); 1] = [(":status", "200")];

#[derive(Default)]
struct Plugin {
    told: Rc<Notify>,
}

#[sluicegate::plugin_context(tasks)]
impl PluginContext for Plugin {}

#[derive(Default)]
struct Filter;

/// Answers the stream, and logs what came of it.
fn answer<P>(stream: &HttpHandle<'_, P>, here: &str) {
    match stream.reply(&LocalResponse::new(403)) {
        Ok(()) => info!("{here}: answered"),
        Err(error) => info!("{here}: {error}"),
    }
}

#[sluicegate::http_filter(tasks)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_metadata(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: u32) -> Result<()> {
        answer(stream, "request");
        stream.reset()
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        response.call(&HttpCall::new("auth").headers(&GET))?;
        let told = response.plugin().told.clone();
        response.hold_while(async move {
            told.notified().await?;
            task::with_filter(|_: &mut Self, stream: &mut HttpHandle<'_, Plugin>| answer(stream, "task")).await?;
            Ok(Action::Pause)
        })
    }

    fn on_response_metadata(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: u32) -> Result<()> {
        answer(stream, "response");
        for reset in [stream.reset(), stream.reset_response()] {
            info!("{}", reset.map_or_else(|error| error.to_string(), |()| "reset".into()));
        }
        stream.plugin().told.notify_all();
        Ok(())
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        answer(stream, "call");
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn replies(host: &RunningHost) -> usize {
    host.calls(Import::proxy_send_local_response)
}

fn held(host: &RunningHost) -> HttpStream<'_> {
    let stream = host.http_stream();
    stream.request_headers(&GET);
    assert_eq!(stream.response_headers(&OK), 1);
    stream
}

/// Envoy 1.36.4 ends when a reply or a reset is carried out behind this callback, and 1.40.0 when a
/// reply is.
#[test]
fn a_stream_is_not_ended_from_a_responses_metadata() {
    let host = Host::new(&PLUGIN).start();
    let stream = held(&host);
    stream.response_metadata(1);
    let why = "no reply is possible from on_response_metadata: reply in a later callback";
    host.assert_logged(LogLevel::Info, &format!("response: {why}"));
    host.assert_logged(LogLevel::Info, &format!("task: {why}"));
    for direction in ["request", "response"] {
        host.assert_logged(LogLevel::Info, &format!("{direction}: it cannot be reset from on_response_metadata"));
    }
    assert_eq!((replies(&host), host.calls(Import::proxy_close_stream)), (0, 0));
    // A later callback can answer it.
    host.answer_call(host.pending_calls()[0].token, &OK, "", &[]);
    host.assert_logged(LogLevel::Info, "call: answered");
    assert_eq!(replies(&host), 1);
    stream.complete();
}

#[test]
fn a_stream_is_answered_from_a_requests_metadata_and_not_reset_too() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&GET);
    stream.request_metadata(1);
    stream.assert_reply(403);
    host.assert_logged(LogLevel::Info, "request: answered");
    assert_eq!(host.calls(Import::proxy_close_stream), 0);
    assert!(host.log().iter().any(|line| line.text.contains("this callback has replied to it")), "{:?}", host.log());
    stream.complete();
}

/// A filter whose task fails when the metadata of the response come.
mod failing {
    macro_rules! filter {
        ($name:ident, $policy:ident) => {
            pub(super) mod $name {
                use super::super::*;

                #[derive(Default)]
                struct Fails;

                #[sluicegate::http_filter(tasks)]
                impl HttpFilter for Fails {
                    type Plugin = Plugin;
                    const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
                        let told = response.plugin().told.clone();
                        response.hold_while(async move {
                            told.notified().await?;
                            Err(Error::new("cannot judge"))
                        })
                    }

                    fn on_response_body(&mut self, _: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
                        Ok(DataAction::Held)
                    }

                    fn on_response_trailers(&mut self, _: &mut ResponseTrailers<'_, Plugin>) -> Result<FilterStatus> {
                        Ok(FilterStatus::Held)
                    }

                    fn on_response_metadata(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: u32) -> Result<()> {
                        stream.plugin().told.notify_all();
                        Ok(())
                    }
                }

                sluicegate::plugin!(plugin: Plugin, http: Fails);
            }
        };
    }

    filter!(closed, Closed);
    filter!(unavailable, Unavailable);
    filter!(open, Open);
}

#[test]
fn a_task_that_fails_in_a_responses_metadata_has_the_stream_answered_later() {
    let modules = [
        (&failing::closed::PLUGIN, Some(500)),
        (&failing::unavailable::PLUGIN, Some(503)),
        (&failing::open::PLUGIN, None),
    ];
    for (module, status) in modules {
        for (next, shows_body) in [("tick", false), ("tick", true), ("body", true), ("trailers", true)] {
            let host = Host::new(module);
            let host = if shows_body { host.allow_on_headers_stop_iteration() } else { host }.start();
            let stream = held(&host);
            stream.response_metadata(1);
            assert_eq!((replies(&host), stream.reply()), (0, None), "{next}");
            match next {
                "tick" => host.tick(),
                "body" => drop(stream.response_body("unjudged", false)),
                _ => drop(stream.response_trailers(&[("a", "b")])),
            }
            let what = format!("{status:?}, {next}, {shows_body}: {:?}", host.log());
            assert_eq!(stream.reply().map(|reply| reply.status), status, "{what}");
            if status.is_some() {
                assert!(!stream.sent_response_body().ends_with(b"unjudged"), "{what}");
            } else {
                assert!(
                    stream.response_resumed() || stream.sent_response_body() == b"unjudged" || next == "trailers",
                    "{what}"
                );
            }
            stream.complete();
        }
    }
}
