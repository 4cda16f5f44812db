use sluicegate::prelude::*;

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {}

#[derive(Default)]
struct Counts {
    requests: u32,
}

#[sluicegate::http_filter(stateless)]
impl HttpFilter for Counts {}

sluicegate::plugin!(plugin: Plugin, http: Counts);

fn main() {}
