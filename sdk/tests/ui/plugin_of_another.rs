use sluicegate::prelude::*;

#[derive(Default)]
struct Vm;

#[sluicegate::vm_context]
impl VmContext for Vm {}

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {}

#[derive(Default)]
struct Other;

#[sluicegate::plugin_context]
impl PluginContext for Other {}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {}

#[derive(Default)]
struct OfPlugin;

#[sluicegate::http_filter]
impl HttpFilter for OfPlugin {
    type Plugin = Plugin;
}

#[derive(Default)]
struct Connection;

#[sluicegate::tcp_filter]
impl TcpFilter for Connection {
    type Plugin = Other;
}

mod left_out {
    use super::*;
    sluicegate::plugin!(plugin: Plugin, http: Filter);
}

mod of_a_connection {
    use super::*;
    sluicegate::plugin!(plugin: Plugin, tcp: Connection);
}

mod vm {
    use super::*;
    sluicegate::plugin!(vm: Vm, plugin: Plugin);
}

mod in_a_root {
    use super::*;
    sluicegate::plugin! {
        root "a" { plugin: Other, http: OfPlugin }
    }
}

fn main() {}
