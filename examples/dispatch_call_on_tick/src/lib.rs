//! Calls a service with each tick, and logs the responses. The plugin has no filter.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use sluicegate::prelude::*;

const TICK_PERIOD: Duration = Duration::from_millis(100);
const CLUSTER: &str = "web_service";
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Default)]
struct DispatchCallOnTick {
    answers: u64,
}

#[sluicegate::plugin_context]
impl PluginContext for DispatchCallOnTick {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        if let Err(error) = plugin.set_tick_period(TICK_PERIOD) {
            critical!("failed to set tick period: {error}");
            return Ok(StartStatus::Failed);
        }
        info!("set tick period milliseconds: {}", TICK_PERIOD.as_millis());
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        let path = if RandomState::new().build_hasher().finish().is_multiple_of(2) { "/ok" } else { "/fail" };
        let headers = [(":method", "GET"), (":path", path), (":authority", "some_authority"), ("accept", "*/*")];
        if let Err(error) = plugin.call(&HttpCall::new(CLUSTER).headers(&headers).timeout(TIMEOUT)) {
            critical!("dispatch httpcall failed: {error}");
        }
        Ok(())
    }

    fn on_http_call_response(&mut self, plugin: &mut PluginHandle<'_>, response: &CallResponse) -> Result<()> {
        self.answers += 1;
        info!("called {} for contextID={}", self.answers, plugin.id());
        if let Some((status, text)) = response.failure() {
            warn!("the dispatched call failed: {} {}", status.text(), ByteStr::new(&text).display());
            return Ok(());
        }
        for (name, value) in &response.headers()? {
            info!("response header for the dispatched call: {}: {}", name.display(), value.display());
        }
        for (name, value) in &response.trailers()? {
            info!("response trailer for the dispatched call: {}: {}", name.display(), value.display());
        }
        Ok(())
    }
}

sluicegate::plugin!(plugin: DispatchCallOnTick);

#[cfg(test)]
mod tests;
