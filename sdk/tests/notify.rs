//! Tasks of one context that another context wakes: at the end of that callback, each with its own
//! context, and only those that were woken.

use std::cell::Cell;
use std::future::Future as _;
use std::rc::Rc;

use sluicegate::prelude::*;
use sluicegate::task::{self, Notify};
use sluicegate::{LogLevel, abi::Import};
use sluicegate_host::{Host, HttpStream, RunningHost};

#[derive(Default)]
struct Gate {
    polled: Cell<u32>,
    told: Notify,
}

#[derive(Default)]
struct Plugin {
    gate: Rc<Gate>,
}

#[sluicegate::plugin_context(tasks)]
impl PluginContext for Plugin {
    /// 0 tells all, 1 tells one, 2 starts a task of the plugin that waits.
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, function: u32) -> Result<()> {
        match function {
            0 => self.gate.told.notify_all(),
            1 => self.gate.told.notify_one(),
            _ => {
                let gate = self.gate.clone();
                return plugin.spawn(async move {
                    gate.told.notified().await?;
                    task::with_plugin(|_: &mut Plugin, plugin| info!("plugin {} was told", plugin.id())).await
                });
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter(tasks)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let gate = request.plugin().gate.clone();
        if request.get("x-tells")?.is_some() {
            gate.told.notify_all();
            return Ok(Action::Continue);
        }
        request.hold_while(async move {
            let mut waits = std::pin::pin!(gate.told.notified());
            std::future::poll_fn(|context| {
                gate.polled.set(gate.polled.get() + 1);
                waits.as_mut().poll(context)
            })
            .await?;
            let polled = gate.polled.get();
            task::with_filter(move |_: &mut Self, stream| stream.edit_request_headers().add("x-polled", polled))
                .await??;
            Ok(Action::Continue)
        })
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn waiting(host: &RunningHost) -> HttpStream<'_> {
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/")]), Action::Pause as u32);
    stream
}

fn polled(stream: &HttpStream<'_>) -> Option<String> {
    assert_eq!(stream.request_resumed(), stream.request_header("x-polled").is_some());
    stream.request_header("x-polled")
}

#[test]
fn the_callback_of_a_plugin_tells_streams() {
    let host = Host::new(&PLUGIN).start();
    let streams = [waiting(&host), waiting(&host), waiting(&host)];
    host.call_function(0, "");
    // Each was polled when it began to wait and when it was told, in the order in which they came.
    assert_eq!(streams.each_ref().map(polled), ["4", "5", "6"].map(|polled| Some(polled.to_owned())));
    // Nobody is told later what was before.
    assert_eq!(polled(&waiting(&host)), None);
    assert_eq!(host.tick_period(), None);
}

#[test]
fn one_is_told_after_another_also_when_one_goes_away() {
    let host = Host::new(&PLUGIN).start();
    let [first, second, third, fourth] = [(); 4].map(|()| waiting(&host));
    host.call_function(1, "");
    assert_eq!(polled(&first).as_deref(), Some("5"));
    assert_eq!(polled(&second), None);
    second.complete();
    host.call_function(1, "");
    assert_eq!(polled(&third).as_deref(), Some("6"));
    fourth.complete();
    host.call_function(1, "");
    assert!(!host.logged(LogLevel::Warn, ""), "{:?}", host.log());
}

#[test]
fn a_stream_tells_others_and_goes_on_itself() {
    let host = Host::new(&PLUGIN).start();
    host.call_function(2, "");
    let waits = waiting(&host);
    let tells = host.http_stream();
    let before = host.calls(Import::proxy_set_effective_context);
    assert_eq!(tells.request_headers(&[(":path", "/"), ("x-tells", "1")]), 0);
    // A callback that answers what becomes of its own stream lets nobody else act before it has
    // returned.
    assert_eq!(polled(&waits), None);
    assert_eq!(host.tick_period(), Some(core::time::Duration::from_millis(1)));
    host.tick();
    assert_eq!(polled(&waits).as_deref(), Some("2"));
    assert!(host.logged(LogLevel::Info, "plugin 1 was told"));
    assert_eq!(host.calls(Import::proxy_set_effective_context) - before, 2, "one for each that was told");
    assert_eq!(tells.request_header("x-polled"), None);
}
