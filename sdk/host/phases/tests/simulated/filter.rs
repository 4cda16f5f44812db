//! A filter that follows a script through the SDK.

mod acts;
pub(crate) mod connection;

use sluicegate::prelude::*;
use sluicegate::queue::Queue;

use crate::script;
use acts::{Acts, perform};

/// Does what the script says of a callback of a context's; the number that the callback returns.
fn follow(handle: &impl Acts, context: u32, callback: &str) -> u32 {
    perform(handle, &script::steps(context, callback), 0)
}

/// Does what the script says of a callback of the plugin's, on the stream or the connection that
/// the script names.
fn follow_plugin(plugin: &mut PluginHandle<'_>, callback: &str) {
    let steps = script::steps(plugin.id(), callback);
    let Some(at) = steps.steps.iter().position(|step| step == "effective 2") else {
        perform(&*plugin, &steps, 0);
        return;
    };
    for step in &steps.steps[..at] {
        if let Some(period) = step.strip_prefix("tick ") {
            script::tick(period != "0");
        }
    }
    let on_stream = plugin.with_http_stream(2, |stream| {
        perform(&*stream, &steps, at);
        Ok(())
    });
    if on_stream.is_err() {
        // It may be over: then there is nothing to act on.
        let _ = plugin.with_tcp_connection(2, |connection| {
            perform(&*connection, &steps, at);
            Ok(())
        });
    }
}

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        follow_plugin(plugin, "configure");
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        follow_plugin(plugin, "tick");
        Ok(())
    }

    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_>, _: Queue) -> Result<()> {
        follow_plugin(plugin, "queue_ready");
        Ok(())
    }

    fn on_log(&mut self, plugin: &mut PluginHandle<'_>, _: &AccessLogEntry<'_>) -> Result<()> {
        follow_plugin(plugin, "log");
        Ok(())
    }

    fn on_done(&mut self, plugin: &mut PluginHandle<'_>) -> Result<bool> {
        follow_plugin(plugin, "done");
        Ok(true)
    }

    fn on_delete(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        follow_plugin(plugin, "delete");
        Ok(())
    }
}

#[derive(Default)]
struct Filter;

fn follow_stream(stream: &HttpHandle<'_, Plugin>, callback: &str) -> u32 {
    follow(stream, stream.id(), callback)
}

fn action(number: u32) -> Action {
    if number == 0 { Action::Continue } else { Action::StopIteration }
}

fn data_action(number: u32) -> DataAction {
    if number == 0 { DataAction::Continue } else { DataAction::StopIterationAndBuffer }
}

fn flow(number: u32) -> FilterStatus {
    if number == 0 { FilterStatus::Continue } else { FilterStatus::StopIteration }
}

/// Hosts give answers to the plugin, and the script knows them by its number.
const PLUGIN_ID: u32 = 1;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        Ok(action(follow_stream(request.stream(), "request_headers")))
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        Ok(data_action(follow_stream(body.stream(), "request_body")))
    }

    fn on_request_metadata(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: u32) -> Result<()> {
        follow_stream(stream, "request_metadata");
        Ok(())
    }

    fn on_response_metadata(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: u32) -> Result<()> {
        follow_stream(stream, "response_metadata");
        Ok(())
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        Ok(flow(follow_stream(trailers.stream(), "request_trailers")))
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        Ok(action(follow_stream(response.stream(), "response_headers")))
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        Ok(data_action(follow_stream(body.stream(), "response_body")))
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<FilterStatus> {
        Ok(flow(follow_stream(trailers.stream(), "response_trailers")))
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        follow(stream, PLUGIN_ID, "http_call_response");
        Ok(())
    }

    fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_, Plugin>, event: &GrpcEvent) -> Result<()> {
        let callback = match event.kind() {
            GrpcEventKind::InitialMetadata(_) => "grpc_receive_initial_metadata",
            GrpcEventKind::Message(_) => "grpc_receive",
            GrpcEventKind::TrailingMetadata(_) => "grpc_receive_trailing_metadata",
            _ => "grpc_close",
        };
        follow(stream, PLUGIN_ID, callback);
        Ok(())
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        follow_stream(stream, "log");
        Ok(())
    }

    fn on_done(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        follow_stream(stream, "done");
        Ok(())
    }

    fn on_delete(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        follow_stream(stream, "delete");
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);
