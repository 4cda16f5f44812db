//! Whole sequences of callbacks with random budgets, refused allocations and refused host calls: no
//! panic, no block that stays, no account that does not come back to nothing, and a filter that
//! serves again.
//!
//! `PROPTEST_CASES` says how many sequences: the default takes seconds, a million hours.
#![cfg(feature = "budget")]
#![allow(unsafe_code, reason = "a global allocator that refuses, and a host around another one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proptest::prelude::*;
use sluicegate::Exports;
use sluicegate::abi::Import;
use sluicegate::abi::native::{self, Arg, Host as Imports};
use sluicegate::budget::{Budget, OverStream, OverTotal, Pressure, report};
use sluicegate::prelude::*;
use sluicegate::{Body, Direction, HostBytes, Status};
use sluicegate_host::{Host, HttpStream, RunningHost};

/// Refuses allocations of the guest when told to; the host's own always succeed.
struct Refusing;

thread_local! {
    /// `true` while the guest runs.
    static IN_GUEST: Cell<bool> = const { Cell::new(false) };
    /// The number of its allocations that succeed before one is refused.
    static REFUSE_AFTER: Cell<Option<u32>> = const { Cell::new(None) };
    /// The budget that the plugin sets.
    static BUDGET: Cell<Budget> = const { Cell::new(Budget::new()) };
}

// SAFETY: everything is the system allocator's, or null, which is always allowed.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IN_GUEST.get() {
            match REFUSE_AFTER.get() {
                Some(0) => {
                    REFUSE_AFTER.set(None);
                    return std::ptr::null_mut();
                }
                Some(left) => REFUSE_AFTER.set(Some(left - 1)),
                None => {}
            }
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise; every block is the system allocator's.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static GLOBAL: Refusing = Refusing;

/// Sets the flag for a time, also past a panic.
fn in_guest<R>(is: bool, run: impl FnOnce() -> R) -> R {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            IN_GUEST.set(self.0);
        }
    }
    let _back = Back(IN_GUEST.replace(is));
    run()
}

/// The simulated host, whose own allocations are not the guest's.
struct Outside(Rc<dyn Imports>);

impl Imports for Outside {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        // SAFETY: as the caller promises.
        in_guest(false, || unsafe { self.0.call(import, args) })
    }
}

/// Runs a callback: what it allocates is the guest's, what the host allocates for its host calls is
/// not.
fn guest<R>(callback: impl FnOnce() -> R) -> R {
    let host = native::current().expect("a host calls");
    let _installed = native::install(Rc::new(Outside(host)));
    in_guest(true, callback)
}

#[derive(Default)]
struct Plugin {
    cache: RefCell<Vec<HostBytes>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        plugin.set_budget(BUDGET.get())?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        info!("{}", plugin.memory_report().used);
        Ok(())
    }

    fn on_memory_pressure(&mut self, _: &mut PluginHandle<'_>, pressure: Pressure) -> Result<()> {
        if pressure > Pressure::Normal {
            self.cache.get_mut().clear();
        }
        Ok(())
    }
}

/// Does what `x-do` says with whatever comes.
#[derive(Default)]
struct Filter {
    does: u8,
    kept: Vec<u8>,
    cursor: BodyCursor,
}

const RESERVES: u8 = 1;
const READS: u8 = 2;
const CACHES: u8 = 4;
const KEEPS: u8 = 8;
const PASSES: u8 = 16;

impl Filter {
    fn body<D: Direction>(&mut self, body: &mut Body<'_, D, Plugin>) -> Result<DataAction> {
        if self.does & READS != 0 {
            let new = self.cursor.read(body)?;
            if self.does & KEEPS != 0 {
                self.kept.try_reserve(new.len()).map_err(|_| Error::new("no memory"))?;
                self.kept.extend_from_slice(&new);
            }
        }
        if self.does & CACHES != 0 && body.end_of_stream() {
            let whole = body.read(0, body.size())?;
            let mut cache = body.plugin().cache.borrow_mut();
            if cache.try_reserve(1).is_ok() {
                cache.push(whole);
            }
        }
        if self.does & PASSES != 0 {
            self.cursor.reset();
        }
        Ok(if body.end_of_stream() || self.does & PASSES != 0 { DataAction::Continue } else { DataAction::Pause })
    }
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        self.does = request.get("x-do")?.and_then(|does| does.first().copied()).unwrap_or(b'@') - b'@';
        if self.does & RESERVES != 0 {
            request.stream().reserve_body(3000)?;
        }
        request.add("x-filter", 1)?;
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        self.body(body)
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        trailers.snapshot()?;
        Ok(FilterStatus::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        self.cursor.reset();
        response.snapshot()?;
        Ok(Action::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        self.body(body)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

/// The module, with the guest's allocations told apart in the callbacks that the sequences use.
fn module() -> &'static Exports {
    macro_rules! wrapped {
        ($($name:ident($($arg:ident),*);)*) => {
            &const {
                Exports {
                    $($name: Some(|$($arg),*| guest(|| PLUGIN.$name.expect("it is exported")($($arg),*))),)*
                    ..Exports::none(|| (PLUGIN.initialize)(), || (PLUGIN.reset)())
                }
            }
        };
    }
    wrapped! {
        proxy_on_context_create(context, parent);
        proxy_on_delete(context);
        proxy_on_configure(context, size);
        proxy_on_tick(context);
        proxy_on_request_headers(context, count, end);
        proxy_on_request_body(context, size, end);
        proxy_on_request_trailers(context, count);
        proxy_on_response_headers(context, count, end);
        proxy_on_response_body(context, size, end);
    }
}

/// The host functions that the filter uses, which may be refused.
const CALLED: [Import; 6] = [
    Import::proxy_get_header_map_pairs,
    Import::proxy_get_buffer_bytes,
    Import::proxy_add_header_map_value,
    Import::proxy_send_local_response,
    Import::proxy_define_metric,
    Import::proxy_increment_metric,
];

#[derive(Clone, Debug)]
enum Step {
    /// Opens a stream that does this, with a body to follow or not.
    Open(u8, bool),
    RequestBody(usize, usize, bool),
    RequestTrailers(usize),
    ResponseHeaders(usize),
    ResponseBody(usize, usize, bool),
    Complete(usize),
    Tick,
    /// The guest's allocation after so many is refused.
    RefuseAllocation(u32),
    /// A host function answers with this status from here on, or works again.
    RefuseCall(usize, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![0..200_usize, 0..6000_usize];
    prop_oneof![
        3 => (0..32_u8, any::<bool>()).prop_map(|(does, body)| Step::Open(does, body)),
        6 => (any::<usize>(), size(), prop::bool::weighted(0.2)).prop_map(|(at, size, end)| Step::RequestBody(at, size, end)),
        1 => any::<usize>().prop_map(Step::RequestTrailers),
        1 => any::<usize>().prop_map(Step::ResponseHeaders),
        4 => (any::<usize>(), size(), prop::bool::weighted(0.2)).prop_map(|(at, size, end)| Step::ResponseBody(at, size, end)),
        2 => any::<usize>().prop_map(Step::Complete),
        1 => Just(Step::Tick),
        2 => (0..12_u32).prop_map(Step::RefuseAllocation),
        1 => (any::<usize>(), prop_oneof![Just(0), Just(6), Just(10), Just(2)]).prop_map(|(at, status)| Step::RefuseCall(at, status)),
    ]
}

fn budget() -> impl Strategy<Value = Budget> {
    let over_stream = prop_oneof![
        Just(OverStream::Reply(413)),
        Just(OverStream::Refuse),
        Just(OverStream::Pass),
        Just(OverStream::Wait)
    ];
    let over_total = prop_oneof![Just(OverTotal::Shed(503)), Just(OverTotal::Refuse), Just(OverTotal::Pass)];
    (0..20_000_usize, 0..8_000_usize, 0..100_usize, over_stream, over_total, any::<bool>(), any::<bool>()).prop_map(
        |(total, stream, low, over_stream, over_total, metrics, log)| {
            let budget = Budget::new().total(total).stream(stream).low_water(total * low / 100).reserve(64);
            budget.over_stream(over_stream).over_total(over_total).metrics(metrics).log(log)
        },
    )
}

/// One of the open streams.
fn pick<'a, 'host>(streams: &'a [HttpStream<'host>], at: usize) -> Option<&'a HttpStream<'host>> {
    streams.get(at.checked_rem(streams.len())?)
}

fn take(host: &RunningHost, streams: &mut Vec<HttpStream<'_>>, step: &Step) {
    match *step {
        Step::Open(_, _) => unreachable!("opened by the caller, who owns the host"),
        Step::RequestBody(at, size, end) => {
            pick(streams, at).map(|stream| stream.request_body(vec![7; size], end));
        }
        Step::RequestTrailers(at) => {
            pick(streams, at).map(|stream| stream.request_trailers(&[("t", "1")]));
        }
        Step::ResponseHeaders(at) => {
            pick(streams, at).map(|stream| stream.response_headers(&[(":status", "200")]));
        }
        Step::ResponseBody(at, size, end) => {
            pick(streams, at).map(|stream| stream.response_body(vec![7; size], end));
        }
        Step::Complete(at) => {
            if !streams.is_empty() {
                streams.swap_remove(at % streams.len()).complete();
            }
        }
        Step::Tick => host.tick(),
        Step::RefuseAllocation(after) => REFUSE_AFTER.set(Some(after)),
        Step::RefuseCall(at, status) => host.fail(CALLED[at % CALLED.len()], Status::from(status)),
    }
}

fn run(budget: Budget, steps: &[Step]) {
    BUDGET.set(budget);
    let host = Host::new(module()).start();
    assert!(host.started());
    let mut streams = Vec::new();
    for step in steps {
        if let Step::Open(does, body) = *step {
            let stream = host.http_stream();
            let headers = [("x-do", char::from(b'@' + does).to_string())];
            if body {
                stream.request_headers_with_body(&headers)
            } else {
                stream.request_headers(&headers)
            };
            streams.push(stream);
        } else {
            take(&host, &mut streams, step);
        }
    }
    // All is well again: every stream goes, and the next one is served.
    REFUSE_AFTER.set(None);
    for import in CALLED {
        host.fail(import, Status::Ok);
    }
    for stream in streams {
        stream.complete();
    }
    assert_eq!(report().held, 0, "{}", report());
    // Told of what is left, the plugin has emptied its cache, if that was over the low-water mark;
    // what is in it is counted.
    let cached = report().live;
    assert!(cached <= 20_000, "{}", report());
    drop(host);
    let host = Host::new(module()).start();
    BUDGET.set(Budget::new());
    drop(host);
    let host = Host::new(module()).start();
    let stream = host.http_stream();
    stream.request_headers(&[("x-do", "@")]);
    assert_eq!(stream.request_header("x-filter").as_deref(), Some("1"), "served again");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_ends_the_vm_or_leaves_anything(budget in budget(), steps in prop::collection::vec(step(), 1..80)) {
        run(budget, &steps);
    }
}

/// Every allocation of a plain upload refused, one after the other, under a budget: the sweep that
/// leaves nothing to chance.
#[test]
fn each_allocation_of_an_upload_may_be_refused() {
    for does in [0, RESERVES | READS, READS | CACHES, READS | KEEPS] {
        for after in 0..40 {
            let steps = [
                Step::RefuseAllocation(after),
                Step::Open(does, true),
                Step::RequestBody(0, 1000, false),
                Step::RequestBody(0, 1000, true),
                Step::ResponseHeaders(0),
                Step::ResponseBody(0, 1000, true),
                Step::Complete(0),
            ];
            run(Budget::new().total(10_000).stream(6_000).metrics(true), &steps);
        }
    }
}

/// Every host call of the guest.
#[test]
fn each_host_call_of_an_upload_may_be_refused() {
    for does in [0, RESERVES | READS, READS | CACHES, READS | KEEPS] {
        for at in 0..CALLED.len() {
            for status in 1..=12 {
                let steps = [
                    Step::RefuseCall(at, status),
                    Step::Open(does, true),
                    Step::RequestBody(0, 1000, false),
                    Step::RequestBody(0, 7000, true),
                    Step::ResponseHeaders(0),
                    Step::ResponseBody(0, 1000, true),
                    Step::Complete(0),
                ];
                run(Budget::new().total(10_000).stream(6_000).metrics(true).log(true), &steps);
            }
        }
    }
}
