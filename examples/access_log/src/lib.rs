//! Writes an access log: a line for each finished request, and a count by the class of its status.
//!
//! There is no filter. The proxy's `access_log` names the plugin.

use sluicegate::metric::Counter;
use sluicegate::prelude::*;
use sluicegate::{HostBytes, property};

const COUNTER: &str = "access_log_requests";
/// The classes of statuses, by the first digit. The first class is for a request without a status,
/// because its client went away before there was a response.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Default)]
struct AccessLog {
    /// The counters, one for each class.
    counters: Vec<Counter>,
}

#[sluicegate::plugin_context]
impl PluginContext for AccessLog {
    fn on_configure(&mut self, _: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.counters =
            CLASSES.iter().map(|class| Counter::with_tags(COUNTER, &[("class", *class)])).collect::<Result<_>>()?;
        Ok(StartStatus::Ok)
    }

    fn on_log(&mut self, _: &mut PluginHandle<'_>, entry: &AccessLogEntry<'_>) -> Result<()> {
        let request = entry.request_headers()?;
        let of_request = |name| request.get(name).unwrap_or(ByteStr::new(b"-")).display();
        let status = property::response::code()?.and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
        let (method, path) = (of_request(":method"), of_request(":path"));
        match grpc_status(entry)? {
            Some(grpc) => info!("{method} {path} {status} grpc-status {}", ByteStr::new(&grpc).display()),
            None => info!("{method} {path} {status}"),
        }
        match self.counters.get(usize::from(status / 100)).or(self.counters.first()) {
            Some(counter) => counter.increment(1),
            None => Ok(()),
        }
    }
}

/// Returns the `grpc-status` of a response. It is in the trailers, or in the headers of a response
/// that has nothing else.
fn grpc_status(entry: &AccessLogEntry<'_>) -> Result<Option<HostBytes>> {
    match entry.fetch_response_trailer("grpc-status")? {
        Some(status) => Ok(Some(status)),
        None => entry.fetch_response_header("grpc-status"),
    }
}

sluicegate::plugin!(plugin: AccessLog);

#[cfg(test)]
mod tests;
