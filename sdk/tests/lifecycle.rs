//! Contexts come and go as hosts run them, and reach each other by reference.

use std::cell::Cell;
use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::{LogLevel, abi::Import};
use sluicegate_host::Host;

#[derive(Default)]
struct Vm {
    starts: Cell<u32>,
}

#[sluicegate::vm_context]
impl VmContext for Vm {
    fn on_vm_start(&mut self, vm: &mut VmHandle<'_>) -> Result<StartStatus> {
        self.starts.set(self.starts.get() + 1);
        let configuration = vm.configuration()?;
        info!("vm: {} bytes, {}", vm.configuration_size(), ByteStr::new(&configuration).display());
        Ok(if configuration.starts_with(b"refuse") { StartStatus::Failed } else { StartStatus::Ok })
    }
}

struct Plugin {
    id: u32,
    open: Cell<i32>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    type Vm = Vm;

    fn create(_: &Vm, id: u32) -> Self {
        Self { id, open: Cell::new(0) }
    }

    fn on_configure(&mut self, plugin: &mut PluginHandle<'_, Vm>) -> Result<StartStatus> {
        assert_eq!(plugin.id(), self.id);
        info!("plugin after {} VM starts", plugin.vm().starts.get());
        plugin.set_tick_period(Duration::from_micros(1))?;
        if plugin.configuration()?.starts_with(b"fail") {
            return Err(Error::new("told to fail"));
        }
        Ok(StartStatus::Ok)
    }

    fn on_validate_configuration(&mut self, plugin: &mut PluginHandle<'_, Vm>) -> Result<StartStatus> {
        Ok(if plugin.configuration()?.is_empty() { StartStatus::Failed } else { StartStatus::Ok })
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_, Vm>) -> Result<()> {
        info!("tick at {}", sluicegate::time::now()?.as_secs());
        plugin.set_tick_period(Duration::ZERO)?;
        plugin.done()
    }

    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_, Vm>, function: u32) -> Result<()> {
        info!("function {function} of {}", ByteStr::new(&plugin.foreign_arguments()?).display());
        Ok(())
    }

    fn on_done(&mut self, _: &mut PluginHandle<'_, Vm>) -> Result<bool> {
        Ok(self.open.get() == 0)
    }
}

struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn create(plugin: &Plugin, id: u32) -> Self {
        plugin.open.set(plugin.open.get() + 1);
        info!("stream {id} of plugin {}", plugin.id);
        Self
    }

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let plugin = request.plugin();
        request.add("x-plugin", plugin.id)?; // the plugin is not borrowed from the handle
        if request.get("x-fail")?.is_some() {
            return Err(Error::new("told to fail"));
        }
        Ok(Action::Continue)
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        let (request, response) = (stream.request_headers(), stream.response_headers());
        info!("log {} {:?} {:?}", stream.id(), request.map(|map| map.len()), response.map(|map| map.len()));
        // Too late, and the edit says so.
        let error = stream.edit_request_headers().replace("x-late", 1).unwrap_err();
        info!("late: {error}");
        Ok(())
    }

    fn on_delete(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        let open = &stream.plugin().open;
        open.set(open.get() - 1);
        Ok(())
    }
}

sluicegate::plugin!(vm: Vm, plugin: Plugin, http: Filter);

#[test]
fn only_the_callbacks_that_are_implemented_are_exported() {
    assert_eq!(
        PLUGIN.names(),
        [
            "proxy_on_context_create",
            "proxy_on_vm_start",
            "proxy_validate_configuration",
            "proxy_on_configure",
            "proxy_on_tick",
            "proxy_on_done",
            "proxy_on_log",
            "proxy_on_delete",
            "proxy_on_request_headers",
            // A tick may let headers go that were paused: nothing that follows does before.
            "proxy_on_request_body",
            "proxy_on_request_trailers",
            "proxy_on_foreign_function",
        ]
    );
}

#[test]
fn a_vm_a_plugin_and_a_stream_reach_each_other() {
    let host = Host::new(&PLUGIN).vm_configuration("of the vm").start();
    assert!(host.started());
    assert!(host.logged(LogLevel::Info, "vm: 9 bytes, of the vm"));
    assert!(host.logged(LogLevel::Info, "plugin after 1 VM starts"));
    let stream = host.http_stream();
    assert!(host.logged(LogLevel::Info, &format!("stream {} of plugin 1", stream.id())));
    assert_eq!(stream.request_headers(&[("a", "b")]), 0);
    assert_eq!(stream.request_header("x-plugin").as_deref(), Some("1"));
    assert!(!host.finish(), "a stream is open");
    let id = stream.id();
    stream.complete();
    assert!(host.logged(LogLevel::Info, &format!("log {id} Ok(2) Ok(0)")));
    assert!(host.finish());
}

#[test]
fn a_vm_start_may_run_again_and_may_be_refused() {
    let host = Host::new(&PLUGIN).start();
    assert!(host.start_vm() && host.start_plugin());
    assert!(host.logged(LogLevel::Info, "plugin after 2 VM starts"));
    assert!(!Host::new(&PLUGIN).vm_configuration("refuse").start().started());
}

#[test]
fn an_error_at_the_start_is_logged_and_refuses_the_plugin() {
    let host = Host::new(&PLUGIN).plugin_configuration("fail").start();
    assert!(!host.started());
    assert!(host.logged(LogLevel::Critical, "on_configure (context 1): told to fail"));
}

#[test]
fn an_error_in_a_stream_is_logged_and_closes_it() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[("x-fail", "1")]), Action::Pause as u32);
    assert!(host.logged(LogLevel::Error, "on_request_headers (context 2): told to fail"));
    let reply = stream.reply().unwrap();
    assert_eq!((reply.status, &*reply.details, reply.grpc_status), (500, "filter_error", -1));
}

#[test]
fn what_is_refused_in_a_log_is_not_the_next_streams() {
    let host = Host::new(&PLUGIN).start();
    for _ in 0..3 {
        let stream = host.http_stream();
        assert_eq!(stream.request_headers(&[("a", "b")]), 0);
        stream.assert_passed();
        stream.complete();
        assert!(
            host.log().iter().any(|line| line.text.starts_with("late: proxy_replace_header_map_value")),
            "{:?}",
            host.log()
        );
        host.clear_log();
    }
}

#[test]
fn a_plugin_ticks_tells_the_time_and_ends_later() {
    let host = Host::new(&PLUGIN).start();
    assert_eq!(host.tick_period(), Some(Duration::from_millis(1)), "the least period");
    let stream = host.http_stream();
    assert!(!host.finish());
    host.tick();
    assert!(host.logged(LogLevel::Info, "tick at 1700000000"));
    assert!(host.plugin().ended(), "it said that it is done");
    assert_eq!(host.tick_period(), None);
    stream.complete();
}

#[test]
fn a_configuration_is_validated_and_a_function_called() {
    assert!(!Host::new(&PLUGIN).start().validate_configuration());
    let host = Host::new(&PLUGIN).plugin_configuration("some").start();
    assert!(host.validate_configuration());
    host.call_function(7, "arguments");
    assert!(host.logged(LogLevel::Info, "function 7 of arguments"));
}

#[test]
fn a_line_below_the_level_costs_no_host_call() {
    let host = Host::new(&PLUGIN).log_level(LogLevel::Error).start();
    info!("asks for the level");
    let before = host.all_calls();
    for _ in 0..10 {
        info!("not kept {}", 1);
    }
    assert_eq!(host.all_calls(), before);
    error!("kept");
    assert!(host.logged(LogLevel::Error, "kept"));
    assert_eq!(host.calls(Import::proxy_log), 1);
}

#[test]
fn the_level_is_the_proxys_and_asked_for_once() {
    let host = Host::new(&PLUGIN).log_level(LogLevel::Warn).start();
    let before = host.calls(Import::proxy_get_log_level);
    assert_eq!(sluicegate::log::level(), Some(LogLevel::Warn));
    assert!(sluicegate::log::enabled(LogLevel::Warn) && !sluicegate::log::enabled(LogLevel::Info));
    assert!(host.calls(Import::proxy_get_log_level) - before <= 1);

    host.set_log_level(LogLevel::Critical);
    host.start_plugin();
    assert_eq!(sluicegate::log::level(), Some(LogLevel::Critical));
    host.fail(Import::proxy_get_log_level, Status::Unimplemented);
    host.start_plugin();
    assert_eq!(sluicegate::log::level(), Some(LogLevel::Trace), "a host that does not say keeps everything");
}

#[test]
fn a_changed_level_is_seen_within_64_streams() {
    let host = Host::new(&PLUGIN).log_level(LogLevel::Error).start();
    host.set_log_level(LogLevel::Info);
    for _ in 0..64 {
        host.http_stream().complete();
    }
    info!("kept again");
    assert!(host.logged(LogLevel::Info, "kept again"));
}

#[test]
fn a_long_line_is_whole() {
    let host = Host::new(&PLUGIN).start();
    for len in [255, 256, 257, 1000, if cfg!(miri) { 2000 } else { 100_000 }] {
        let text = "x".repeat(len);
        info!("<{text}{}>", 1);
        assert!(host.logged(LogLevel::Info, &format!("<{text}1>")), "{len}");
    }
}
