//! Sends about half of the requests to a canary, by a change of their authority before the route is chosen.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use sluicegate::prelude::*;

/// What the configuration's routes know the canary by.
const SUFFIX: &[u8] = b"-canary";

/// What the dice always show, if the configuration says so.
#[derive(Default)]
struct Plugin {
    loaded_dice: Option<u64>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.loaded_dice = plugin.configuration()?.first().copied().map(u64::from);
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct HttpRouting;

#[sluicegate::http_filter]
impl HttpFilter for HttpRouting {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let value = request.plugin().loaded_dice.unwrap_or_else(roll);
        info!("value: {value}");
        if value.is_multiple_of(2) {
            let authority = request.fetch(":authority")?.ok_or(Error::new("a request without an authority"))?;
            request.replace(":authority", [&authority, SUFFIX].concat())?;
        }
        Ok(Action::Continue)
    }
}

/// The standard library seeds its hashers from the host's source of random numbers.
fn roll() -> u64 {
    RandomState::new().build_hasher().finish()
}

sluicegate::plugin!(plugin: Plugin, http: HttpRouting);

#[cfg(test)]
mod tests;
