//! Budgets: what is refused, answered, passed and shed, and what the plugin and the proxy are told.
#![cfg(feature = "budget")]

use std::cell::{Cell, RefCell};

use sluicegate::abi::Import;
use sluicegate::budget::{Budget, OverStream, OverTotal, Pressure, report};
use sluicegate::prelude::*;
use sluicegate::{HostBytes, LogLevel, Status};
use sluicegate_host::{Host, HttpStream, RunningHost};

thread_local! {
    /// The budget that the plugin sets in `on_configure`.
    static CODE: RefCell<Option<Budget>> = const { RefCell::new(None) };
    /// The pressures that it was told.
    static TOLD: RefCell<Vec<Pressure>> = const { RefCell::new(Vec::new()) };
    /// The stream that the plugin reads from when it is told.
    static REACHED: Cell<Option<u32>> = const { Cell::new(None) };
}

#[derive(Default)]
struct Plugin {
    cache: RefCell<Vec<HostBytes>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        if let Some(budget) = CODE.take() {
            plugin.set_budget(budget)?;
        }
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        info!("{}", plugin.memory_report());
        Ok(())
    }

    fn on_memory_pressure(&mut self, plugin: &mut PluginHandle<'_>, pressure: Pressure) -> Result<()> {
        TOLD.with_borrow_mut(|told| told.push(pressure));
        if let Some(stream) = REACHED.take() {
            plugin.with_http_stream(stream, |stream| stream.fetch_request_header("x-name").map(drop))?;
        }
        if pressure > Pressure::Normal {
            self.cache.get_mut().clear();
        }
        Ok(())
    }
}

/// Holds a body back until it is complete; `x-read` makes it read the whole, `x-cache` keep it,
/// `x-reserve` announce its size.
#[derive(Default)]
struct Filter {
    reads: bool,
    caches: bool,
    fails: bool,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let headers = request.snapshot()?;
        self.reads = headers.contains("x-read");
        self.caches = headers.contains("x-cache");
        self.fails = headers.contains("x-fails");
        if let Some(size) = headers.get("x-reserve") {
            let size = size.to_str().ok().and_then(|size| size.parse().ok());
            request.stream().reserve_body(size.ok_or(Error::new("no size"))?)?;
        }
        request.add("x-filter", 1)?;
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        if !body.end_of_stream() {
            return Ok(DataAction::Pause);
        }
        if self.reads || self.caches {
            let whole = body.read(0, body.size())?;
            if self.caches {
                body.plugin().cache.borrow_mut().push(whole);
            }
        }
        if self.fails {
            return Err(Error::new("told to fail"));
        }
        Ok(DataAction::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        Ok(if body.end_of_stream() { DataAction::Continue } else { DataAction::Pause })
    }

    fn on_request_trailers(&mut self, _: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        Ok(FilterStatus::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

const GO: u32 = 0;
const HOLD: u32 = DataAction::StopIterationAndBuffer as u32;
const WAIT: u32 = DataAction::StopIterationAndWatermark as u32;
const STOP: u32 = DataAction::StopIterationAndBuffer as u32;
/// The proxy's treatment of a part that comes after a reply, without a callback of the filter.
const DROPPED: u32 = DataAction::StopIterationNoBuffer as u32;
const KIB: usize = 1 << 10;

fn start(budget: Budget) -> RunningHost {
    TOLD.take();
    CODE.set(Some(budget));
    let host = Host::new(&PLUGIN).start();
    assert!(host.started());
    host
}

fn start_with(configuration: &str) -> RunningHost {
    TOLD.take();
    Host::new(&PLUGIN).plugin_configuration(configuration).start()
}

fn open<'host>(host: &'host RunningHost, headers: &[(&str, &str)]) -> HttpStream<'host> {
    let stream = host.http_stream();
    stream.request_headers_with_body(headers);
    stream
}

fn status(stream: &HttpStream<'_>) -> Option<u32> {
    stream.reply().map(|reply| reply.status)
}

fn part(size: usize) -> Vec<u8> {
    vec![b'x'; size]
}

#[test]
fn a_stream_that_holds_too_much_is_answered_with_413() {
    let host = start(Budget::new().stream(100 * KIB));
    let stream = open(&host, &[("a", "b")]);
    assert_eq!(stream.request_body(part(60 * KIB), false), HOLD);
    assert_eq!(report().held, 60 * KIB);
    assert_eq!(stream.request_body(part(60 * KIB), false), STOP);
    let reply = stream.reply().unwrap();
    assert_eq!((reply.status, &*reply.details), (413, "memory_budget"));
    assert_eq!(report().held, 0);
    assert_eq!(stream.request_body(part(KIB), true), DROPPED);
    assert_eq!(report().shed, 1);
}

#[test]
fn a_stream_within_its_budget_is_served_and_leaves_nothing() {
    let host = start(Budget::new().stream(100 * KIB).total(1 << 20));
    for _ in 0..20 {
        let stream = open(&host, &[("x-read", "1")]);
        assert_eq!(stream.request_body(part(40 * KIB), false), HOLD);
        assert_eq!(stream.request_body("", true), GO);
        assert_eq!(stream.sent_request_body().len(), 40 * KIB);
        stream.complete();
    }
    let report = report();
    assert_eq!((report.used, report.held, report.shed, report.refused), (0, 0, 0, 0));
}

#[test]
fn the_other_policies_for_a_stream() {
    let over = |policy| {
        let host = start(Budget::new().stream(10 * KIB).over_stream(policy));
        let stream = open(&host, &[("a", "b")]);
        let action = stream.request_body(part(20 * KIB), false);
        (action, status(&stream), stream.request_body(part(KIB), true), stream.sent_request_body().len(), report().held)
    };
    assert_eq!(over(OverStream::Reply(429)), (STOP, Some(429), DROPPED, 0, 0));
    assert_eq!(over(OverStream::Pass), (GO, None, GO, 21 * KIB, 0));
    assert_eq!(over(OverStream::Wait), (WAIT, None, GO, 21 * KIB, 0));
    assert_eq!(over(OverStream::Refuse), (HOLD, None, GO, 21 * KIB, 0));
}

#[test]
fn a_refused_block_is_an_error_of_the_filter_or_the_policy() {
    for (policy, action, answer) in [
        (OverStream::Reply(413), STOP, Some(413)),
        (OverStream::Pass, GO, None),
        // The filter answers the error, and its own policy for errors closes the stream.
        (OverStream::Refuse, STOP, Some(500)),
    ] {
        let host = start(Budget::new().stream(10 * KIB).over_stream(policy));
        let stream = open(&host, &[("x-read", "1")]);
        assert_eq!(stream.request_body(part(20 * KIB), true), action, "{policy:?}");
        assert_eq!(status(&stream), answer, "{policy:?}");
        assert_eq!(report().refused, 1);
    }
}

#[test]
fn a_block_that_outlives_its_stream_counts_until_it_is_freed() {
    let host = start(Budget::new().total(100 * KIB));
    let stream = open(&host, &[("x-cache", "1")]);
    assert_eq!(stream.request_body(part(50 * KIB), true), GO);
    stream.complete();
    assert_eq!((report().live, report().held), (50 * KIB, 0));
    let stream = open(&host, &[("x-cache", "1")]);
    stream.request_body(part(40 * KIB), true);
    // Over the low-water mark: the plugin was told, and emptied its cache.
    assert_eq!(TOLD.take(), [Pressure::High]);
    assert_eq!(report().live, 0);
    drop(stream);
    drop(open(&host, &[("a", "b")]));
    assert_eq!(TOLD.take(), [Pressure::Normal]);
}

/// The plugin is told between the callback of a stream and the policy that decides about it.
#[test]
fn a_plugin_that_reaches_another_stream_leaves_the_one_that_runs_to_its_policy() {
    let host = start(Budget::new().total(100 * KIB));
    let other = open(&host, &[("x-name", "other")]);
    let stream = open(&host, &[("x-cache", "1"), ("x-fails", "1")]);
    REACHED.set(Some(other.id()));
    assert_eq!(stream.request_body(part(90 * KIB), true), STOP);
    assert_eq!(TOLD.take(), [Pressure::High]);
    assert_eq!(REACHED.take(), None);
    assert_eq!((status(&stream), status(&other)), (Some(500), None), "{:?}", host.log());
}

#[test]
fn past_the_total_new_streams_are_shed_until_the_low_water_mark() {
    let host = start(Budget::new().total(100 * KIB).low_water(50 * KIB));
    let first = open(&host, &[("a", "b")]);
    let second = open(&host, &[("a", "b")]);
    assert_eq!(first.request_body(part(40 * KIB), false), HOLD);
    assert_eq!(second.request_body(part(40 * KIB), false), HOLD);
    // The stream that makes memory grow gives way.
    assert_eq!(second.request_body(part(40 * KIB), false), STOP);
    assert_eq!(status(&second), Some(503));
    // Back below the low-water mark at once: no one else is shed.
    let third = open(&host, &[("a", "b")]);
    assert_eq!(status(&third), None);
    assert_eq!(third.request_body(part(50 * KIB), false), HOLD);
    let fourth = open(&host, &[("a", "b")]);
    assert_eq!(fourth.request_body(part(20 * KIB), false), STOP);
    assert_eq!(report().held, 90 * KIB);
    let shed = host.http_stream();
    assert_eq!(shed.request_headers_with_body(&[("a", "b")]), Action::StopIteration as u32);
    assert_eq!(status(&shed), Some(503));
    assert_eq!(shed.request_header("x-filter"), None, "the filter was not asked");
    assert_eq!(host.log().iter().filter(|line| line.text.contains("memory is over its budget")).count(), 1);
    first.complete();
    assert_eq!(report().held, 50 * KIB);
    assert_eq!(status(&open(&host, &[("a", "b")])), None);
    let back = "sluicegate: memory is back in its budget; bytes: ";
    assert!(host.log().iter().any(|line| line.text.starts_with(back)), "{:?}", host.log());
    third.complete();
    assert_eq!(report().used, 0);
}

#[test]
fn what_is_shed_may_pass() {
    let host = start(Budget::new().total(50 * KIB).low_water(1).over_total(OverTotal::Pass));
    let first = open(&host, &[("a", "b")]);
    assert_eq!(first.request_body(part(40 * KIB), false), HOLD);
    let second = open(&host, &[("a", "b")]);
    assert_eq!(second.request_body(part(40 * KIB), false), GO);
    let third = open(&host, &[("a", "b")]);
    assert_eq!((third.request_header("x-filter"), status(&third)), (None, None));
    assert_eq!(third.request_body(part(400 * KIB), false), GO);
    assert_eq!(third.sent_request_body().len(), 400 * KIB);
}

#[test]
fn a_reservation_is_refused_before_a_byte_comes() {
    // The headers that a callback reads count too, as long as it reads them.
    let host = start(Budget::new().stream(101 * KIB).total(150 * KIB));
    let large = open(&host, &[("x-reserve", "103424")]);
    assert_eq!(status(&large), Some(413));
    let first = open(&host, &[("x-reserve", "102400")]);
    assert_eq!((status(&first), report().held), (None, 100 * KIB));
    let second = open(&host, &[("x-reserve", "102400")]);
    assert_eq!(status(&second), Some(503));
    // The body takes what was reserved for it, not as much again.
    assert_eq!(first.request_body(part(30 * KIB), false), HOLD);
    assert_eq!(report().held, 100 * KIB);
    assert_eq!(first.request_body(part(70 * KIB), true), GO);
    assert_eq!(report().held, 0);
    assert_eq!(status(&open(&host, &[("x-reserve", "102400")])), None);
}

/// A stream that is refused for its own size has no effect on the others.
#[test]
fn a_giant_does_not_shed_others() {
    let host = start(Budget::new().stream(101 * KIB).total(150 * KIB).low_water(50 * KIB));
    let first = open(&host, &[("a", "b")]);
    assert_eq!(first.request_body(part(60 * KIB), false), HOLD);
    assert_eq!(status(&open(&host, &[("x-reserve", "100000000")])), Some(413));
    assert_eq!(status(&open(&host, &[("a", "b")])), None);
    first.complete();
    // Nor does a value that alone is over the total, while there is room for others.
    let host = start(Budget::new().total(150 * KIB).low_water(50 * KIB));
    let large = open(&host, &[("x-reserve", "100000000")]);
    assert_eq!(status(&large), Some(503));
    assert_eq!(status(&open(&host, &[("a", "b")])), None);
}

#[test]
fn what_trailers_let_go_is_given_back() {
    let host = start(Budget::new().stream(100 * KIB));
    let stream = open(&host, &[("a", "b")]);
    assert_eq!(stream.request_body(part(60 * KIB), false), HOLD);
    assert_eq!(stream.request_trailers(&[("sum", "1")]), GO);
    assert_eq!(report().held, 0);
}

#[test]
fn a_response_that_is_too_large_is_no_fault_of_the_client() {
    let host = start(Budget::new().stream(10 * KIB));
    let stream = open(&host, &[("a", "b")]);
    stream.request_body("", true);
    stream.response_headers(&[(":status", "200")]);
    assert_eq!(stream.response_body(part(20 * KIB), false), STOP);
    assert_eq!(status(&stream), Some(503));
}

#[test]
fn the_configuration_goes_over_the_code() {
    CODE.set(Some(Budget::new().stream(1).total(1 << 20)));
    let host = start_with(r#"{"name": "filter", "memory": {"stream": "64KiB", "over_stream": "reply 507"}}"#);
    assert!(host.started());
    let stream = open(&host, &[("a", "b")]);
    assert_eq!(status(&stream), None);
    assert_eq!(stream.request_body(part(65 * KIB), false), STOP);
    assert_eq!(status(&stream), Some(507));
}

#[test]
fn a_configuration_that_is_wrong_about_memory_is_refused_with_a_reason() {
    for (configuration, reason) in [
        (r#"{"memory": {"totl": 7}}"#, "unknown field"),
        (r#"{"memory": {"total": "4 megabytes"}}"#, "memory.total: expected bytes"),
        (r#"{"memory": {"low_water": 9}}"#, "low_water without total"),
        (r#"{"memory": {"low_water": 9, "total": 8}}"#, "low_water is over total"),
    ] {
        let host = start_with(configuration);
        assert!(!host.started(), "{configuration}");
        let log = host.log();
        assert!(log.iter().any(|line| line.level == LogLevel::Critical && line.text.contains(reason)), "{log:?}");
    }
    for other in ["", "echo", "{}", r#"{"total": 1}"#, "[[[["] {
        let host = start_with(other);
        assert!(host.started(), "{other}");
        assert_eq!(open(&host, &[("a", "b")]).request_body(part(1 << 20), false), HOLD);
    }
}

#[test]
fn answers_of_foreign_functions_are_never_refused() {
    let host = start(Budget::new().total(KIB));
    let compressed = sluicegate::foreign::compress(part(100 * KIB));
    // There is no room for the largest answer: known before the call.
    assert!(compressed.is_err_and(|error| error.is_out_of_memory()));
    assert_eq!(host.calls(Import::proxy_call_foreign_function), 0);
    host.add_foreign_function("large", |_| Ok(vec![7; 100 * KIB]));
    let large = sluicegate::foreign::call("large", b"", 100 * KIB);
    assert!(large.is_err_and(|error| error.is_out_of_memory()));
    assert_eq!(host.calls(Import::proxy_call_foreign_function), 0);
    // An answer that is larger than it was said to be: the host gets its block all the same.
    assert_eq!(sluicegate::foreign::call("large", b"", 0).unwrap().len(), 100 * KIB);
    host.fail(Import::proxy_get_property, Status::NotFound);
}

#[test]
fn the_figures_are_metrics_of_the_proxy() {
    let host = start(Budget::new().stream(100 * KIB).metrics(true));
    host.set_property(&["plugin_name"], "uploads");
    assert_eq!(host.gauge("sluicegate_memory_held_plugin=uploads"), None, "no stream yet");
    let stream = open(&host, &[("a", "b")]);
    stream.request_body(part(90 * KIB), false);
    assert_eq!(host.gauge("sluicegate_memory_held_plugin=uploads"), Some(90 * KIB as u64));
    let updates = host.calls(Import::proxy_increment_metric);
    open(&host, &[("a", "b")]).complete();
    assert_eq!(host.calls(Import::proxy_increment_metric), updates, "nothing moved by a page");
    stream.request_body(part(90 * KIB), false);
    assert_eq!(host.gauge("sluicegate_memory_held_plugin=uploads"), Some(0));
    assert_eq!(host.counter("sluicegate_memory_shed_plugin=uploads"), Some(1));
    assert_eq!(host.calls(Import::proxy_define_metric), 8);
}

#[test]
fn a_host_that_refuses_metrics_is_asked_once() {
    let host = start(Budget::new().stream(100 * KIB).metrics(true));
    host.fail(Import::proxy_define_metric, Status::InternalFailure);
    for _ in 0..3 {
        open(&host, &[("a", "b")]).request_body(part(90 * KIB), false);
        host.tick();
    }
    assert_eq!(host.calls(Import::proxy_define_metric), 1);
}

#[test]
fn the_figures_are_a_line_in_the_log() {
    let host = start(Budget::new().total(100 * KIB).log(true));
    let stream = open(&host, &[("a", "b")]);
    stream.request_body(part(90 * KIB), false);
    host.tick();
    let figures = "92160 B used, 92160 B peak, 0 B live, 92160 B held, 0 pages, 0 grows, 0 retained, 0 shed, 0 refused";
    assert!(host.logged(LogLevel::Info, &format!("sluicegate: memory: {figures}")), "{:?}", host.log());
    assert!(host.logged(LogLevel::Info, figures), "{:?}", host.log());
}

#[test]
fn another_vm_starts_afresh() {
    let host = start(Budget::new().total(10 * KIB).low_water(0));
    let stream = open(&host, &[("a", "b")]);
    assert_eq!(stream.request_body(part(20 * KIB), false), STOP);
    drop(host);
    let host = Host::new(&PLUGIN).start();
    assert_eq!(open(&host, &[("a", "b")]).request_body(part(20 * KIB), false), HOLD);
    assert_eq!(report().shed, 0);
}

/// A cap in pages is an error where no allocator would keep it: with none picked, and with the
/// standard library's.
#[test]
fn a_page_cap_that_nobody_keeps_is_refused() {
    let kept = cfg!(any(feature = "alloc-talc", feature = "alloc-freelist", feature = "alloc-arena"));
    CODE.set(Some(Budget::new().pages(100_000)));
    let by_code = Host::new(&PLUGIN).start();
    for host in [by_code, start_with(r#"{"memory": {"pages": 100000}}"#)] {
        assert_eq!(host.started(), kept);
        let told = "on_configure (context 1): memory.pages: the module's allocator has no limit of pages";
        assert_eq!(host.log().iter().any(|line| line.text.ends_with(told)), !kept, "{:?}", host.log());
    }
    assert!(start_with(r#"{"memory": {"total": 1048576}}"#).started());
}
