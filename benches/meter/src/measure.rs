//! Drives a module through a scenario.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use sluicegate_host::wasm::Module;
use sluicegate_host::{Cost, Host, LogLevel, RunningHost};

use crate::scenario::Scenario;

/// The number of rounds before the count begins. Tables and free lists have their final size then.
pub(crate) const WARM_UP: u64 = 1_000;
/// The number of rounds that are counted.
pub(crate) const COUNTED: u64 = 1_000;

/// The configuration with which a module is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) configuration: Vec<u8>,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) root_id: Vec<u8>,
}

/// The cost of a request, and facts about the module.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) scenario: &'static str,
    pub(crate) instructions: u64,
    pub(crate) vm_entries: u64,
    pub(crate) host_calls: u64,
    pub(crate) host_allocations: u64,
    /// The pages of 64 KiB at the end.
    pub(crate) pages: u64,
    pub(crate) grows_after_warmup: u64,
    pub(crate) module_bytes: u64,
    /// The costs by callback, in the order of their names. These are the callbacks for which the
    /// module was entered after the warm-up.
    pub(crate) callbacks: Vec<Callback>,
}

/// The cost of one callback: for each request, except for the growth of memory.
#[derive(Debug, Serialize)]
pub(crate) struct Callback {
    pub(crate) callback: &'static str,
    pub(crate) instructions: u64,
    pub(crate) vm_entries: u64,
    pub(crate) host_calls: u64,
    pub(crate) host_allocations: u64,
    /// The pages by which memory grew within the callback, in all counted rounds.
    pub(crate) pages_after_warmup: u64,
    pub(crate) grows_after_warmup: u64,
}

/// Runs a module through each scenario that it supports.
pub(crate) fn measure(name: &str, module: &Module, setup: &Setup) -> Result<Vec<Figures>> {
    let mut figures = Vec::new();
    for scenario in Scenario::ALL.iter().filter(|scenario| scenario.exports(module)) {
        let scenario_of = || scenario.name();
        let host = start(module, setup).with_context(scenario_of)?;
        let Some(Spent { all, callbacks }) = spend(&host, *scenario).with_context(scenario_of)? else { continue };
        figures.push(Figures {
            name: name.to_owned(),
            scenario: scenario.name(),
            instructions: each(all.instructions),
            vm_entries: each(all.vm_entries),
            host_calls: each(all.host_calls),
            host_allocations: each(all.host_allocations),
            pages: host.pages(),
            grows_after_warmup: all.grows,
            module_bytes: module.size(),
            callbacks: callbacks.iter().map(|(callback, cost)| Callback::new(callback, cost)).collect(),
        });
    }
    Ok(figures)
}

impl Callback {
    fn new(callback: &'static str, cost: &Cost) -> Self {
        Self {
            callback,
            instructions: each(cost.instructions),
            vm_entries: each(cost.vm_entries),
            host_calls: each(cost.host_calls),
            host_allocations: each(cost.host_allocations),
            pages_after_warmup: cost.pages,
            grows_after_warmup: cost.grows,
        }
    }
}

/// Returns the share of one round.
pub(crate) fn each(count: u64) -> u64 {
    count.div_ceil(COUNTED)
}

/// Starts a VM for one scenario.
pub(crate) fn start(module: &Module, setup: &Setup) -> Result<RunningHost> {
    let Setup { configuration, vm_configuration, root_id } = setup.clone();
    let host = Host::wasm(module).log_level(LogLevel::Info).root_id(root_id);
    let host = host.vm_configuration(vm_configuration).plugin_configuration(configuration).try_start()?;
    alive(&host)?;
    if !host.started() {
        bail!(refusal(&host));
    }
    Ok(host)
}

/// Returns a message with what the module refused, the option that sets it, and the module's last
/// warning.
fn refusal(host: &RunningHost) -> String {
    // A plugin is configured once its VM has started.
    let (what, option) = if host.costs().contains_key("proxy_on_configure") {
        ("its configuration", "--configuration")
    } else {
        ("its VM's configuration", "--vm-configuration")
    };
    let said = host.log().into_iter().rfind(|line| line.level >= LogLevel::Warn);
    let said = said.map(|line| format!("; it says: {}", line.text)).unwrap_or_default();
    format!("the module refuses {what}: {option} gives it one, --root-id the id of its plugin{said}")
}

/// The cost of the counted rounds.
struct Spent {
    all: Cost,
    callbacks: BTreeMap<&'static str, Cost>,
}

/// Runs a scenario. Returns `None` if the module turns out not to support it.
fn spend(host: &RunningHost, scenario: Scenario) -> Result<Option<Spent>> {
    let supported = scenario.round(host);
    if !supported {
        // The module does not support the scenario, so its trap is not a failure of the scenario.
        host.trapped();
        return Ok(None);
    }
    alive(host)?;
    rounds(host, scenario, WARM_UP - 1)?;
    let (before, callbacks_before) = (host.cost(), host.costs());
    rounds(host, scenario, COUNTED)?;
    let mut callbacks = host.costs();
    for (callback, cost) in &mut callbacks {
        *cost = *cost - callbacks_before.get(callback).copied().unwrap_or_default();
    }
    callbacks.retain(|_, cost| cost.vm_entries > 0);
    Ok(Some(Spent { all: host.cost() - before, callbacks }))
}

fn rounds(host: &RunningHost, scenario: Scenario, count: u64) -> Result<()> {
    for _ in 0..count {
        scenario.round(host);
        host.clear_log();
    }
    alive(host)
}

pub(crate) fn alive(host: &RunningHost) -> Result<()> {
    host.trapped().map_or(Ok(()), |why| bail!("the module trapped: {why}"))
}

#[cfg(test)]
mod tests {
    use sluicegate_workspace::Allocator;

    use super::*;

    /// A hand-written filter, which reads the request's headers and leaves the block where it is.
    const READER: &str = r#"(module
        (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
            (i32.ne (i32.load (i32.const 1024)) (i32.load (i32.const 1024)))))"#;

    fn measured(text: &str) -> Result<Vec<Figures>> {
        measure("reader", &Module::new(text)?, &Setup::default())
    }

    /// Returns the module with more parts.
    fn with(parts: &str) -> String {
        format!("{}{parts})", READER.strip_suffix(')').unwrap())
    }

    #[test]
    fn a_reader_costs_what_it_does() {
        let figures = measured(READER).unwrap();
        assert_eq!(figures.iter().map(|figures| figures.scenario).collect::<Vec<_>>(), ["headers-25", "headers-30"]);
        for figures in figures {
            assert_eq!((figures.vm_entries, figures.host_calls, figures.host_allocations), (1, 1, 1), "{figures:?}");
            assert_eq!((figures.pages, figures.grows_after_warmup), (1, 0));
            assert!((5..20).contains(&figures.instructions), "{figures:?}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_the_reason() {
        let error = |text: &str| format!("{:#}", measured(text).unwrap_err());
        assert!(error("(module)").contains("proxy_abi_version"));
        assert!(error("garbage").contains("not a wasm module"));
        let trap = READER.replace("(drop", "unreachable (drop");
        assert!(error(&trap).contains("proxy_on_request_headers"));
    }

    #[test]
    fn each_scenario_counts_what_the_module_supports() {
        let parts = r#"
            (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
            (func (export "proxy_on_new_connection") (param i32) (result i32) unreachable)
            (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 0))
            (func (export "proxy_on_tick") (param i32))"#;
        let figures = measured(&with(parts)).unwrap();
        let entries: Vec<_> = figures.iter().map(|figures| (figures.scenario, figures.vm_entries)).collect();
        // Its connections trap, and it asks for no ticks.
        assert_eq!(entries, [("headers-25", 1), ("headers-30", 1), ("body-1", 2), ("body-4", 5)]);
    }

    #[test]
    fn each_callback_costs_what_it_does() {
        // A response's headers grow memory in the first rounds and, by two pages at once, in the
        // last two.
        let parts = r#"
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (global $rounds (mut i32) (i32.const 0))
            (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
                (global.set $rounds (i32.add (global.get $rounds) (i32.const 1)))
                (if (i32.or (i32.lt_u (global.get $rounds) (i32.const 3)) (i32.gt_u (global.get $rounds) (i32.const 1998)))
                    (then (drop (memory.grow (i32.const 2)))))
                (i32.const 0))
            (func (export "proxy_on_log") (param i32)
                (drop (call $log (i32.const 0) (i32.const 0) (i32.const 1)))
                (drop (call $log (i32.const 0) (i32.const 0) (i32.const 1))))
            (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))"#;
        // Imports come first.
        let (import, parts) = parts.trim_start().split_once('\n').unwrap();
        let figures = measured(&with(parts).replacen("(module", &format!("(module {import}"), 1)).unwrap();
        let figures = &figures[0];
        assert_eq!((figures.pages, figures.grows_after_warmup), (9, 2));
        let callbacks = figures.callbacks.iter();
        let counts: Vec<_> = callbacks
            .map(|of| {
                let growth = (of.pages_after_warmup, of.grows_after_warmup);
                (of.callback, of.vm_entries, of.host_calls, of.host_allocations, growth)
            })
            .collect();
        let expected = [
            ("proxy_on_log", 1, 2, 0, (0, 0)),
            ("proxy_on_request_headers", 1, 1, 1, (0, 0)),
            ("proxy_on_response_headers", 1, 0, 0, (4, 2)),
        ];
        assert_eq!(counts, expected, "what runs once, at the start, is no part of a request");
        let sum: u64 = figures.callbacks.iter().map(|callback| callback.instructions).sum();
        assert!((figures.instructions..figures.instructions + 3).contains(&sum), "{figures:?}");
    }

    /// A hand-written filter. It opens a gRPC call and a gRPC stream for each request, another call
    /// when one of them closes, and an HTTP call when the request is logged.
    const ASKER: &str = r#"(module
        (import "env" "proxy_http_call" (func $http (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_grpc_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_grpc_stream" (func $stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "service")
        (data (i32.const 128) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00"
            ":method\00GET\00:path\00/\00:authority\00h\00")
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_abi_version_0_2_1"))
        (func $ask (drop (call $call (i32.const 64) (i32.const 7) (i32.const 64) (i32.const 7) (i32.const 64) (i32.const 7)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 0))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $ask)
            (drop (call $stream (i32.const 64) (i32.const 7) (i32.const 64) (i32.const 7) (i32.const 64) (i32.const 7)
                (i32.const 0) (i32.const 0) (i32.const 0)))
            (i32.const 1))
        (func (export "proxy_on_grpc_receive_initial_metadata") (param i32 i32 i32))
        (func (export "proxy_on_grpc_receive") (param i32 i32 i32))
        (func (export "proxy_on_grpc_receive_trailing_metadata") (param i32 i32 i32))
        (func (export "proxy_on_grpc_close") (param i32 i32 i32) (call $ask))
        (func (export "proxy_on_log") (param i32) (drop (call $http (i32.const 64) (i32.const 7) (i32.const 128) (i32.const 61)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 0))))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)))"#;

    #[test]
    fn each_call_and_stream_is_answered_within_its_request() {
        let module = Module::new(ASKER).unwrap();
        for scenario in [Scenario::Headers(25), Scenario::Callout] {
            let host = start(&module, &Setup::default()).unwrap();
            let spent = spend(&host, scenario).unwrap().unwrap();
            assert_eq!((host.pending_calls(), host.open_grpc()), (vec![], vec![]), "{scenario:?}");
            let entries = |callback: &str| spent.callbacks.get(callback).map_or(0, |cost| cost.vm_entries) / COUNTED;
            let grpc = ["receive_initial_metadata", "receive", "receive_trailing_metadata", "close"];
            let grpc = grpc.map(|event| entries(format!("proxy_on_grpc_{event}").as_str()));
            // Two calls, which are over with their message, and a stream.
            assert_eq!((grpc, entries("proxy_on_http_call_response")), ([1, 3, 1, 1], 1), "{scenario:?}");
        }
    }

    #[test]
    fn examples_that_ask_services_leave_nothing_open() {
        for example in ["grpc_unary", "grpc_stream", "http_auth_random", "multiple_dispatches"] {
            let path = sluicegate_workspace::guest::build(example, Some(Allocator::Talc)).unwrap();
            let module = Module::load(path).unwrap();
            let mut measured = Vec::new();
            for &scenario in Scenario::ALL.iter().filter(|scenario| scenario.exports(&module)) {
                let host = start(&module, &Setup::default()).unwrap();
                if spend(&host, scenario).unwrap().is_some() {
                    measured.push(scenario);
                }
                assert_eq!((host.pending_calls(), host.open_grpc()), (vec![], vec![]), "{example}, {scenario:?}");
            }
            assert!(measured.contains(&Scenario::Callout), "{example}: {measured:?}");
        }
    }

    #[test]
    fn what_a_module_refuses_is_said_with_its_option() {
        // Each callback wants seven bytes.
        let refuses = |callback: &str| {
            with(&format!(
                r#"(func (export "{callback}") (param i32 i32) (result i32) (i32.eq (local.get 1) (i32.const 7)))"#
            ))
        };
        for (callback, option, what) in [
            ("proxy_on_configure", "--configuration", "its configuration"),
            ("proxy_on_vm_start", "--vm-configuration", "its VM's configuration"),
        ] {
            let error = format!("{:#}", measured(&refuses(callback)).unwrap_err());
            assert!(error.contains(&format!("refuses {what}: {option} gives")), "{error}");
            let seven = b"7 bytes".to_vec();
            let setup = match option {
                "--configuration" => Setup { configuration: seven, ..Setup::default() },
                _ => Setup { vm_configuration: seven, ..Setup::default() },
            };
            assert_eq!(measure("reader", &Module::new(refuses(callback)).unwrap(), &setup).unwrap().len(), 2);
        }
    }

    fn headers_of(guest: &str, allocator: Option<Allocator>) -> Figures {
        let path = sluicegate_workspace::guest::build(guest, allocator).unwrap();
        let figures = measure(guest, &Module::load(path).unwrap(), &Setup::default()).unwrap();
        figures.into_iter().find(|figures| figures.scenario == "headers-25").unwrap()
    }

    /// The promises of the README about the job that all guests do.
    #[test]
    fn the_job_costs_at_most_a_known_multiple_of_by_hand_with_each_allocator() {
        let (floor, incumbent) = (headers_of("guest-floor", None), headers_of("guest-incumbent", None));
        for &allocator in Allocator::ALL {
            let ours = headers_of("guest-sluicegate", Some(allocator));
            let counts = |of: &Figures| (of.vm_entries, of.host_calls, of.host_allocations);
            assert_eq!(counts(&ours), counts(&floor), "{allocator}");
            // The hand-written module checks no names and values, records no edits, and does not
            // track the holders of a stream.
            assert!(ours.instructions * 100 <= floor.instructions * 115, "{allocator}: {ours:?}, {floor:?}");
            assert!(ours.instructions * 10 <= incumbent.instructions * 3, "{allocator}: {ours:?}, {incumbent:?}");
            assert!(ours.module_bytes * 3 <= incumbent.module_bytes, "{allocator}: {ours:?}, {incumbent:?}");
        }
    }

    #[test]
    fn a_module_of_another_sdk_is_measured() {
        let path = sluicegate_workspace::guest::build("guest-incumbent", None).unwrap();
        let figures = measure("proxy-wasm", &Module::load(path).unwrap(), &Setup::default()).unwrap();
        let headers = figures.iter().find(|figures| figures.scenario == "headers-25").unwrap();
        assert_eq!((headers.vm_entries, headers.host_calls, headers.host_allocations), (6, 3, 1), "{headers:?}");
        assert_eq!(headers.grows_after_warmup, 0);
        assert!(figures.iter().any(|figures| figures.scenario == "body-4"), "{figures:?}");
    }

    #[test]
    fn a_module_of_assemblyscript_is_measured() {
        let module = Module::load(crate::assemblyscript::build().unwrap()).unwrap();
        let host = Host::wasm(&module).start();
        let stream = host.http_stream();
        assert_eq!(stream.request_headers(&[(":path", "/"), ("a", "bc")]), 0);
        assert_eq!(stream.request_header("x-total-bytes").as_deref(), Some("9"));
        assert_eq!(stream.response_headers_only(&[(":status", "200")]), 0);
        assert_eq!(stream.response_header("x-filter").as_deref(), Some("1"));
        stream.complete();
        let figures = measure("assemblyscript", &module, &Setup::default()).unwrap();
        let headers = figures.iter().find(|figures| figures.scenario == "headers-25").unwrap();
        assert_eq!((headers.vm_entries, headers.host_allocations), (6, 1), "{headers:?}");
    }

    #[test]
    fn the_file_has_the_names_that_it_is_known_for() {
        let figures = measured(READER).unwrap();
        let file = serde_json::to_value(crate::Report { modules: figures, beside: Vec::new() }).unwrap();
        let module = file["modules"][1].as_object().unwrap();
        let names = [
            "callbacks",
            "grows_after_warmup",
            "host_allocations",
            "host_calls",
            "instructions",
            "module_bytes",
            "name",
            "pages",
            "scenario",
            "vm_entries",
        ];
        assert_eq!(module.keys().collect::<Vec<_>>(), names);
        assert_eq!((&module["name"], &module["scenario"]), (&"reader".into(), &"headers-30".into()));
        let others = ["callbacks", "name", "scenario"];
        assert!(module.iter().all(|(name, figure)| figure.is_u64() || others.contains(&name.as_str())));
        let callback = module["callbacks"][0].as_object().unwrap();
        let names = [
            "callback",
            "grows_after_warmup",
            "host_allocations",
            "host_calls",
            "instructions",
            "pages_after_warmup",
            "vm_entries",
        ];
        assert_eq!(callback.keys().collect::<Vec<_>>(), names);
        assert_eq!(callback["callback"], "proxy_on_request_headers");
        assert!(callback.iter().all(|(name, figure)| figure.is_u64() || name == "callback"));
    }
}
