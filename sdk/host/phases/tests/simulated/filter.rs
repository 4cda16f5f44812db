//! A filter that follows a script through the SDK.

use sluicegate::prelude::*;
use sluicegate::queue::Queue;

use crate::script;

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "s")];

/// Does what the script says of a callback of a stream's; the number that the callback returns.
fn follow<P>(stream: &HttpHandle<'_, P>, callback: &str) -> u32 {
    let steps = script::steps(stream.id(), callback);
    perform(stream, &steps, 0)
}

/// Does the steps from a number on.
fn perform<P>(stream: &HttpHandle<'_, P>, steps: &script::Steps, from: usize) -> u32 {
    let mut status = 0;
    for (at, step) in steps.steps.iter().enumerate().skip(from) {
        let words: Vec<_> = step.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(0);
        let done = match words[0] {
            "return" => {
                status = number(1);
                continue;
            }
            "tick" => {
                script::tick(number(1) != 0);
                continue;
            }
            // The stream is the effective one already; the item and the message went with what is
            // before them.
            "effective" | "enqueue" | "send" => continue,
            "call" => stream.call(&HttpCall::new("service").headers(&HEADERS)).map(drop),
            "stream" => stream.grpc_stream("grpc", "Service", "Method", &[]).and_then(|grpc| grpc.send("hello", true)),
            "resume" if number(1) == 0 => stream.resume_request(),
            "resume" => stream.resume_response(),
            "close" if number(1) == 0 => stream.reset(),
            "close" => stream.reset_response(),
            "reply" => {
                let status = u16::try_from(number(1)).expect("a status");
                stream.reply(&LocalResponse::new(status).body("denied"))
            }
            "remove" if number(1) == 2 => stream.edit_response_headers().remove("content-length"),
            "remove" => stream.edit_request_trailers().remove("x-trailer"),
            "add" => stream.edit_request_trailers().add("x-cell", "yes"),
            "replace" => stream.edit_request_trailers().replace("x-cell", "yes"),
            // A stream's handle has no call for these: the callback for the trailers has.
            "set" | "size" | "pairs" | "get" => continue,
            "register" => Queue::register("cells").and_then(|queue| queue.enqueue("item")),
            other => panic!("no step is called {other}"),
        };
        if steps.cell.contains(&at) {
            script::note(done.map_err(|error| error.to_string()));
        }
    }
    status
}

/// Does what the script says of a callback of the plugin's, on the stream that the script names.
fn follow_plugin(plugin: &mut PluginHandle<'_>, callback: &str) -> Result<()> {
    let steps = script::steps(plugin.id(), callback);
    for step in &steps.steps {
        if let Some(period) = step.strip_prefix("tick ") {
            script::tick(period != "0");
        }
    }
    let Some(at) = steps.steps.iter().position(|step| step == "effective 2") else { return Ok(()) };
    plugin.with_http_stream(2, |stream| {
        perform(stream, &steps, at);
        Ok(())
    })
}

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        follow_plugin(plugin, "tick")
    }

    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_>, _: Queue) -> Result<()> {
        follow_plugin(plugin, "queue_ready")
    }
}

#[derive(Default)]
struct Filter;

fn action(number: u32) -> Action {
    if number == 0 { Action::Continue } else { Action::StopIteration }
}

fn data_action(number: u32) -> DataAction {
    if number == 0 { DataAction::Continue } else { DataAction::StopIterationAndBuffer }
}

fn flow(number: u32) -> Flow {
    if number == 0 { Flow::Continue } else { Flow::StopIteration }
}

/// Hosts give answers to the plugin, and the script knows them by its number.
const PLUGIN_ID: u32 = 1;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        Ok(action(follow(request.stream(), "request_headers")))
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        Ok(data_action(follow(body.stream(), "request_body")))
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<Flow> {
        Ok(flow(follow(trailers.stream(), "request_trailers")))
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        Ok(action(follow(response.stream(), "response_headers")))
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        Ok(data_action(follow(body.stream(), "response_body")))
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<Flow> {
        Ok(flow(follow(trailers.stream(), "response_trailers")))
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        perform(stream, &script::steps(PLUGIN_ID, "http_call_response"), 0);
        Ok(())
    }

    fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_, Plugin>, event: &GrpcEvent) -> Result<()> {
        let callback = match event.what() {
            GrpcWhat::InitialMetadata(_) => "grpc_receive_initial_metadata",
            GrpcWhat::Message(_) => "grpc_receive",
            GrpcWhat::TrailingMetadata(_) => "grpc_receive_trailing_metadata",
            _ => "grpc_close",
        };
        perform(stream, &script::steps(PLUGIN_ID, callback), 0);
        Ok(())
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        follow(stream, "log");
        Ok(())
    }

    fn on_done(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        follow(stream, "done");
        Ok(())
    }

    fn on_delete(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        follow(stream, "delete");
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);
