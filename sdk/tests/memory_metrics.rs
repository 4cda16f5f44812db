//! The memory of a VM as gauges of the proxy. The allocator is named, so that a native VM has
//! figures too: those of the test's process, which one test at a time changes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate_alloc::source::Platform;
use sluicegate_alloc::{Freelist, Global};
use sluicegate_host::{Fault, Host, RunningHost};

#[global_allocator]
static HEAP: Global<Freelist<Platform>> = Global::new(Freelist::new(Platform::new()));

/// The gauges, and the four metrics of budgets.
const DEFINED: usize = if cfg!(feature = "budget") { 8 } else { 4 };

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Plugin {
    kept: Vec<Vec<u8>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        plugin.set_tick_period(Duration::from_secs(10))?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        self.kept.push(vec![0; 100]);
        Ok(())
    }
}

#[derive(Default)]
struct Filter {
    kept: Vec<Vec<u8>>,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        if let Some(size) = request.fetch("x-keep")? {
            let size = std::str::from_utf8(&size).ok().and_then(|size| size.parse().ok()).unwrap_or_default();
            self.kept.push(vec![1; size]);
        }
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        self.kept.push(vec![1; 1024 * body.size()]);
        Ok(DataAction::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter, allocator: HEAP);

fn host() -> Host {
    Host::new(&PLUGIN)
}

fn start() -> RunningHost {
    let host = host().start();
    assert!(host.started(), "{:?}", host.log());
    host
}

fn gauge(host: &RunningHost, name: &str) -> Option<usize> {
    host.gauge(&format!("sluicegate_memory_{name}_plugin=unnamed")).map(|figure| figure.try_into().unwrap())
}

fn pages() -> Option<usize> {
    Some(HEAP.usage().pages)
}

fn request<'a>(host: &'a RunningHost, keep: &str) -> sluicegate_host::HttpStream<'a> {
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/"), ("x-keep", keep)]);
    stream
}

#[test]
fn a_vm_tells_its_figures_from_its_first_stream_on() {
    let _alone = alone();
    let host = start();
    for name in ["live", "peak", "pages", "retained"] {
        assert_eq!(gauge(&host, name), Some(0), "{name}: the VM may be one that is started for a trial");
    }
    let _stream = request(&host, "100");
    assert_eq!(gauge(&host, "pages"), pages());
    let (live, peak) = (gauge(&host, "live").unwrap(), gauge(&host, "peak").unwrap());
    assert!(live > 0 && live == peak, "{live} B live, {peak} B peak");
    assert_eq!(host.calls(Import::proxy_define_metric), DEFINED);
}

#[test]
fn growth_is_told_at_the_end_of_its_callback() {
    let _alone = alone();
    let host = start();
    let stream = request(&host, "1");
    let before = gauge(&host, "live").unwrap();
    stream.request_body(vec![1; 8 * 1024], false);
    assert_eq!(gauge(&host, "pages"), pages());
    let live = gauge(&host, "live").unwrap();
    assert!(live >= before + (8 << 20), "{before} B, then {live} B");
    let (updates, pages) = (host.calls(Import::proxy_increment_metric), pages());
    stream.request_body(vec![1; 1], true);
    assert_eq!(gauge(&host, "pages"), pages);
    assert_eq!(host.calls(Import::proxy_increment_metric), updates, "memory did not grow");
}

#[test]
fn a_slow_leak_shows_without_growth() {
    let _alone = alone();
    let host = start();
    // The necessary memory exists before, so that memory does not grow.
    drop(vec![vec![0_u8; 4096]; 400]);
    let first = request(&host, "1");
    let before = gauge(&host, "live").unwrap();
    let updates = host.calls(Import::proxy_increment_metric);
    let streams: Vec<_> = (0..128).map(|_| request(&host, "1000")).collect();
    let live = gauge(&host, "live").unwrap();
    assert!(live > before + 64 * 1000, "{before} B, then {live} B");
    let updates = host.calls(Import::proxy_increment_metric) - updates;
    assert!((1..=10).contains(&updates), "{updates} updates for 128 streams");
    drop((first, streams));
}

#[test]
fn a_tick_tells_everything() {
    let _alone = alone();
    let host = start();
    host.tick();
    let before = gauge(&host, "live").unwrap();
    assert!(before > 0, "a VM with a tick serves");
    host.tick();
    assert!(gauge(&host, "live").unwrap() > before, "a block of 100 B");
}

#[test]
fn the_gauges_are_sums_and_a_vm_takes_its_share_with_it() {
    let _alone = alone();
    let first = start();
    let _stream = request(&first, "1");
    let of_first = gauge(&first, "pages").unwrap();
    let second = host().start_in_same_proxy(&first);
    assert_eq!(gauge(&first, "pages"), Some(of_first), "nothing of a VM without a stream");
    request(&second, "1").complete();
    assert_eq!(gauge(&first, "pages"), Some(of_first + pages().unwrap()));

    // Two plugins: the VM is there until both are gone.
    let other = second.add_plugin("", "");
    assert!(other.started());
    assert!(second.plugin().finish());
    assert!(gauge(&first, "pages").unwrap() > of_first);
    assert!(other.finish());
    assert_eq!(gauge(&first, "pages"), Some(of_first));
    let others = first.gauge("sluicegate_memory_live_plugin=unnamed").unwrap();
    assert!(others < 1 << 40, "never below zero: {others}");
}

#[test]
fn a_vm_that_gets_a_plugin_again_tells_again() {
    let _alone = alone();
    let host = start();
    request(&host, "1").complete();
    assert!(host.finish());
    assert_eq!((gauge(&host, "pages"), gauge(&host, "live"), gauge(&host, "peak")), (Some(0), Some(0), Some(0)));
    let again = host.add_plugin("", "");
    assert!(again.started());
    let stream = again.http_stream();
    stream.request_headers(&[(":path", "/")]);
    assert_eq!(gauge(&host, "pages"), pages());
    assert_eq!(host.calls(Import::proxy_define_metric), DEFINED, "the gauges are those of before");
}

const UNIMPLEMENTED: u32 = 12;

#[test]
fn a_host_without_metrics_is_asked_once() {
    let _alone = alone();
    let calls = host().recording().start().recorded();
    let first = calls.iter().position(|call| call.import == Import::proxy_define_metric).unwrap();
    let host = host().fault(first, Fault::Status(UNIMPLEMENTED)).start();
    assert!(host.started());
    for _ in 0..200 {
        request(&host, "5000").complete();
    }
    host.tick();
    assert_eq!(host.calls(Import::proxy_define_metric), 1);
    assert_eq!(host.calls(Import::proxy_increment_metric), 0);
}
