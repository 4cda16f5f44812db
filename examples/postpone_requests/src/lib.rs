//! Holds each request back until the plugin's next tick.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use sluicegate::prelude::*;

const TICK_PERIOD: Duration = Duration::from_secs(1);
/// The number of requests that one tick resumes: no callback lets more streams go on.
const AT_ONCE: usize = 128;
/// The time until the next tick while requests are left that a tick did not resume.
const SOON: Duration = Duration::from_millis(1);

/// The streams that wait, by their places in the line. They go on in the order in which they came.
/// Streams add and remove themselves through the shared reference that they have to their plugin,
/// so there are cells.
#[derive(Default)]
struct Plugin {
    postponed: RefCell<BTreeMap<u64, u32>>,
    next_place: Cell<u64>,
    /// True if the next tick comes soon, because requests are left.
    hurries: bool,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        if let Err(error) = plugin.set_tick_period(TICK_PERIOD) {
            critical!("failed to set tick period: {error}");
            // Without a tick no request would ever go on.
            return Ok(StartStatus::Failed);
        }
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        let line = self.postponed.get_mut();
        for (_, stream) in std::iter::from_fn(|| line.pop_first()).take(AT_ONCE) {
            info!("resume request with contextID={stream}");
            if let Err(error) = plugin.resume_request(stream) {
                // The others go on all the same.
                warn!("failed to resume request with contextID={stream}: {error}");
            }
        }
        let hurries = !line.is_empty();
        if hurries != self.hurries {
            plugin.set_tick_period(if hurries { SOON } else { TICK_PERIOD })?;
            self.hurries = hurries;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Postpone {
    /// The stream's place in the line.
    place: Option<u64>,
}

#[sluicegate::http_filter]
impl HttpFilter for Postpone {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let stream = request.id();
        info!("postpone request with contextID={stream}");
        let place = request.plugin().next_place.get();
        request.plugin().next_place.set(place + 1);
        request.plugin().postponed.borrow_mut().insert(place, stream);
        self.place = Some(place);
        Ok(Action::Pause)
    }

    /// Removes a stream that ended before the tick because its client went away. By the tick, the
    /// number may be that of another stream.
    fn on_done(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        if let Some(place) = self.place {
            stream.plugin().postponed.borrow_mut().remove(&place);
        }
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Postpone);

#[cfg(test)]
mod tests;
