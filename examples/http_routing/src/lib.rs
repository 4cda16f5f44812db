//! Sends about half of the requests to a canary. The filter changes the authority of a request
//! before the proxy chooses the route.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use sluicegate::prelude::*;

/// The suffix by which the configuration's routes recognise the canary.
const SUFFIX: &[u8] = b"-canary";

/// The value that the dice always show, if the configuration has one.
#[derive(Default)]
struct Plugin {
    loaded_dice: Option<u32>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        let configuration = plugin.configuration();
        let configuration =
            configuration.inspect_err(|error| critical!("error reading plugin configuration: {error}"))?;
        // A zero is no value. Chance decides then.
        self.loaded_dice = configuration.first().copied().filter(|value| *value != 0).map(u32::from);
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
            let authority = request.fetch(":authority");
            let authority = authority.and_then(|found| found.ok_or(Error::new("a request without an authority")));
            let authority =
                authority.inspect_err(|error| critical!("failed to get request header: ':authority': {error}"))?;
            let replaced = request.replace(":authority", [&authority, SUFFIX].concat());
            replaced.inspect_err(|error| critical!("failed to set request header: ':authority': {error}"))?;
        }
        Ok(Action::Continue)
    }
}

/// Rolls the dice. The standard library seeds its hashers from the host's random numbers.
fn roll() -> u32 {
    (RandomState::new().build_hasher().finish() >> 32) as u32
}

sluicegate::plugin!(plugin: Plugin, http: HttpRouting);

#[cfg(test)]
mod tests;
