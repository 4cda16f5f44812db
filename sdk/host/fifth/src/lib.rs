//! A filter on an allocator that no feature of the SDK knows.

use sluicegate::prelude::*;
use sluicegate_alloc::Global;

mod own;

#[global_allocator]
static MINE: Global<own::Own> = Global::new(own::Own::new());

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    /// Says how memory stands.
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, _: u32) -> Result<()> {
        info!("{}", plugin.memory_report());
        Ok(())
    }
}

/// Keeps as many bytes as `x-keep` says.
#[derive(Default)]
struct Filter {
    kept: Vec<u8>,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let size = request.get("x-keep")?.and_then(|size| size.to_str().ok()?.parse().ok());
        self.kept.resize(size.unwrap_or_default(), 7);
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter, allocator: MINE);
