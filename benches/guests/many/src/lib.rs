//! Many of everything that a filter can have many of, for the test that counts how the cost of one
//! grows: `benches/meter/tests/growth.rs`.
//!
//! A request names what it wants in `x-do`, and in `x-n` how often. A plugin does what
//! `call_function` says: the low bits are the number, the high ones are one of [`Do`].

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use sluicegate::metric::Counter;
use sluicegate::prelude::*;
use sluicegate::queue::Queue;
use sluicegate::task::{self, Notify};
use sluicegate::timer::Timer;
use sluicegate::{Chunk, Output, property, shared_data};

/// The job of a plugin, done as often as the number below it says.
mod does {
    pub(crate) const START_TIMERS: u32 = 1;
    pub(crate) const STOP_TIMERS: u32 = 2;
    pub(crate) const NOTIFY: u32 = 3;
    pub(crate) const METRICS: u32 = 4;
    pub(crate) const SHARED: u32 = 5;
    pub(crate) const QUEUES: u32 = 6;
    pub(crate) const PROPERTIES: u32 = 7;
    pub(crate) const SPAWN: u32 = 8;
}

/// The bits of the number.
const NUMBER: u32 = 24;

#[derive(Default)]
struct Plugin {
    told: Rc<Notify>,
    ran: Cell<u32>,
    timers: Vec<Timer>,
}

#[sluicegate::plugin_context(timers, tasks)]
impl PluginContext for Plugin {
    /// A plugin that is configured at all has a timer.
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        if !plugin.configuration()?.is_empty() {
            plugin.run_every("configured", Duration::from_millis(10), |own: &mut Self, _| {
                own.ran.set(own.ran.get() + 1);
                Ok(())
            })?;
        }
        Ok(StartStatus::Ok)
    }

    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, function: u32) -> Result<()> {
        let numbers = 0..function & ((1 << NUMBER) - 1);
        match function >> NUMBER {
            does::START_TIMERS => {
                for number in numbers {
                    // A name has to live as long as the VM.
                    let name: &'static str = Box::leak(format!("timer {number}").into_boxed_str());
                    let wait = Duration::from_millis(u64::from(number.wrapping_mul(7919) % 1000) + 1);
                    let timer = plugin.run_after(name, wait, |own: &mut Self, _| {
                        own.ran.set(own.ran.get() + 1);
                        Ok(())
                    })?;
                    self.timers.push(timer);
                }
            }
            does::STOP_TIMERS => {
                for timer in self.timers.drain(..) {
                    plugin.cancel_timer(timer)?;
                }
            }
            does::NOTIFY => self.told.notify_all(),
            does::METRICS => {
                for number in numbers {
                    Counter::define(format!("counter_{number}"))?.increment(1)?;
                }
            }
            does::SHARED => {
                for number in numbers {
                    let key = format!("key {number}");
                    shared_data::set(&key, "value")?;
                    shared_data::get(&key)?;
                }
            }
            does::QUEUES => {
                for number in numbers {
                    let queue = Queue::register(format!("queue {number}"))?;
                    queue.enqueue("item")?;
                    queue.dequeue()?;
                }
            }
            does::PROPERTIES => {
                for number in numbers {
                    property::get(&["request", &format!("name{number}")])?;
                }
            }
            does::SPAWN => {
                for _ in numbers {
                    let told = self.told.clone();
                    plugin.spawn(async move { told.notified().await })?;
                }
            }
            _ => return Err(Error::new("an unknown function")),
        }
        Ok(())
    }
}

struct Many {
    answers: u32,
    rewriter: Rewriter,
    /// The rest that the rewriter leaves of each part: everything, or the last bytes.
    leaves: Leaves,
}

#[derive(Clone, Copy)]
enum Leaves {
    All,
    Last(usize),
}

impl Default for Many {
    fn default() -> Self {
        Self { answers: 0, rewriter: Rewriter::with_limit(usize::MAX), leaves: Leaves::All }
    }
}

#[sluicegate::http_filter(calls, tasks)]
impl HttpFilter for Many {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let does = text(request, "x-do")?;
        let number: u32 = text(request, "x-n")?.parse().unwrap_or_default();
        match &*does {
            "edits" => {
                for _ in 0..number {
                    request.add("x-short", "1")?;
                }
            }
            "bytes" => {
                let value = [b'v'; 100];
                for _ in 0..number {
                    request.add("x-long", value)?;
                }
            }
            "tasks" => {
                for number in 0..number {
                    let told = request.plugin().told.clone();
                    request.stream().spawn(async move {
                        task::sleep(Duration::from_millis(u64::from(number % 10) + 1)).await?;
                        told.notified().await
                    })?;
                }
            }
            "sleep" => {
                return request.hold_while(async {
                    task::sleep(Duration::from_millis(50)).await?;
                    Ok(Action::Continue)
                });
            }
            "wait" => {
                let told = request.plugin().told.clone();
                return request.hold_while(async move {
                    told.notified().await?;
                    Ok(Action::Continue)
                });
            }
            "calls" => {
                let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
                for _ in 0..number {
                    request.call_then(&HttpCall::new("cluster").headers(&headers), |own: &mut Self, _, _| {
                        own.answers += 1;
                        Ok(())
                    })?;
                }
            }
            "grpc" => {
                for _ in 0..number {
                    request.stream().grpc_call_then(
                        &GrpcCall::new("cluster", "service", "method"),
                        |own: &mut Self, _, _| {
                            own.answers += 1;
                            Ok(())
                        },
                    )?;
                }
            }
            "edits and reads" => {
                for number in 0..number {
                    let name = format!("x-{number}");
                    request.add(&name, "1")?;
                    request.get(&name)?;
                    request.replace(&name, "2")?;
                    request.get(&name)?;
                    request.remove(&name)?;
                    request.get(&name)?;
                }
            }
            "reply" => {
                let names: Vec<_> = (0..number).map(|number| format!("x-{number}")).collect();
                let headers: Vec<_> = names.iter().map(|name| (&**name, "value")).collect();
                return request.reply(&LocalResponse::new(200).headers(&headers));
            }
            "carry" | "carry last" => {
                request.body_will_change()?;
                if does == "carry last" {
                    self.leaves = Leaves::Last(50);
                }
            }
            _ => {}
        }
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        let leaves = self.leaves;
        self.rewriter.pass(body, |chunk, out| rewrite(leaves, chunk, out))
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        let leaves = self.leaves;
        self.rewriter.finish(trailers, |chunk, out| rewrite(leaves, chunk, out))
    }

    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_, Plugin>) -> Result<FilterStatus> {
        body.bytes()?;
        Ok(FilterStatus::Continue)
    }
}

/// Passes what may pass. The bytes that were not seen before are searched.
fn rewrite(leaves: Leaves, chunk: Chunk<'_>, out: &mut Output) -> Result<usize> {
    let new = chunk.get(chunk.seen()..).unwrap_or_default();
    let passes = match leaves {
        _ if chunk.is_last() || new.contains(&b'\n') => chunk.len(),
        Leaves::All => 0,
        Leaves::Last(left) => chunk.len().saturating_sub(left),
    };
    out.push(chunk.get(..passes).unwrap_or_default())?;
    Ok(passes)
}

fn text(request: &mut RequestHeaders<'_, Plugin>, name: &str) -> Result<String> {
    Ok(request.get(name)?.map(|value| String::from_utf8_lossy(&value).into_owned()).unwrap_or_default())
}

sluicegate::plugin!(plugin: Plugin, http: Many);
