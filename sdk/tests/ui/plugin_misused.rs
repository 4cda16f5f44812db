use sluicegate::prelude::*;

#[derive(Default)]
struct Filter;

#[sluicegate::plugin_context]
impl HttpFilter for Filter {}

#[sluicegate::http_filter(all)]
impl HttpFilter for Filter {}

sluicegate::plugin!();
sluicegate::plugin!(filter: Filter);
sluicegate::plugin!(http: Filter, http: Filter);

fn main() {}
