//! Every handle has the same calls: HTTP, gRPC and tasks.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use sluicegate::callout::Closures;
use sluicegate::owner::{ContextKind, StreamKind};
use sluicegate::prelude::*;
use sluicegate::task::Tasks;
use sluicegate::{Handle, LogLevel};
use sluicegate_host::{Host, RunningHost};

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];
const OK: [(&str, &str); 1] = [(":status", "200")];

thread_local! {
    /// The callbacks that made their calls.
    static CALLED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Makes each kind of call, and starts a task.
fn each<F, K, A>(from: &'static str, handle: &Handle<'_, K, A>) -> Result<()>
where
    F: Closures<Kind = K, Above = A> + Tasks,
    K: ContextKind,
    A: 'static,
{
    let (http, grpc) = (HttpCall::new("cluster").headers(&HEADERS), GrpcCall::new("cluster", "Service", "Get"));
    handle.call(&http)?;
    handle.call_and_forget(&http)?;
    handle.call_then(&http, move |_: &mut F, handle, answer| {
        info!("{from}: HTTP to {}: {}", handle.id(), answer?.body_size());
        Ok(())
    })?;
    handle.grpc_call(&grpc)?;
    handle.grpc_call_and_forget(&grpc)?;
    handle.grpc_call_then(&grpc, move |_: &mut F, handle, answer| {
        info!("{from}: gRPC to {}: {}", handle.id(), answer?.message()?.len());
        Ok(())
    })?;
    handle.grpc_stream("cluster", "Service", "Watch", &[])?;
    handle.grpc_stream_then("cluster", "Service", "Watch", &[], |_: &mut F, _, _| Ok(()))?;
    handle.spawn(async move {
        info!("{from}: task");
        Ok(())
    })?;
    CALLED.with_borrow_mut(|called| called.push(from));
    Ok(())
}

/// Makes the calls of a stream, whose plugin the handle reaches.
fn of_stream<F, K>(from: &'static str, handle: &Handle<'_, K, Plugin>) -> Result<()>
where
    F: Closures<Kind = K, Above = Plugin> + Tasks,
    K: StreamKind,
{
    assert_eq!(handle.plugin().name, "plugin");
    each::<F, _, _>(from, handle)
}

struct Plugin {
    name: &'static str,
    is_http: Cell<bool>,
}

#[sluicegate::plugin_context(calls, tasks)]
impl PluginContext for Plugin {
    fn create((): &(), _: u32) -> Self {
        Self { name: "plugin", is_http: Cell::new(false) }
    }

    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.is_http.set(*plugin.configuration()? == *b"http");
        plugin.set_tick_period(Duration::from_secs(1))?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        each::<Self, _, _>("plugin", plugin)
    }

    fn on_http_call_response(&mut self, _: &mut PluginHandle<'_>, _: &CallResponse) -> Result<()> {
        Ok(())
    }

    fn on_grpc_event(&mut self, _: &mut PluginHandle<'_>, _: &GrpcEvent) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter(calls, tasks)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn accepts(plugin: &Plugin, _: u32) -> bool {
        plugin.is_http.get()
    }

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        of_stream::<Self, _>("headers", request)?;
        Ok(Action::Continue)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Plugin>) -> Result<FilterStatus> {
        of_stream::<Self, _>("complete body", body)?;
        Ok(FilterStatus::Continue)
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        of_stream::<Self, _>("trailers", trailers)?;
        Ok(FilterStatus::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        of_stream::<Self, _>("body", body)?;
        Ok(DataAction::Continue)
    }

    fn on_http_call_response(&mut self, _: &mut HttpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        Ok(())
    }

    fn on_grpc_event(&mut self, _: &mut HttpHandle<'_, Plugin>, _: &GrpcEvent) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Connection;

#[sluicegate::tcp_filter(calls, tasks)]
impl TcpFilter for Connection {
    type Plugin = Plugin;

    fn on_new_connection(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<FilterStatus> {
        of_stream::<Self, _>("connection", connection)?;
        Ok(FilterStatus::Continue)
    }

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_, Plugin>) -> Result<FilterStatus> {
        of_stream::<Self, _>("data", data)?;
        // Data is held as a body is.
        data.hold_for_call(&HttpCall::new("judge").headers(&HEADERS), |_: &mut Self, connection, answer| {
            info!("judged {} of {}", answer?.body_size(), connection.id());
            Ok(Action::Continue)
        })
    }

    fn on_http_call_response(&mut self, _: &mut TcpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        Ok(())
    }

    fn on_grpc_event(&mut self, _: &mut TcpHandle<'_, Plugin>, _: &GrpcEvent) -> Result<()> {
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter, tcp: Connection);

/// Asserts that callbacks made their calls: each has run its task, and its closures get the
/// responses with the handle of the context.
fn assert_made(host: &RunningHost, callbacks: &[&'static str], context: u32) {
    assert_eq!(CALLED.take(), callbacks);
    for call in host.pending_calls() {
        host.answer_call(call.token, &OK, "body", &[]);
    }
    for call in host.open_grpc() {
        host.grpc_message(call.token, "message");
    }
    for from in callbacks {
        host.assert_logged(LogLevel::Info, &format!("{from}: task"));
        host.assert_logged(LogLevel::Info, &format!("{from}: HTTP to {context}: 4"));
        host.assert_logged(LogLevel::Info, &format!("{from}: gRPC to {context}: 7"));
    }
    host.assert_no_log_at(LogLevel::Warn);
    host.assert_no_log_at(LogLevel::Error);
}

#[test]
fn every_handle_of_http_and_of_the_plugin_has_the_same_calls() {
    let host = Host::new(&PLUGIN).plugin_configuration("http").start();
    host.tick();
    assert_made(&host, &["plugin"], host.plugin().id());
    let stream = host.http_stream();
    stream.request_headers_with_body(&HEADERS);
    assert_made(&host, &["headers"], stream.id());
    stream.request_body("part", false);
    stream.request_trailers(&[("x-end", "1")]);
    assert_made(&host, &["complete body", "trailers"], stream.id());
    stream.response_headers(&OK);
    stream.response_body("part", true);
    assert_made(&host, &["body"], stream.id());
    stream.complete();
}

#[test]
fn every_handle_of_a_connection_has_the_same_calls() {
    let host = Host::new(&PLUGIN).plugin_configuration("tcp").start();
    let connection = host.tcp_connection();
    assert_made(&host, &["connection"], connection.id());
    connection.downstream_data("part", false);
    assert!(connection.sent_upstream().is_empty(), "the data is held");
    assert_made(&host, &["data"], connection.id());
    host.assert_logged(LogLevel::Info, &format!("judged 4 of {}", connection.id()));
    assert_eq!(connection.sent_upstream(), b"part");
    connection.complete();
}
