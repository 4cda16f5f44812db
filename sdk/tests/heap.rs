//! A report of the heap, sent to a function of the host's. Natively the SDK knows no allocator;
//! `host/tests/heap.rs` asks modules.

use sluicegate::heap;
use sluicegate::prelude::*;
use sluicegate_host::{Host, RunningHost};

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_foreign_function(&mut self, _: &mut PluginHandle<'_>, _: u32) -> Result<()> {
        heap::send("heap_report")
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn start() -> RunningHost {
    let host = Host::new(&PLUGIN).start();
    assert!(host.started());
    host
}

#[test]
fn a_test_asks_for_a_report() {
    let json = String::from_utf8(start().ask(1, "heap_report").unwrap()).unwrap();
    assert_eq!(json, heap::report().json().to_string());
    assert!(json.starts_with(r#"{"walked":false,"#), "{json}");
}

#[test]
fn a_host_without_the_function_is_an_error_of_the_call() {
    let host = start();
    assert_eq!(host.ask(1, "another"), None);
    let line = "on_foreign_function (context 1): proxy_call_foreign_function (foreign function): error status returned by host: not found";
    assert!(host.logged(sluicegate::LogLevel::Error, line), "{:?}", host.log());
}
