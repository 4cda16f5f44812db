//! Calls a function of the proxy with each tick: `compress`. The plugin has no filter.

use std::fmt;
use std::time::Duration;

use sluicegate::foreign;
use sluicegate::prelude::*;

const TICK_PERIOD: Duration = Duration::from_millis(1);

#[derive(Default)]
struct ForeignCallOnTick {
    calls: u64,
}

#[sluicegate::plugin_context]
impl PluginContext for ForeignCallOnTick {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        if let Err(error) = plugin.set_tick_period(TICK_PERIOD) {
            critical!("failed to set tick period: {error}");
            return Ok(StartStatus::Failed);
        }
        info!("set tick period milliseconds: {}", TICK_PERIOD.as_millis());
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        self.calls += 1;
        match foreign::compress("hello world!") {
            Ok(compressed) => {
                info!("foreign function (compress) called: {}, result: {}", self.calls, Hex(&compressed));
            }
            Err(error) => critical!("foreign function (compress) failed: {error}"),
        }
        Ok(())
    }
}

/// Bytes that are written as two hexadecimal digits each, straight into the log line.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

sluicegate::plugin!(plugin: ForeignCallOnTick);

#[cfg(test)]
mod tests;
