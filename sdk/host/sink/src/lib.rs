//! A filter that uses every host function of ABI 0.2.1, and allocates nothing that it cannot do
//! without: its tests let each call and each allocation go wrong.

use std::cell::Cell;
use std::time::Duration;

use sluicegate::metric::{Counter, Gauge, Histogram};
use sluicegate::prelude::*;
use sluicegate::queue::Queue;
use sluicegate::{HostBytes, arena, foreign, property, shared_data, time};

struct Plugin {
    counter: Option<Counter>,
    gauge: Option<Gauge>,
    sizes: Option<Histogram>,
    waiting: Cell<Option<u32>>,
    /// `true` if the next stream is a connection, which hosts do not tell.
    connections: Cell<bool>,
    /// `true` if the next tick refuses the waiting streams.
    refuses: Cell<bool>,
}

/// The functions by which the host says what the next streams are.
#[cfg(test)]
const STREAMS: u32 = 7;
const CONNECTIONS: u32 = 8;
/// And by which the host says that the next tick is to refuse.
const REFUSE: u32 = 9;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn create((): &(), _: u32) -> Self {
        let (waiting, connections, refuses) = (Cell::new(None), Cell::new(false), Cell::new(false));
        Self { counter: None, gauge: None, sizes: None, waiting, connections, refuses }
    }

    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        info!("{} bytes", plugin.configuration()?.len());
        plugin.set_tick_period(Duration::from_secs(1))?;
        self.counter = Some(Counter::define("requests")?);
        self.gauge = Some(Gauge::define("open")?);
        self.sizes = Some(Histogram::define("sizes")?);
        Queue::register("queue")?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        if let Some(stream) = self.waiting.take() {
            if self.refuses.take() {
                plugin.with_http_stream(stream, |stream| stream.reply(&LocalResponse::new(403)))?;
            } else {
                plugin.with_http_stream(stream, |stream| {
                    stream.edit_request_headers().add("x-tick", "1")?;
                    stream.edit_request_headers().remove("x-replaced-later")
                })?;
                plugin.resume_request(stream)?;
            }
        }
        plugin.grpc_call(&GrpcCall::new("cluster", "Service", "Tick").message("tick"))?;
        let chat = plugin.grpc_stream("cluster", "Service", "Chat", &[("a", "b")])?;
        chat.send("hello", false)?;
        chat.close()?;
        plugin.grpc_stream("cluster", "Service", "Chat", &[])?.cancel()
    }

    fn on_grpc_event(&mut self, _: &mut PluginHandle<'_>, event: &GrpcEvent) -> Result<()> {
        match event.kind() {
            GrpcEventKind::Message(_) => info!("message {:?}", event.message()?),
            GrpcEventKind::Closed(status) => info!("closed {status} {:?}", event.status_text()?),
            _ => info!("metadata {}", event.metadata()?.len()),
        }
        Ok(())
    }

    fn on_queue_ready(&mut self, _: &mut PluginHandle<'_>, queue: Queue) -> Result<()> {
        info!("item {:?}", queue.dequeue()?);
        Ok(())
    }

    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, function: u32) -> Result<()> {
        self.connections.set(function == CONNECTIONS);
        self.refuses.set(function == REFUSE);
        info!("function {function}: {:?}", plugin.foreign_arguments()?);
        Ok(())
    }

    fn on_log(&mut self, _: &mut PluginHandle<'_>, entry: &AccessLogEntry<'_>) -> Result<()> {
        let status = entry.fetch_response_trailer("grpc-status")?;
        info!(
            "entry of {} and {} headers, {status:?}",
            entry.request_headers()?.len(),
            entry.response_headers()?.len()
        );
        Ok(())
    }

    fn on_done(&mut self, plugin: &mut PluginHandle<'_>) -> Result<bool> {
        // Too early: the host refuses it.
        let _ = plugin.done();
        Ok(false)
    }
}

#[derive(Default)]
struct Filter {
    cursor: BodyCursor,
    /// In the stream's arena, until it is gone.
    agent: Option<HostBytes>,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn accepts(plugin: &Plugin, _: u32) -> bool {
        !plugin.connections.get()
    }

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        if let (Some(counter), Some(gauge)) = (&request.plugin().counter, &request.plugin().gauge) {
            counter.increment(1)?;
            gauge.set(counter.value()?)?;
            gauge.add(-1)?;
        }
        info!("{} headers in {} bytes", request.snapshot()?.len(), request.byte_size()?);
        self.agent = arena::with_host_values_in(&request.arena()?, || request.fetch("user-agent"))?;
        info!("at {:?} agent {:?}", time::now()?, self.agent);
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

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        trailers.add("x", "y")?;
        Ok(FilterStatus::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        response.replace_all(&[(":status", "200"), ("x-all", "1")])?;
        Ok(Action::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        if body.read(0, 5)?.starts_with(b"reply") {
            return body.reply(&LocalResponse::new(503).headers(&[("a", "b")]).body("no"));
        }
        Ok(DataAction::Continue)
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<FilterStatus> {
        trailers.stream().reset()?;
        Ok(FilterStatus::Continue)
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        info!("{:?}", stream.request_headers().map(|headers| headers.len()));
        if let Some(sizes) = &stream.plugin().sizes {
            sizes.record(1)?;
        }
        Ok(())
    }
}

/// Connections ask before they let the first data through, and change what comes back.
#[derive(Default)]
struct Connection {
    asked: bool,
}

#[sluicegate::tcp_filter(calls)]
impl TcpFilter for Connection {
    type Plugin = Plugin;

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_, Plugin>) -> Result<FilterStatus> {
        info!("{:?} from the client", data.read(0, 8)?);
        if self.asked {
            return Ok(FilterStatus::Continue);
        }
        self.asked = true;
        let ask = GrpcCall::new("cluster", "Service", "Ask").message("may it?");
        data.connection().grpc_call_then(&ask, |_: &mut Self, connection, answer| {
            info!("{:?}", answer.map(|answer| answer.message().map(|message| message.len())));
            connection.resume_downstream()
        })?;
        Ok(FilterStatus::Pause)
    }

    fn on_upstream_data(&mut self, data: &mut UpstreamData<'_, Plugin>) -> Result<FilterStatus> {
        data.replace("changed")?;
        if data.end_of_stream() {
            data.connection().close_downstream()?;
        }
        Ok(FilterStatus::Continue)
    }

    fn on_log(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<()> {
        info!("connection {}", connection.id());
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter, tcp: Connection);

#[cfg(test)]
mod tests;
