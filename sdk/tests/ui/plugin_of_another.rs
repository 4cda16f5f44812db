use sluicegate::prelude::*;

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn main() {}
