//! Reads whole uploads within a budget of memory. The filter holds each upload back until it is
//! complete, and puts its checksum into a header of the response. An upload that does not fit the
//! budget gets a 413 or a 503, and the VM lives on.

use std::cell::RefCell;

use sluicegate::budget::{Budget, Pressure};
use sluicegate::prelude::*;

/// The bytes of a body that are in the VM at once.
const WINDOW: usize = 16 << 10;
/// The greatest number of checksums that are remembered.
const REMEMBERED: usize = 4096;

#[derive(Default)]
struct Plugin {
    /// The checksums of earlier uploads. They are dropped when memory is short.
    seen: RefCell<Vec<u64>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        // The field `memory` of the configuration overrides this budget.
        plugin.set_budget(Budget::new().total(4 << 20).stream(1088 << 10).reserve(64 << 10))?;
        Ok(StartStatus::Ok)
    }

    fn on_memory_pressure(&mut self, plugin: &mut PluginHandle<'_>, pressure: Pressure) -> Result<()> {
        if pressure > Pressure::Normal {
            self.seen.take();
        }
        debug!("{pressure:?}: {}", plugin.memory_report());
        Ok(())
    }
}

impl Plugin {
    /// Returns whether there was an upload with this checksum before. Remembers the checksum if
    /// there is room and memory for it.
    fn has_seen(&self, checksum: u64) -> bool {
        let mut seen = self.seen.borrow_mut();
        let known = seen.contains(&checksum);
        if !known && seen.len() < REMEMBERED && seen.try_reserve(1).is_ok() {
            seen.push(checksum);
        }
        known
    }
}

#[derive(Default)]
struct Upload {
    /// The checksum of the body, and whether there was an upload with this checksum before.
    found: Option<(u64, bool)>,
}

#[sluicegate::http_filter]
impl HttpFilter for Upload {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        if request.end_of_stream() {
            return Ok(Action::Continue);
        }
        let length = request.get("content-length")?.and_then(|length| length.to_str().ok()?.parse().ok());
        if let Some(length) = length {
            // If this refuses the upload, not a byte of the body is held back.
            request.stream().reserve_body(length)?;
        }
        Ok(Action::Continue)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Plugin>) -> Result<FilterStatus> {
        let (mut position, mut checksum) = (0, Checksum::default());
        loop {
            let part = body.read(position, WINDOW)?;
            if part.is_empty() {
                break;
            }
            checksum.update(&part);
            position += part.len();
        }
        self.found = (position > 0).then(|| (checksum.0, body.plugin().has_seen(checksum.0)));
        Ok(FilterStatus::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        if let Some((checksum, seen)) = self.found {
            response.add("x-checksum", checksum)?;
            response.add("x-seen", if seen { "yes" } else { "no" })?;
        }
        Ok(Action::Continue)
    }
}

/// A checksum: the 64-bit hash FNV-1a.
struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    fn update(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }
}

sluicegate::plugin!(plugin: Plugin, http: Upload);

#[cfg(test)]
mod tests;
