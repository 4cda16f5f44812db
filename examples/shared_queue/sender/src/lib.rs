//! Puts the headers of requests and responses, or the hashes of an upstream's data, into the queues
//! of the receiver.

use sluicegate::prelude::*;
use sluicegate::queue::Queue;

const RECEIVER: &str = "receiver";
const REQUESTS: &str = "http_request_headers";
const RESPONSES: &str = "http_response_headers";
const HASHES: &str = "tcp_data_hashes";

/// The kind of the plugin's streams, by its configuration. Hosts do not tell the kind.
#[derive(Default)]
struct Plugin {
    kind: Vec<u8>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        let kind = plugin.configuration().inspect_err(|error| critical!("failed to get plugin config: {error}"))?;
        info!("contextID={} is configured for {}", plugin.id(), ByteStr::new(&kind).display());
        self.kind = kind.to_vec();
        Ok(StartStatus::Ok)
    }
}

/// Returns the receiver's queue of this name. The queue is looked up each time, because a receiver
/// may start later, and may end.
fn resolve(name: &'static str) -> Result<Queue> {
    let queue = Queue::resolve(RECEIVER, name).and_then(|queue| queue.ok_or(Error::new("no such queue")));
    queue.inspect_err(|error| critical!("error resolving queue id: {error}"))
}

fn enqueue(queue: Queue, message: &str) -> Result<()> {
    queue.enqueue(message).inspect_err(|error| critical!("error queueing: {error}"))
}

#[derive(Default)]
struct Headers;

#[sluicegate::http_filter]
impl HttpFilter for Headers {
    type Plugin = Plugin;

    // A failure is logged, and the request goes on.
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn accepts(plugin: &Plugin, _: u32) -> bool {
        plugin.kind == b"http"
    }

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let queue = resolve(REQUESTS)?;
        let headers = request.snapshot().inspect_err(|error| critical!("error getting request headers: {error}"))?;
        for (name, value) in headers {
            let message = message(name, value);
            enqueue(queue, &message)?;
            info!("enqueued data: {message}");
        }
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        let queue = resolve(RESPONSES)?;
        let headers = response.snapshot().inspect_err(|error| critical!("error getting response headers: {error}"))?;
        for (name, value) in headers {
            let message = message(name, value);
            enqueue(queue, &message)?;
            info!("(contextID={}) enqueued data: {message}", response.id());
        }
        Ok(Action::Continue)
    }
}

/// Returns a header as JSON. Bytes that are not UTF-8 are replaced, and characters that would end a
/// JSON string are escaped.
fn message(name: ByteStr<'_>, value: ByteStr<'_>) -> String {
    let quoted = |text: ByteStr<'_>| miniserde::json::to_string(&*String::from_utf8_lossy(text.as_bytes()));
    format!(r#"{{"key": {},"value": {}}}"#, quoted(name), quoted(value))
}

#[derive(Default)]
struct Hashes;

#[sluicegate::tcp_filter]
impl TcpFilter for Hashes {
    type Plugin = Plugin;

    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn accepts(plugin: &Plugin, _: u32) -> bool {
        plugin.kind == b"tcp"
    }

    fn on_upstream_data(&mut self, data: &mut UpstreamData<'_, Plugin>) -> Result<FilterStatus> {
        if data.size() > 0 {
            let queue = resolve(HASHES)?;
            let bytes = data.read(0, data.size());
            let bytes = bytes.inspect_err(|error| critical!("failed to get upstream data: {error}"))?;
            let hash = format!("{:032x}", fnv1a(&bytes));
            enqueue(queue, &hash)?;
            info!("(contextID={}) enqueued data: {hash}", data.id());
        }
        Ok(FilterStatus::Continue)
    }
}

/// Returns the 128-bit hash of Fowler, Noll and Vo, variant 1a.
fn fnv1a(bytes: &[u8]) -> u128 {
    let (offset, prime) = (0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, 0x0100_0000_0000_0000_0000_013b);
    bytes.iter().fold(offset, |hash: u128, byte| (hash ^ u128::from(*byte)).wrapping_mul(prime))
}

sluicegate::plugin!(plugin: Plugin, http: Headers, tcp: Hashes);

#[cfg(test)]
mod tests;
