//! Sends the path of each request to a collector, over one gRPC stream that the plugin keeps:
//! `collector.v1.Collector/Collect`.
//!
//! ```protobuf
//! service Collector { rpc Collect(stream Path) returns (Acknowledgement); }
//! message Path { string path = 1; }
//! message Acknowledgement { string text = 1; }
//! ```
//!
//! The configuration is `{"batch": 3}`, or nothing. After this number of paths the plugin ends its
//! side of the stream, and the collector sends its acknowledgement.

mod message;
mod waiting;

use std::cell::RefCell;
use std::time::Duration;

use sluicegate::json;
use sluicegate::prelude::*;

use waiting::Waiting;

/// The cluster of the collector.
const CLUSTER: &str = "collector";
/// The number of paths in a batch, without a configuration.
const BATCH: usize = 3;
/// The interval at which waiting paths are sent.
const TICK_PERIOD: Duration = Duration::from_millis(100);
/// The ticks within which the collector must acknowledge a batch. A stream has no timeout of its
/// own.
const PATIENCE: u32 = 50;

/// An open stream.
struct Batch {
    stream: GrpcStream,
    /// The number of paths that were sent on the stream.
    sent: usize,
    /// The ticks since the stream got its last path. It stays zero while the batch has room.
    waited: u32,
}

struct Plugin {
    batch: usize,
    open: Option<Batch>,
    /// The paths that wait. Requests add paths through the shared reference that they have to their
    /// plugin, so there is a cell.
    waiting: RefCell<Waiting>,
}

impl Default for Plugin {
    fn default() -> Self {
        Self { batch: BATCH, open: None, waiting: RefCell::default() }
    }
}

impl Plugin {
    /// Sends the waiting paths, as long as the batch has room.
    fn send(&mut self, plugin: &PluginHandle<'_>) -> Result<()> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            return Ok(());
        }
        let open = match &mut self.open {
            Some(open) => open,
            // The plugin opens the stream, so the plugin gets its events. A request would be gone
            // when they come.
            closed => closed.insert(Batch {
                stream: plugin.grpc_stream(CLUSTER, "collector.v1.Collector", "Collect", &[])?,
                sent: 0,
                waited: 0,
            }),
        };
        while open.sent < self.batch
            && let Some(path) = waiting.take()
        {
            open.sent += 1;
            open.stream.send(message::path(&path), open.sent == self.batch)?;
        }
        Ok(())
    }

    /// Cancels a stream that got its whole batch and no acknowledgement in time.
    fn give_up(&mut self) {
        if let Some(open) = &mut self.open
            && open.sent == self.batch
        {
            open.waited += 1;
            if open.waited > PATIENCE {
                warn!("no answer to {} paths", open.sent);
                self.cancel();
            }
        }
    }

    fn cancel(&mut self) {
        if let Some(open) = self.open.take()
            && let Err(error) = open.stream.cancel()
        {
            debug!("nothing to cancel: {error}");
        }
    }
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        let configuration = plugin.configuration()?;
        if !configuration.is_empty() {
            let batch = json::parse(&configuration).ok().and_then(|json| json.get("batch")?.to_u64());
            let Some(batch) = batch.and_then(|batch| usize::try_from(batch).ok()).filter(|batch| *batch > 0) else {
                critical!(r#"invalid configuration; expected {{"batch": 3}}"#);
                return Ok(StartStatus::Failed);
            };
            self.batch = batch;
        }
        // A proxy makes no calls while it starts, so a tick opens the stream.
        plugin.set_tick_period(TICK_PERIOD)?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        self.give_up();
        if let Err(error) = self.send(plugin) {
            warn!("not sent: {error}");
            self.cancel();
            // Without a collector this batch is lost, too. Otherwise it would be tried again
            // without end.
            self.waiting.borrow_mut().skip(self.batch);
        }
        Ok(())
    }

    fn on_grpc_event(&mut self, _: &mut PluginHandle<'_>, event: &GrpcEvent) -> Result<()> {
        let Some(open) = self.open.as_ref().filter(|open| open.stream.token() == event.token()) else { return Ok(()) };
        match event.kind() {
            GrpcEventKind::Message(_) => {
                let message = event.message()?;
                let text = message::text(&message).unwrap_or("an unreadable message");
                info!("collector acknowledged {} paths: {text}", open.sent);
            }
            GrpcEventKind::Closed(status) => {
                self.open = None;
                if status != 0 {
                    warn!("stream closed with status {status}: {}", ByteStr::new(&event.status_text()?).display());
                }
            }
            _ => {} // metadata
        }
        Ok(())
    }
}

#[derive(Default)]
struct GrpcStreamFilter;

#[sluicegate::http_filter]
impl HttpFilter for GrpcStreamFilter {
    type Plugin = Plugin;

    // No client is turned away because its path could not be noted.
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        if let Some(path) = request.get(":path")? {
            let path = path.to_str().map_err(Error::other)?;
            request.plugin().waiting.borrow_mut().add(path);
        }
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: GrpcStreamFilter);

#[cfg(test)]
mod tests;
