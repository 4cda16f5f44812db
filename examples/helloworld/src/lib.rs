//! Says hello when the plugin starts, and logs the time and a random number every second. The
//! plugin has no filter.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::time;

const TICK_PERIOD: Duration = Duration::from_secs(1);

#[derive(Default)]
struct HelloWorld;

#[sluicegate::plugin_context]
impl PluginContext for HelloWorld {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        info!("OnPluginStart from Rust!");
        if let Err(error) = plugin.set_tick_period(TICK_PERIOD) {
            critical!("failed to set tick period: {error}");
        }
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        let now = time::now()?.as_nanos();
        // The standard library seeds its hash maps from the host's source of random numbers.
        let random = RandomState::new().hash_one(now);
        info!("It's {now}: random value: {random}");
        info!("OnTick called");
        Ok(())
    }
}

sluicegate::plugin!(plugin: HelloWorld);

#[cfg(test)]
mod tests;
