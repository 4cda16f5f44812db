//! A filter that uses every host function, each call of which goes wrong in every way: no trap, no leak, and the next request is served.
#![allow(unsafe_code, reason = "a global allocator")]

mod counting;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::metric::{Counter, Gauge};
use sluicegate::prelude::*;
use sluicegate::queue::Queue;
use sluicegate::{foreign, property, shared_data, time};
use sluicegate_host::{Host, Running, sweep};

use crate::counting::LIVE;

thread_local! {
    /// How many filters there are.
    static FILTERS: Cell<i32> = const { Cell::new(0) };
}

/// Counted for as long as it lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        FILTERS.set(FILTERS.get() + 1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        FILTERS.set(FILTERS.get() - 1);
    }
}

struct Plugin {
    counter: Option<Counter>,
    gauge: Option<Gauge>,
    waiting: Cell<Option<u32>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn create((): &(), _: u32) -> Self {
        Self { counter: None, gauge: None, waiting: Cell::new(None) }
    }

    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        info!("{} bytes", plugin.configuration()?.len());
        plugin.set_tick_period(Duration::from_secs(1))?;
        self.counter = Some(Counter::define("requests")?);
        self.gauge = Some(Gauge::define("open")?);
        Queue::register("queue")?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        if let Some(stream) = self.waiting.take() {
            plugin.resume_request(stream)?;
        }
        plugin.grpc_call(&GrpcCall::new("cluster", "Service", "Tick").message("tick"))?;
        let chat = plugin.grpc_stream("cluster", "Service", "Chat", &[("a", "b")])?;
        chat.send("hello", false)?;
        chat.close()?;
        plugin.grpc_stream("cluster", "Service", "Chat", &[])?.cancel()
    }

    fn on_grpc_event(&mut self, _: &mut PluginHandle<'_>, event: &GrpcEvent) -> Result<()> {
        match event.what() {
            GrpcWhat::Message(_) => info!("message {:?}", event.message()?),
            GrpcWhat::Closed(status) => info!("closed {status} {:?}", event.status_text()?),
            _ => info!("metadata {}", event.metadata()?.len()),
        }
        Ok(())
    }

    fn on_queue_ready(&mut self, _: &mut PluginHandle<'_>, queue: Queue) -> Result<()> {
        info!("item {:?}", queue.dequeue()?);
        Ok(())
    }

    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, function: u32) -> Result<()> {
        info!("function {function}: {:?}", plugin.foreign_arguments()?);
        Ok(())
    }

    fn on_done(&mut self, plugin: &mut PluginHandle<'_>) -> bool {
        let _ = plugin.done();
        false
    }
}

struct Filter {
    _counted: Counted,
    cursor: BodyCursor,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn create(_: &Plugin, _: u32) -> Self {
        Self { _counted: Counted::new(), cursor: BodyCursor::default() }
    }

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        if let (Some(counter), Some(gauge)) = (&request.plugin().counter, &request.plugin().gauge) {
            counter.increment(1)?;
            gauge.set(counter.value()?)?;
        }
        info!("{} headers in {} bytes", request.snapshot()?.len(), request.byte_size()?);
        info!("at {:?} agent {:?}", time::now()?, request.fetch("user-agent")?);
        request.add("x-added", "1")?;
        request.replace("x-replaced", 2)?;
        request.remove("user-agent")?;
        info!("path {:?}", property::get(&["request", "path"])?);
        property::set(&["state"], "kept")?;
        foreign::clear_route_cache()?;
        shared_data::update("count", |before| before.map_or(1, |before| before.len().min(3)).to_le_bytes())?;
        Queue::resolve("", "queue")?.ok_or(Error::new("no queue"))?.enqueue("item")?;
        let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
        request.call(&HttpCall::new("cluster").headers(&headers).body("?"))?;
        Ok(Action::Pause)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, answer: &CallResponse) -> Result<()> {
        info!("{} {:?} {}", answer.headers()?.len(), answer.body()?, answer.trailers()?.len());
        stream.plugin().waiting.set(Some(stream.id()));
        Ok(())
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        info!("{:?} of {}", self.cursor.read(body)?, body.current_size()?);
        if !body.end_of_stream() {
            return Ok(DataAction::Pause);
        }
        body.append("!")?;
        Ok(DataAction::Continue)
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<Flow> {
        trailers.add("x", "y")?;
        Ok(Flow::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        response.set_all(&[(":status", "200"), ("x-all", "1")])?;
        Ok(Action::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        if body.read(0, 5)?.starts_with(b"reply") {
            return body.reply(&LocalResponse::new(503).headers(&[("a", "b")]).body("no"));
        }
        Ok(DataAction::Continue)
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<Flow> {
        trailers.stream().reset()?;
        Ok(Flow::Continue)
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_, Plugin>) {
        info!("{:?}", stream.request_headers().map(|headers| headers.len()));
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

const REQUEST: [(&str, &str); 3] = [(":path", "/"), (":authority", "a"), ("user-agent", "curl")];

/// What a client sees: the actions, the request's headers and body, the reply's status; and how many filters are left.
type Round = (Vec<u32>, Vec<(String, String)>, Vec<u8>, Option<u32>, i32);

fn scenario(host: &Running) -> Round {
    let stream = host.http_stream();
    let mut actions = vec![stream.request_headers_with_body(&REQUEST)];
    for call in host.pending_calls() {
        host.answer_call(call.token, &[(":status", "200")], "yes", &[("t", "1")]);
    }
    host.tick();
    for grpc in host.open_grpc() {
        host.grpc_initial_metadata(grpc.token, &[("m", "1")]);
        host.grpc_message(grpc.token, "answer");
        host.grpc_close(grpc.token, 5, "not found");
    }
    host.deliver_queues();
    host.call_function(7, "arguments");
    actions.push(stream.request_body("one ", false));
    actions.push(stream.request_body("two", true));
    actions.push(stream.request_trailers(&[("t", "1")]));
    actions.push(stream.response_headers(&[(":status", "404"), ("server", "envoy")]));
    actions.push(stream.response_body("reply", false));
    let headers = stream.request_map().to_text();
    let (body, reply) = (stream.sent_request_body(), stream.reply().map(|reply| reply.status));
    // This stream is over with its reply. It ends last: a context of its number that a fault makes ends with it.
    let second = host.http_stream();
    actions.push(second.response_trailers(&[("t", "1")]));
    second.complete();
    stream.complete();
    (actions, headers, body, reply, FILTERS.get())
}

/// One round without a fault, to its end.
fn serves(host: Host) {
    let host = host.start();
    assert!(host.started());
    let (actions, headers, body, reply, filters) = scenario(&host);
    assert_eq!((&*actions, &*body, reply, filters), (&[1, 1, 0, 0, 0, 3, 0][..], &b"one two!"[..], Some(503), 0));
    assert!(headers.contains(&("x-replaced".into(), "2".into())), "{headers:?}");
    assert!(host.finish() && host.calls(Import::proxy_done) == 1);
}

#[test]
fn every_host_call_of_a_filter_that_uses_them_all_may_go_wrong() {
    let host = Host::new(&PLUGIN).plugin_configuration("configuration");
    // What is made once for a thread is there after this.
    serves(host.clone());
    let before = LIVE.get();
    let swept = sweep(&host, scenario);
    let called: BTreeSet<_> = swept.calls.iter().map(|call| call.import.name()).collect();
    // Those of ABI 0.1.0, and the one at the plugin's end.
    let not_called = ["proxy_get_configuration", "proxy_continue_request", "proxy_continue_response"];
    let not_called = not_called.iter().chain(&["proxy_clear_route_cache", "proxy_done"]);
    let all: BTreeSet<_> = Import::ALL.iter().map(|import| import.name()).collect();
    assert_eq!(all.difference(&called).copied().collect::<BTreeSet<_>>(), not_called.copied().collect());
    assert!(swept.faults > 1000, "{}", swept.faults);
    drop((swept, called, all));
    assert_eq!(LIVE.get(), before, "bytes leaked");
}
