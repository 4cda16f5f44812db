//! A module, driven through requests.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use wasmtime::{Config, Engine, Instance, Linker, Memory, Module, Store, Val};

use crate::host::{self, Host};

/// Requests before the count begins: tables and free lists have their size then.
pub(crate) const WARM_UP: u64 = 1_000;
/// Requests that are counted.
const COUNTED: u64 = 1_000;
/// More than all of them need.
const FUEL: u64 = 1 << 50;

/// What a request costs, and what the module is.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) name: String,
    scenario: &'static str,
    pub(crate) instructions: u64,
    pub(crate) vm_entries: u64,
    pub(crate) host_calls: u64,
    pub(crate) host_allocations: u64,
    /// Of 64 KiB, at the end.
    pub(crate) pages: u64,
    pub(crate) grows_after_warmup: u64,
    pub(crate) module_bytes: u64,
}

/// Runs a module through its start and the requests.
pub(crate) fn measure(name: &str, path: &Path) -> Result<Figures> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut config = Config::new();
    config.consume_fuel(true);
    let engine = Engine::new(&config).map_err(|error| anyhow!(error))?;
    let module = Module::new(&engine, &bytes).map_err(|error| anyhow!(error).context("no module of wasm"))?;
    let mut guest = Guest::start(&engine, &module)?;
    for id in 0..WARM_UP {
        guest.request(id)?;
    }
    let (before, pages) = (guest.counts()?, guest.pages());
    for id in WARM_UP..WARM_UP + COUNTED {
        guest.request(id)?;
    }
    let after = guest.counts()?;
    let each = |count: fn(&Counts) -> u64| (count(&after) - count(&before)).div_ceil(COUNTED);
    Ok(Figures {
        name: name.to_owned(),
        scenario: "headers-25",
        instructions: each(|counts| counts.instructions),
        vm_entries: each(|counts| counts.vm_entries),
        host_calls: each(|counts| counts.host_calls),
        host_allocations: each(|counts| counts.host_allocations),
        pages: guest.pages(),
        grows_after_warmup: guest.pages() - pages,
        module_bytes: bytes.len() as u64,
    })
}

struct Counts {
    instructions: u64,
    vm_entries: u64,
    host_calls: u64,
    host_allocations: u64,
}

struct Guest {
    store: Store<Host>,
    instance: Instance,
    memory: Memory,
    vm_entries: u64,
}

/// The plugin's context.
const PLUGIN: i32 = 1;

impl Guest {
    fn start(engine: &Engine, module: &Module) -> Result<Self> {
        let mut store = Store::new(engine, Host::default());
        store.set_fuel(FUEL).map_err(|error| anyhow!(error))?;
        let mut linker = Linker::new(engine);
        host::link(&mut linker, module)?;
        let instance = linker.instantiate(&mut store, module).map_err(|error| anyhow!(error))?;
        let memory = instance.get_memory(&mut store, "memory").context("the module exports no memory")?;
        let mut guest = Self { store, instance, memory, vm_entries: 0 };
        for start in ["_initialize", "_start"] {
            guest.call(start, &[])?;
        }
        guest.call("proxy_on_context_create", &[PLUGIN, 0])?;
        guest.call("proxy_on_vm_start", &[PLUGIN, 0])?;
        guest.call("proxy_on_configure", &[PLUGIN, 0])?;
        Ok(guest)
    }

    /// A request and its response, in Envoy's order.
    fn request(&mut self, number: u64) -> Result<()> {
        let id = i32::try_from(number)? + PLUGIN + 1;
        self.call("proxy_on_context_create", &[id, PLUGIN])?;
        self.call("proxy_on_request_headers", &[id, 25, 1])?;
        self.call("proxy_on_response_headers", &[id, 8, 1])?;
        self.call("proxy_on_log", &[id])?;
        self.call("proxy_on_done", &[id])?;
        self.call("proxy_on_delete", &[id])
    }

    /// Calls an export if there is one. Header callbacks have two parameters in ABI 0.1.0, so what is too much is left out.
    fn call(&mut self, export: &str, arguments: &[i32]) -> Result<()> {
        let Some(function) = self.instance.get_func(&mut self.store, export) else { return Ok(()) };
        let ty = function.ty(&self.store);
        let arguments: Vec<_> = arguments.iter().take(ty.params().len()).map(|argument| Val::I32(*argument)).collect();
        let mut results = vec![Val::I32(0); ty.results().len()];
        self.vm_entries += 1;
        function
            .call(&mut self.store, &arguments, &mut results)
            .map_err(|error| anyhow!(error).context(export.to_owned()))
    }

    fn counts(&self) -> Result<Counts> {
        let host = self.store.data();
        Ok(Counts {
            instructions: FUEL - self.store.get_fuel().map_err(|error| anyhow!(error))?,
            vm_entries: self.vm_entries,
            host_calls: host.calls,
            host_allocations: host.allocations,
        })
    }

    fn pages(&self) -> u64 {
        self.memory.size(&self.store)
    }
}

#[cfg(test)]
mod allocators;

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter by hand: it reads the request's headers and leaves the block where it is.
    const READER: &str = r#"(module
        (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
            (i32.load (i32.const 1024))))"#;

    fn measured(text: &str) -> Result<Figures> {
        let folder = std::env::temp_dir().join(format!("sluicegate-meter-{}-{}", std::process::id(), text.len()));
        std::fs::write(&folder, text)?;
        let figures = measure("reader", &folder);
        std::fs::remove_file(&folder)?;
        figures
    }

    #[test]
    fn a_reader_costs_what_it_does() {
        let figures = measured(READER).unwrap();
        assert_eq!((figures.vm_entries, figures.host_calls, figures.host_allocations), (1, 1, 1), "{figures:?}");
        assert_eq!((figures.pages, figures.grows_after_warmup), (1, 0));
        assert!((5..20).contains(&figures.instructions), "{figures:?}");
    }

    #[test]
    fn what_is_no_filter_is_refused_with_the_reason() {
        let error = |text: &str| format!("{:#}", measured(text).unwrap_err());
        assert!(error("(module)").contains("exports no memory"));
        assert!(error("garbage").contains("no module of wasm"));
        let trap = READER.replace("(i32.load (i32.const 1024))", "unreachable");
        assert!(error(&trap).contains("proxy_on_request_headers"));
    }
}
