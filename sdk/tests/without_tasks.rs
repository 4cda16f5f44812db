//! Tasks where the attribute does not say `tasks`: what the macro cannot see at compile time is an
//! error of the call. Nothing is held, and the future is dropped at once.

use std::cell::RefCell;
use std::rc::Rc;

use sluicegate::Exports;
use sluicegate::prelude::*;
use sluicegate::{Body, CompleteBody, Direction, Head, Headers};
use sluicegate_host::{Host, RunningHost};

thread_local! {
    /// Owned by every future.
    static LIVE: Rc<()> = Rc::new(());
    /// The results of the calls.
    static ERRORS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

async fn go() -> Result<Action> {
    let _live = LIVE.with(Rc::clone);
    Ok(Action::Continue)
}

async fn done() -> Result<()> {
    go().await.map(drop)
}

fn told<T>(what: &str, result: Result<T>) -> Result<T> {
    result.inspect_err(|error| ERRORS.with_borrow_mut(|errors| errors.push(format!("{what}: {error}"))))
}

// In functions of their own, as helpers are: the macro does not look into them.

fn hold_headers<D>(headers: &mut Headers<'_, D, Plugin, Head>) -> Result<Action> {
    told("headers", headers.hold_while(go()))
}

fn hold_part<D: Direction>(body: &mut Body<'_, D, Plugin>) -> Result<D::Status> {
    told("part", body.hold_while(go()))
}

fn hold_whole<D>(body: &mut CompleteBody<'_, D, Plugin>) -> Result<FilterStatus> {
    told("whole", body.hold_while(go()))
}

fn spawn_of(stream: &HttpHandle<'_, Plugin>) -> Result<()> {
    told("stream", stream.spawn(done()))
}

#[derive(Default)]
struct Plugin;

fn spawn_of_plugin(plugin: &PluginHandle<'_>) -> Result<()> {
    told("plugin", plugin.spawn(done()))
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, _: u32) -> Result<()> {
        spawn_of_plugin(plugin)
    }
}

macro_rules! filters {
    ($name:ident, $policy:ident) => {
        mod $name {
            use super::*;

            /// Holds the piece of a request that its path names.
            #[derive(Default)]
            struct Parts(String);

            #[sluicegate::http_filter]
            impl HttpFilter for Parts {
                type Plugin = Plugin;
                const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
                    self.0 = request.get(":path")?.map(|path| path.display().to_string()).unwrap_or_default();
                    if self.0 == "headers" { hold_headers(request) } else { Ok(Action::Continue) }
                }

                fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
                    if self.0 == "part" { hold_part(body) } else { Ok(DataAction::Continue) }
                }

                fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
                    spawn_of(trailers.stream()).map(|()| FilterStatus::Continue)
                }

                fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
                    if self.0 == "response" { hold_headers(response) } else { Ok(Action::Continue) }
                }

                fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
                    hold_part(body)
                }
            }

            #[derive(Default)]
            struct Whole;

            #[sluicegate::http_filter]
            impl HttpFilter for Whole {
                type Plugin = Plugin;
                const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                fn on_complete_request_body(
                    &mut self,
                    body: &mut CompleteRequestBody<'_, Plugin>,
                ) -> Result<FilterStatus> {
                    hold_whole(body)
                }

                fn on_complete_response_body(
                    &mut self,
                    body: &mut CompleteResponseBody<'_, Plugin>,
                ) -> Result<FilterStatus> {
                    hold_whole(body)
                }
            }

            sluicegate::plugin! {
                root "parts" { plugin: Plugin, http: Parts }
                root "whole" { plugin: Plugin, http: Whole }
            }
        }
    };
}

filters!(closed, Closed);
filters!(open, Open);

/// Plays a message up to the piece that is to be held. Tells whether that went on, and the status
/// of the answer.
fn play(host: &RunningHost, piece: &str) -> (bool, Option<u32>) {
    let stream = host.http_stream();
    let headers = [(":method", "POST"), (":path", piece), (":authority", "a")];
    let ok = [(":status", "200")];
    let passed = match piece {
        "headers" => {
            stream.request_headers(&headers);
            stream.reached_upstream()
        }
        "part" | "whole" => {
            stream.request_headers_with_body(&headers);
            stream.request_body("body", true);
            stream.sent_request_body() == b"body"
        }
        "trailers" => {
            stream.request_headers_with_body(&headers);
            stream.request_trailers(&[("x", "1")]);
            stream.sent_whole_request()
        }
        "response" => {
            stream.request_headers(&headers);
            stream.response_headers_only(&ok);
            stream.reached_client() && stream.reply().is_none()
        }
        _ => {
            stream.request_headers(&headers);
            stream.response_headers(&ok);
            stream.response_body("body", true);
            stream.sent_response_body() == b"body"
        }
    };
    let status = stream.reply().map(|reply| reply.status);
    stream.complete();
    (passed, status)
}

#[test]
fn a_task_where_there_are_none_is_an_error_of_the_call() {
    const PIECES: [(&str, &str); 7] = [
        ("parts", "headers"),
        ("parts", "part"),
        ("parts", "trailers"),
        ("parts", "response"),
        ("parts", "response part"),
        ("whole", "whole"),
        ("whole", "response whole"),
    ];
    let modules: [(&'static Exports, bool); 2] = [(&closed::PLUGIN, false), (&open::PLUGIN, true)];
    for ((module, is_open), (root, piece)) in modules.into_iter().flat_map(|module| PIECES.map(|piece| (module, piece)))
    {
        let host = Host::new(module).root_id(root).start();
        let (passed, status) = play(&host, piece);
        assert_eq!(passed, is_open, "{piece}");
        assert_eq!(status, (!is_open).then_some(500), "{piece}");
        let errors = ERRORS.take();
        assert!(errors.len() == 1 && errors[0].contains("add `tasks` to its attribute"), "{piece}: {errors:?}");
        assert_eq!(LIVE.with(Rc::strong_count), 1, "{piece}: the future is kept");
    }
    let host = Host::new(&closed::PLUGIN).root_id("parts").start();
    host.call_function(1, "");
    let errors = ERRORS.take();
    assert!(errors.len() == 1 && errors[0].starts_with("plugin: this context runs no tasks"), "{errors:?}");
    assert_eq!(LIVE.with(Rc::strong_count), 1);
}
