//! A panic ends a VM, and a VM that a test starts after it on the same thread knows nothing of it:
//! whatever ran when the first one panicked.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::queue::Queue;
use sluicegate::task;
use sluicegate_host::Host;

thread_local! {
    /// Where the filter panics.
    static PLACE: Cell<&'static str> = const { Cell::new("") };
}

fn at(place: &'static str) {
    assert!(PLACE.get() != place, "told to panic");
}

const PLACES: [&str; 29] = [
    "vm create",
    "on_vm_start",
    "plugin create",
    "on_configure",
    "plugin's task",
    "timer",
    "on_tick",
    "on_queue_ready",
    "on_foreign_function",
    "plugin's on_done",
    "plugin's on_delete",
    "accepts",
    "create",
    "on_request_headers",
    "with an edit",
    "with a snapshot",
    "on_request_body",
    "on_request_trailers",
    "answer in a closure",
    "task",
    "task after a call",
    "task after a sleep",
    "with_filter",
    "drop of a task",
    "on_response_headers",
    "on_response_body",
    "on_log",
    "on_done",
    "on_delete",
];

#[derive(Default)]
struct Vm;

#[sluicegate::vm_context]
impl VmContext for Vm {
    fn create() -> Self {
        at("vm create");
        Self
    }

    fn on_vm_start(&mut self, _: &mut VmHandle<'_>) -> Result<StartStatus> {
        at("on_vm_start");
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context(timers, tasks)]
impl PluginContext for Plugin {
    type Vm = Vm;

    fn create(_: &Vm, _: u32) -> Self {
        at("plugin create");
        Self
    }

    fn on_configure(&mut self, plugin: &mut PluginHandle<'_, Vm>) -> Result<StartStatus> {
        at("on_configure");
        Queue::register("queue")?;
        plugin.set_tick_period(Duration::from_millis(100))?;
        plugin.run_every("timer", Duration::from_millis(70), |_: &mut Self, _| {
            at("timer");
            Ok(())
        })?;
        plugin.spawn(async {
            at("plugin's task");
            Ok(())
        })?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, _: &mut PluginHandle<'_, Vm>) -> Result<()> {
        at("on_tick");
        Ok(())
    }

    fn on_queue_ready(&mut self, _: &mut PluginHandle<'_, Vm>, queue: Queue) -> Result<()> {
        at("on_queue_ready");
        info!("item {:?}", queue.dequeue()?);
        Ok(())
    }

    fn on_foreign_function(&mut self, _: &mut PluginHandle<'_, Vm>, _: u32) -> Result<()> {
        at("on_foreign_function");
        Queue::register("queue")?.enqueue("item")
    }

    fn on_done(&mut self, _: &mut PluginHandle<'_, Vm>) -> Result<bool> {
        at("plugin's on_done");
        Ok(true)
    }

    fn on_delete(&mut self, _: &mut PluginHandle<'_, Vm>) -> Result<()> {
        at("plugin's on_delete");
        Ok(())
    }
}

struct Filter;

/// Panics when it is dropped, if it is told to.
struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            at("drop of a task");
        }
    }
}

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];

#[sluicegate::http_filter(tasks, calls)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn accepts(_: &Plugin, _: u32) -> bool {
        at("accepts");
        true
    }

    fn create(_: &Plugin, _: u32) -> Self {
        at("create");
        Self
    }

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        at("on_request_headers");
        request.add("x-added", "1")?;
        at("with an edit");
        let paths =
            request.snapshot()?.iter().filter(|(name, _)| *name == ":path").inspect(|_| at("with a snapshot")).count();
        info!("paths {paths}, added {:?}", request.get("x-added")?);
        // No task runs here, whatever ran when an earlier VM ended.
        info!("{:?}", task::reply(&LocalResponse::new(403)).map_err(|error| error.to_string()));
        request.call_then(&HttpCall::new("closure").headers(&HEADERS), |_: &mut Self, _, _| {
            at("answer in a closure");
            Ok(())
        })?;
        request.hold_while(async {
            let _dropped = Dropped;
            at("task");
            HttpCall::new("task").headers(&HEADERS).send().await?;
            at("task after a call");
            task::sleep(Duration::from_millis(10)).await?;
            at("task after a sleep");
            task::with_filter(|_: &mut Self, stream| {
                at("with_filter");
                stream.edit_request_headers().add("x-from-task", "1")
            })
            .await??;
            Ok(Action::Continue)
        })
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        at("on_request_body");
        body.append("+")?;
        Ok(DataAction::Continue)
    }

    fn on_request_trailers(&mut self, _: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        at("on_request_trailers");
        Ok(FilterStatus::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        response.add("x-response", "1")?;
        at("on_response_headers");
        Ok(Action::Continue)
    }

    fn on_response_body(&mut self, _: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        at("on_response_body");
        Ok(DataAction::Continue)
    }

    fn on_log(&mut self, _: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        at("on_log");
        Ok(())
    }

    fn on_done(&mut self, _: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        at("on_done");
        Ok(())
    }

    fn on_delete(&mut self, _: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        at("on_delete");
        Ok(())
    }
}

sluicegate::plugin!(vm: Vm, plugin: Plugin, http: Filter);

/// Lets a VM do everything once; what is seen of it.
fn live() -> Vec<String> {
    let host = Host::new(&PLUGIN).start();
    let mut seen = vec![format!("started {}, tick {:?}", host.started(), host.tick_period())];
    host.call_function(1, "");
    host.deliver_queues();
    let stream = host.http_stream();
    seen.push(format!("headers {}", stream.request_headers_with_body(&[(":path", "/"), ("x", "y")])));
    for call in host.pending_calls() {
        seen.push(format!("{} {}", call.cluster, call.token));
        host.answer_call(call.token, &[(":status", "200")], "", &[]);
    }
    host.advance(Duration::from_millis(200));
    seen.push(format!("resumed {}, {:?}", stream.request_resumed(), stream.request_header("x-from-task")));
    seen.push(format!("body {}", stream.request_body("body", false)));
    seen.push(format!("trailers {}", stream.request_trailers(&[("t", "1")])));
    seen.push(format!("response {}", stream.response_headers(&[(":status", "200")])));
    seen.push(format!("{:?}", stream.response_header("x-response")));
    seen.push(format!("response's body {}", stream.response_body("body", true)));
    stream.complete();
    // A task goes with its stream while it waits.
    let stream = host.http_stream();
    seen.push(format!("headers {}", stream.request_headers(&[(":path", "/")])));
    stream.complete();
    seen.push(format!("finished {}", host.finish()));
    seen.extend(host.log().iter().map(|line| line.text.clone()));
    seen
}

#[test]
fn a_vm_after_a_panic_is_as_any_other() {
    let fresh = live();
    assert!(fresh.iter().any(|seen| seen == "resumed true, Some(\"1\")"), "{fresh:#?}");
    for place in PLACES {
        PLACE.set(place);
        let panicked = catch_unwind(AssertUnwindSafe(live)).is_err();
        PLACE.set("");
        assert!(panicked, "{place} was not reached");
        assert_eq!(live(), fresh, "after a panic in {place}");
    }
}
