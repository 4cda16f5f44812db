//! Replies with the figures of its own memory, and starts again after a trap. A request for
//! `/memory` gets the figures, `x-tier` gets its rank in the configuration, and `x-panic` ends the
//! VM.

use std::cell::RefCell;

use miniserde::Deserialize;
use sluicegate::budget;
use sluicegate::prelude::*;

/// The configuration, without the field `memory`, which the SDK reads.
#[derive(Deserialize)]
struct Configuration {
    tiers: Vec<String>,
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
        let Configuration { tiers } = miniserde::json::from_str(text).map_err(Error::other)?;
        self.tiers = tiers;
        info!("started with {} tiers", self.tiers.len());
        Ok(StartStatus::Ok)
    }

    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, _: u32) -> Result<()> {
        info!("{}", plugin.memory_report());
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
        if headers.get(":path").is_some_and(|path| &*path == b"/memory") {
            let json = [("content-type", "application/json")];
            return request.reply(&LocalResponse::new(200).headers(&json).body(&figures()));
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
