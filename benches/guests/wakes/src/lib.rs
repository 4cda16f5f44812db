//! Streams that wait to be told, and every callback that can tell them, for the test that does so
//! in a real Envoy: `examples/tests/e2e/wakes.rs`.
//!
//! A request to `/wait/WHERE` is held there. A request to `/tell/WHEN` tells all that wait then. A
//! connection waits from its start, and tells when its client closes it.

use std::rc::Rc;
use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::queue::Queue;
use sluicegate::task::{self, Notify};

#[derive(Default)]
struct Vm {
    told: Rc<Notify>,
}

#[sluicegate::vm_context]
impl VmContext for Vm {}

struct Plugin {
    told: Rc<Notify>,
    queue: Option<Queue>,
    is_tcp: bool,
}

const QUEUE: &str = "wakes";
const SOON: Duration = Duration::from_millis(20);

impl Plugin {
    fn tell(&self, when: &str) {
        info!("told: {when}");
        self.told.notify_all();
    }
}

#[sluicegate::plugin_context(timers)]
impl PluginContext for Plugin {
    type Vm = Vm;

    fn create(vm: &Vm, _: u32) -> Self {
        Self { told: vm.told.clone(), queue: None, is_tcp: false }
    }

    fn on_configure(&mut self, plugin: &mut PluginHandle<'_, Vm>) -> Result<StartStatus> {
        self.is_tcp = &*plugin.configuration()? == b"tcp";
        self.queue = Some(Queue::register(QUEUE)?);
        Ok(StartStatus::Ok)
    }

    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_, Vm>, queue: Queue) -> Result<()> {
        while let Some(item) = queue.dequeue()? {
            match &*item {
                b"tick" => plugin.set_tick_period(SOON)?,
                b"timer" => drop(plugin.run_after("soon", SOON, |own: &mut Self, _| {
                    own.tell("timer");
                    Ok(())
                })?),
                _ => self.tell("queue"),
            }
        }
        Ok(())
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_, Vm>) -> Result<()> {
        self.tell("tick");
        // One is enough, and a stream that goes on at the next one would hide that it did not at
        // this one.
        plugin.set_tick_period(Duration::ZERO)
    }
}

struct Stream {
    told: Rc<Notify>,
    path: String,
}

impl Stream {
    /// Tells if this is when the request wants that.
    fn tell(&self, when: &str) {
        if self.path.strip_prefix("/tell/") == Some(when) {
            info!("told: {when}");
            self.told.notify_all();
        }
    }

    fn waits(&self, at: &str) -> Option<Rc<Notify>> {
        let waits = self.path.strip_prefix("/wait/") == Some(at);
        waits.then(|| {
            info!("waits: {at}");
            self.told.clone()
        })
    }
}

/// Tells when it is dropped.
struct Tells(Rc<Notify>);

impl Drop for Tells {
    fn drop(&mut self) {
        info!("told: drop");
        self.0.notify_all();
    }
}

#[sluicegate::http_filter(calls, tasks)]
impl HttpFilter for Stream {
    type Plugin = Plugin;

    fn accepts(plugin: &Plugin, _: u32) -> bool {
        !plugin.is_tcp
    }

    fn create(plugin: &Plugin, _: u32) -> Self {
        Self { told: plugin.told.clone(), path: String::new() }
    }

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        self.path = request.get(":path")?.map(|path| String::from_utf8_lossy(&path).into_owned()).unwrap_or_default();
        self.tell("request-headers");
        if let Some(told) = self.waits("request") {
            return request.hold_while(async move {
                told.notified().await?;
                let edit = |_: &mut Self, stream: &mut HttpHandle<'_, Plugin>| {
                    stream.edit_request_headers().replace("x-was", "told")
                };
                task::with_filter(edit).await??;
                Ok(Action::Continue)
            });
        }
        if let Some(told) = self.waits("reply") {
            return request.hold_while(async move {
                told.notified().await?;
                task::reply(&LocalResponse::new(418))
            });
        }
        if self.path == "/wait/body" || self.path == "/tell/request-body" {
            // Or the proxy would answer without it.
            return Ok(Action::StopIteration);
        }
        let told = self.told.clone();
        let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
        match self.path.strip_prefix("/tell/") {
            Some("answer") => {
                return request.hold_for_call(&HttpCall::new("answers").headers(&headers), |own: &mut Self, _, _| {
                    own.tell("answer");
                    Ok(Action::Continue)
                });
            }
            Some("grpc") => {
                return request.hold_for_grpc_call(&GrpcCall::new("answers", "a", "b"), |own: &mut Self, _, _| {
                    own.tell("grpc");
                    Ok(Action::Continue)
                });
            }
            Some("task") => {
                return request.hold_while(async move {
                    task::sleep(SOON).await?;
                    info!("told: task");
                    told.notify_all();
                    Ok(Action::Continue)
                });
            }
            Some("drop") => {
                let tells = Tells(told);
                // Dropped with the request, as it is never told.
                request.stream().spawn(async move {
                    Notify::new().notified().await?;
                    drop(tells);
                    Ok(())
                })?;
            }
            Some(item @ ("queue" | "tick" | "timer")) => {
                if let Some(queue) = &request.plugin().queue {
                    queue.enqueue(item)?;
                }
            }
            _ => {}
        }
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        self.tell("request-body");
        match self.waits("body").filter(|_| body.end_of_stream()) {
            Some(told) => body.hold_while(async move {
                told.notified().await?;
                Ok(Action::Continue)
            }),
            None => Ok(DataAction::Continue),
        }
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        self.tell("response-headers");
        match self.waits("response") {
            Some(told) => response.hold_while(async move {
                told.notified().await?;
                Ok(Action::Continue)
            }),
            None => Ok(Action::Continue),
        }
    }

    fn on_response_body(&mut self, _: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        self.tell("response-body");
        Ok(DataAction::Continue)
    }

    fn on_log(&mut self, _: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        self.tell("log");
        Ok(())
    }

    fn on_done(&mut self, _: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        self.tell("done");
        Ok(())
    }

    fn on_delete(&mut self, _: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        self.tell("delete");
        Ok(())
    }
}

struct Connection {
    told: Rc<Notify>,
}

#[sluicegate::tcp_filter(tasks)]
impl TcpFilter for Connection {
    type Plugin = Plugin;

    fn accepts(plugin: &Plugin, _: u32) -> bool {
        plugin.is_tcp
    }

    fn create(plugin: &Plugin, _: u32) -> Self {
        Self { told: plugin.told.clone() }
    }

    fn on_new_connection(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<FilterStatus> {
        info!("waits: connection");
        let told = self.told.clone();
        connection.hold_while(async move {
            told.notified().await?;
            Ok(Action::Continue)
        })
    }

    fn on_downstream_close(&mut self, _: &mut TcpHandle<'_, Plugin>, _: PeerType) -> Result<()> {
        info!("told: close");
        self.told.notify_all();
        Ok(())
    }
}

sluicegate::plugin!(vm: Vm, plugin: Plugin, http: Stream, tcp: Connection);
