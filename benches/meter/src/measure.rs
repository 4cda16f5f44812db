//! A module, driven through a scenario.

use anyhow::{Context, Result, bail};
use serde::Serialize;
use sluicegate_host::wasm::Module;
use sluicegate_host::{Cost, Host, Running};

use crate::scenario::Scenario;

/// Rounds before the count begins: tables and free lists have their size then.
pub(crate) const WARM_UP: u64 = 1_000;
/// Rounds that are counted.
const COUNTED: u64 = 1_000;

/// What a request costs, and what the module is.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) scenario: &'static str,
    pub(crate) instructions: u64,
    pub(crate) vm_entries: u64,
    pub(crate) host_calls: u64,
    pub(crate) host_allocations: u64,
    /// Of 64 KiB, at the end.
    pub(crate) pages: u64,
    pub(crate) grows_after_warmup: u64,
    pub(crate) module_bytes: u64,
}

/// Runs a module through each scenario that it supports.
pub(crate) fn measure(name: &str, module: &Module) -> Result<Vec<Figures>> {
    let mut figures = Vec::new();
    for scenario in Scenario::ALL.iter().filter(|scenario| scenario.exports(module)) {
        figures.extend(run(name, module, *scenario).context(scenario.name())?);
    }
    Ok(figures)
}

/// A scenario with a VM of its own; none if the module turns out not to support it.
fn run(name: &str, module: &Module, scenario: Scenario) -> Result<Option<Figures>> {
    let host = Host::wasm(module).log_level(sluicegate_host::LogLevel::Info).try_start()?;
    alive(&host)?;
    if !host.started() {
        bail!("the module does not start without a configuration");
    }
    let supported = scenario.round(&host);
    if !supported {
        // Whether it could not or would not: its trap is not a failure of the scenario.
        host.trapped();
        return Ok(None);
    }
    alive(&host)?;
    rounds(&host, scenario, WARM_UP - 1)?;
    let before = host.cost();
    rounds(&host, scenario, COUNTED)?;
    let spent = host.cost() - before;
    let each = |count: fn(&Cost) -> u64| count(&spent).div_ceil(COUNTED);
    Ok(Some(Figures {
        name: name.to_owned(),
        scenario: scenario.name(),
        instructions: each(|cost| cost.instructions),
        vm_entries: each(|cost| cost.vm_entries),
        host_calls: each(|cost| cost.host_calls),
        host_allocations: each(|cost| cost.host_allocations),
        pages: host.pages(),
        grows_after_warmup: spent.grows,
        module_bytes: module.size(),
    }))
}

fn rounds(host: &Running, scenario: Scenario, count: u64) -> Result<()> {
    for _ in 0..count {
        scenario.round(host);
        host.clear_log();
    }
    alive(host)
}

fn alive(host: &Running) -> Result<()> {
    host.trapped().map_or(Ok(()), |why| bail!("the module trapped: {why}"))
}

#[cfg(test)]
mod tests {
    use sluicegate_loadtest::Allocator;

    use super::*;

    /// A filter by hand: it reads the request's headers and leaves the block where it is.
    const READER: &str = r#"(module
        (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
            (i32.ne (i32.load (i32.const 1024)) (i32.load (i32.const 1024)))))"#;

    fn measured(text: &str) -> Result<Vec<Figures>> {
        measure("reader", &Module::new(text)?)
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
        assert!(error("garbage").contains("no module of wasm"));
        let trap = READER.replace("(drop", "unreachable (drop");
        assert!(error(&trap).contains("proxy_on_request_headers"));
    }

    #[test]
    fn each_scenario_counts_what_the_module_supports() {
        let parts = r#"
            (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
            (func (export "proxy_on_new_connection") (param i32) (result i32) unreachable)
            (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 0))
            (func (export "proxy_on_tick") (param i32)))"#;
        let figures = measured(&format!("{}{parts}", READER.strip_suffix(')').unwrap())).unwrap();
        let entries: Vec<_> = figures.iter().map(|figures| (figures.scenario, figures.vm_entries)).collect();
        // Its connections trap, and it asks for no ticks.
        assert_eq!(entries, [("headers-25", 1), ("headers-30", 1), ("body-1", 2), ("body-4", 5)]);
    }

    fn headers_of(guest: &str, allocator: Option<Allocator>) -> Figures {
        let path = sluicegate_loadtest::guest::build(guest, allocator).unwrap();
        let figures = measure(guest, &Module::load(path).unwrap()).unwrap();
        figures.into_iter().find(|figures| figures.scenario == "headers-25").unwrap()
    }

    /// What the README says of the job that all guests do.
    #[test]
    fn the_job_costs_little_more_than_by_hand_with_each_allocator() {
        let (floor, incumbent) = (headers_of("guest-floor", None), headers_of("guest-incumbent", None));
        for &allocator in Allocator::ALL {
            let ours = headers_of("guest-sluicegate", Some(allocator));
            let counts = |of: &Figures| (of.vm_entries, of.host_calls, of.host_allocations);
            assert_eq!(counts(&ours), counts(&floor), "{allocator}");
            assert!(ours.instructions * 100 <= floor.instructions * 115, "{allocator}: {ours:?}, {floor:?}");
            assert!(ours.instructions * 10 <= incumbent.instructions * 3, "{allocator}: {ours:?}, {incumbent:?}");
            assert!(ours.module_bytes * 3 <= incumbent.module_bytes, "{allocator}: {ours:?}, {incumbent:?}");
        }
    }

    #[test]
    fn a_module_of_another_sdk_is_measured() {
        let path = sluicegate_loadtest::guest::build("guest-incumbent", None).unwrap();
        let figures = measure("incumbent", &Module::load(path).unwrap()).unwrap();
        let headers = figures.iter().find(|figures| figures.scenario == "headers-25").unwrap();
        assert_eq!((headers.vm_entries, headers.host_calls, headers.host_allocations), (6, 3, 1), "{headers:?}");
        assert_eq!(headers.grows_after_warmup, 0);
        assert!(figures.iter().any(|figures| figures.scenario == "body-4"), "{figures:?}");
    }
}
