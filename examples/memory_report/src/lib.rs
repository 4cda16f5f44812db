//! Replies with the figures of its own memory, and starts again after a trap. A request for
//! `/memory` gets the figures, `/heap` gets a report of the heap, and `/profile` gets the callbacks
//! that allocated the live blocks. `x-tier` gets its rank in the configuration, and `x-panic` ends
//! the VM.

use std::cell::RefCell;
use std::time::Duration;

use miniserde::Deserialize;
use sluicegate::prelude::*;
use sluicegate::profile::{self, Format};
use sluicegate::{budget, heap};

/// The configuration, without the field `memory`, which the SDK reads.
#[derive(Deserialize)]
struct Configuration {
    tiers: Vec<String>,
    /// The bytes of allocations from one sample of the profile to the next.
    profile_each: Option<u32>,
}

#[derive(Default)]
struct Plugin {
    /// The tiers, from the configuration. A new VM reads them again.
    tiers: Vec<String>,
    /// The blocks that requests asked for. A new VM has none of them.
    kept: RefCell<Vec<Vec<u8>>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        let configuration = plugin.configuration()?;
        let text = str::from_utf8(&configuration).map_err(Error::other)?;
        let Configuration { tiers, profile_each } = miniserde::json::from_str(text).map_err(Error::other)?;
        if let Some(bytes) = profile_each {
            profile::each(bytes as usize);
        }
        plugin.set_tick_period(Duration::from_secs(1))?;
        self.tiers = tiers;
        info!("started with {} tiers", self.tiers.len());
        Ok(StartStatus::Ok)
    }

    /// Publishes the live bytes of each callback in the gauges `sluicegate_heap_live`.
    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        profile::publish()
    }

    /// Logs the figures. For the functions 2 and 3 it sends a report or a profile to a foreign
    /// function instead.
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, function: u32) -> Result<()> {
        match function {
            2 => heap::send("heap_report")?,
            3 => profile::send("heap_profile", Format::Pprof)?,
            _ => info!("{}", plugin.memory_report()),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Report {
    rank: Option<usize>,
}

#[sluicegate::http_filter]
impl HttpFilter for Report {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let headers = request.snapshot()?;
        let plugin = request.plugin();
        if headers.contains("x-panic") {
            panic!("asked for by a header");
        }
        if let Some(size) = headers.get("x-keep").and_then(|size| size.to_str().ok()?.parse().ok()) {
            keep(&plugin.kept, size)?;
        }
        let path = headers.get(":path");
        if let Some((kind, body)) = answer(path.as_deref().unwrap_or_default())? {
            return request.reply(&LocalResponse::new(200).headers(&[("content-type", kind)]).body(&body));
        }
        self.rank =
            headers.get("x-tier").and_then(|tier| plugin.tiers.iter().position(|name| name.as_bytes() == &*tier));
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        if let Some(rank) = self.rank {
            response.add("x-rank", rank)?;
        }
        Ok(Action::Continue)
    }
}

/// Keeps this many bytes as long as the VM lives.
///
/// # Errors
///
/// Fails if the VM is out of memory.
fn keep(kept: &RefCell<Vec<Vec<u8>>>, size: usize) -> Result<()> {
    let mut block = Vec::new();
    block.try_reserve_exact(size).map_err(Error::other)?;
    let mut kept = kept.borrow_mut();
    kept.try_reserve(1).map_err(Error::other)?;
    kept.push(block);
    Ok(())
}

/// Returns the content type and the body for one of the filter's own paths, or `None` for another
/// path.
fn answer(path: &[u8]) -> Result<Option<(&'static str, Vec<u8>)>> {
    Ok(Some(match path {
        b"/memory" => ("application/json", figures().into_bytes()),
        b"/heap" => ("application/json", heap::report().json().to_string().into_bytes()),
        b"/profile" => ("text/plain", profile::folded()?),
        b"/profile.pb" => ("application/octet-stream", profile::pprof()?),
        _ => return Ok(None),
    }))
}

fn figures() -> String {
    let report = budget::report();
    format!(
        r#"{{"pages": {}, "live": {}, "peak": {}, "grows": {}, "retained": {}, "shed": {}, "refused": {}}}"#,
        report.pages, report.live, report.peak, report.grows, report.retained, report.shed, report.refused
    )
}

sluicegate::plugin!(plugin: Plugin, http: Report);

#[cfg(test)]
mod tests;
