//! Runs the functions in the examples of the SDK's documentation, so that they do what they show.
//!
//! An example shows a function that takes a handle. Its last line, which the documentation hides,
//! passes the function to one of the functions here, which calls it in the callback that has such a
//! handle. An error that the function returns fails the example.

use std::cell::Cell;

use sluicegate::prelude::*;

use crate::{Host, RunningHost};

thread_local! {
    /// The example that runs on this thread.
    static EXAMPLE: Cell<Example> = const { Cell::new(Example::None) };
}

/// The function of an example.
#[derive(Clone, Copy)]
enum Example {
    None,
    Request(fn(&mut RequestHeaders<'_>) -> Result<Action>),
    Stream(fn(&HttpHandle<'_>) -> Result<()>),
    Body(fn(&mut RequestBody<'_>) -> Result<DataAction>),
    Response(fn(&CallResponse) -> Result<()>),
    Event(fn(&GrpcEvent) -> Result<()>),
    Data(fn(&mut DownstreamData<'_>) -> Result<FilterStatus>),
    Plugin(fn(&mut PluginHandle<'_>) -> Result<()>),
}

mod streams {
    use super::{EXAMPLE, Example};
    use sluicegate::prelude::*;

    #[derive(Default)]
    struct Http;

    #[sluicegate::http_filter]
    impl HttpFilter for Http {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            let call = [(":method", "GET"), (":path", "/"), (":authority", "service")];
            match EXAMPLE.get() {
                Example::Request(run) => return run(request),
                Example::Stream(run) => run(request.stream())?,
                Example::Response(_) => drop(request.call(&HttpCall::new("service").headers(&call))?),
                Example::Event(_) => drop(request.stream().grpc_call(&GrpcCall::new("service", "a.Service", "Get"))?),
                _ => {}
            }
            Ok(Action::Continue)
        }

        fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
            match EXAMPLE.get() {
                Example::Body(run) => run(body),
                _ => Ok(DataAction::Continue),
            }
        }

        fn on_http_call_response(&mut self, _: &mut HttpHandle<'_>, response: &CallResponse) -> Result<()> {
            match EXAMPLE.get() {
                Example::Response(run) => run(response),
                _ => Ok(()),
            }
        }

        fn on_grpc_event(&mut self, _: &mut HttpHandle<'_>, event: &GrpcEvent) -> Result<()> {
            match EXAMPLE.get() {
                Example::Event(run) => run(event),
                _ => Ok(()),
            }
        }
    }

    #[derive(Default)]
    struct Tcp;

    #[sluicegate::tcp_filter]
    impl TcpFilter for Tcp {
        fn on_downstream_data(&mut self, data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
            match EXAMPLE.get() {
                Example::Data(run) => run(data),
                _ => Ok(FilterStatus::Continue),
            }
        }
    }

    pub(super) mod http {
        use super::Http;
        sluicegate::plugin!(http: Http);
    }

    pub(super) mod tcp {
        use super::Tcp;
        sluicegate::plugin!(tcp: Tcp);
    }
}

mod plugins {
    use super::{EXAMPLE, Example};
    use sluicegate::prelude::*;

    #[derive(Default)]
    struct Plugin;

    #[sluicegate::plugin_context]
    impl PluginContext for Plugin {
        fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
            if let Example::Plugin(run) = EXAMPLE.get() {
                run(plugin)?;
            }
            Ok(StartStatus::Ok)
        }
    }

    sluicegate::plugin!(plugin: Plugin);
}

/// Calls a function with a request's headers.
pub fn request(run: fn(&mut RequestHeaders<'_>) -> Result<Action>) {
    play(Example::Request(run));
}

/// Calls a function with a stream, in the callback for the request's headers.
pub fn stream(run: fn(&HttpHandle<'_>) -> Result<()>) {
    play(Example::Stream(run));
}

/// Calls a function with each part of a request's body.
pub fn body(run: fn(&mut RequestBody<'_>) -> Result<DataAction>) {
    play(Example::Body(run));
}

/// Calls a function with the response to an HTTP call.
pub fn response(run: fn(&CallResponse) -> Result<()>) {
    play(Example::Response(run));
}

/// Calls a function with the message that a gRPC call brings.
pub fn event(run: fn(&GrpcEvent) -> Result<()>) {
    play(Example::Event(run));
}

fn play(example: Example) {
    EXAMPLE.set(example);
    let host = Host::new(&streams::http::PLUGIN).clusters(["service"]).start();
    let stream = host.http_stream();
    let headers = [(":method", "POST"), (":path", "/a?b=c"), (":authority", "host"), ("user-agent", "curl")];
    stream.request_headers_with_body(&headers);
    for call in host.pending_calls() {
        host.answer_call(call.token, &[(":status", "200"), ("x-user", "ada")], "{}", &[]);
    }
    for call in host.open_grpc() {
        host.grpc_message(call.token, "\x08\x01");
    }
    if stream.reply().is_none() {
        stream.request_body("one", false);
        stream.request_body("two", true);
    }
    check(&host);
}

/// Calls a function with the data of a client.
pub fn data(run: fn(&mut DownstreamData<'_>) -> Result<FilterStatus>) {
    EXAMPLE.set(Example::Data(run));
    let host = Host::new(&streams::tcp::PLUGIN).start();
    host.tcp_connection().downstream_data("one", true);
    check(&host);
}

/// Calls a function with a plugin that starts, with the configuration `{"limit": 5}`.
pub fn plugin(run: fn(&mut PluginHandle<'_>) -> Result<()>) {
    EXAMPLE.set(Example::Plugin(run));
    let host = Host::new(&plugins::PLUGIN).plugin_configuration(r#"{"limit": 5}"#).start();
    assert!(host.started(), "{:?}", host.log());
    check(&host);
}

/// Checks that no callback returned an error.
fn check(host: &RunningHost) {
    EXAMPLE.set(Example::None);
    let errors: Vec<_> = host.log().into_iter().filter(|line| line.level >= sluicegate::LogLevel::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
}
