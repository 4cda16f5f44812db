//! The oldest version of the ABI: what it has under other names, and what it lacks.

use std::cell::Cell;

use sluicegate::prelude::*;
use sluicegate::{LogLevel, abi::Import};
use sluicegate_host::{Host, sweep};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

#[derive(Default)]
struct Vm;

#[sluicegate::vm_context]
impl VmContext for Vm {
    fn on_vm_start(&mut self, vm: &mut VmHandle<'_>) -> Result<StartStatus> {
        info!("vm {:?}", ByteStr::new(&vm.configuration()?));
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct Plugin {
    /// The stream that waits for the next tick.
    waits: Cell<u32>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    type Vm = Vm;

    fn on_configure(&mut self, plugin: &mut PluginHandle<'_, Vm>) -> Result<StartStatus> {
        info!("plugin {:?}", ByteStr::new(&plugin.configuration()?));
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_, Vm>) -> Result<()> {
        plugin.resume_request(self.waits.get())?;
        plugin.resume_response(self.waits.get())
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        request.plugin().waits.set(request.stream().id());
        info!("empty {:?}", request.fetch("empty")?.is_some());
        sluicegate::foreign::clear_route_cache()?;
        info!("reset {:?}", request.stream().reset().is_ok());
        Ok(Action::Pause)
    }

    fn on_response_headers(&mut self, _: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        Ok(Action::Pause)
    }
}

sluicegate::plugin!(vm: Vm, plugin: Plugin, http: Filter);

#[test]
fn configurations_and_resuming_have_functions_of_their_own() {
    assert_eq!(sluicegate::ABI_VERSION, "0.1.0");
    let host = Host::new(&PLUGIN).vm_configuration("v").plugin_configuration("p").start();
    assert!(host.started());
    assert!(host.logged(LogLevel::Info, "vm \"v\"") && host.logged(LogLevel::Info, "plugin \"p\""), "{:?}", host.log());
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b"), ("empty", "")]);
    stream.response_headers(&[(":status", "200")]);
    host.tick();
    assert!(host.logged(LogLevel::Info, "empty false"), "an empty value is how such a host says that there is none");
    assert!(stream.request_resumed() && stream.response_resumed());
    assert!(host.logged(LogLevel::Info, "reset false"));
    assert_eq!(stream.routes_cleared(), 1);
    for absent in [
        Import::proxy_get_log_level,
        Import::proxy_continue_stream,
        Import::proxy_close_stream,
        Import::proxy_get_buffer_bytes,
    ] {
        assert_eq!(host.calls(absent), 0, "{}", absent.name());
    }
}

/// The functions that only this version has; the others are swept in 0.2.1.
#[test]
fn every_host_call_of_this_version_may_go_wrong() {
    let swept = sweep(&Host::new(&PLUGIN).vm_configuration("v").plugin_configuration("p"), |host| {
        let stream = host.http_stream();
        let action = stream.request_headers(&[("a", "b"), ("empty", "")]);
        stream.response_headers(&[(":status", "200")]);
        host.tick();
        let seen = (action, stream.request_resumed(), stream.response_resumed(), stream.routes_cleared());
        stream.complete();
        seen
    });
    for function in
        ["proxy_get_configuration", "proxy_continue_request", "proxy_continue_response", "proxy_clear_route_cache"]
    {
        assert!(swept.functions().contains(function), "{function}: {:?}", swept.functions());
    }
}
