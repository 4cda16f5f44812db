//! The guest module under each allocator: built once, instantiated as often as wanted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use wasmtime::{Config, Engine, Instance, Linker, Module, Store, WasmParams};

/// Compiled modules of one allocator, one of which counts its instructions.
pub(crate) struct Guest {
    pub(crate) name: String,
    timed: Module,
    counted: Module,
    /// Bytes of a module that does nothing but allocate, free and resize.
    pub(crate) code: u64,
}

pub(crate) struct Engines {
    timed: Engine,
    counted: Engine,
}

impl Engines {
    pub(crate) fn new() -> Result<Self> {
        let mut config = Config::new();
        let timed = Engine::new(&config)?;
        config.consume_fuel(true);
        Ok(Self { timed, counted: Engine::new(&config)? })
    }
}

/// A running module.
pub(crate) struct Running {
    store: Store<()>,
    instance: Instance,
    /// Pages at the start: stack and data.
    first: u64,
}

impl Guest {
    /// Builds the module with a feature (`std` has none) and compiles it.
    pub(crate) fn build(engines: &Engines, name: &str) -> Result<Self> {
        let wasm = build(name, false)?;
        let code = fs::metadata(build(name, true)?)?.len();
        let bytes = fs::read(wasm)?;
        Ok(Self {
            name: name.to_owned(),
            timed: Module::new(&engines.timed, &bytes)?,
            counted: Module::new(&engines.counted, &bytes)?,
            code,
        })
    }

    pub(crate) fn timed(&self) -> Result<Running> {
        Running::new(&self.timed)
    }

    pub(crate) fn counted(&self) -> Result<Running> {
        let mut running = Running::new(&self.counted)?;
        running.store.set_fuel(u64::MAX)?;
        Ok(running)
    }
}

impl Running {
    fn new(module: &Module) -> Result<Self> {
        let mut store = Store::new(module.engine(), ());
        if store.get_fuel().is_ok() {
            store.set_fuel(u64::MAX)?;
        }
        let mut linker = Linker::new(module.engine());
        // What std imports of WASI on the way to a panic; nothing is called on the traces' own path but the hash seed.
        linker.define_unknown_imports_as_default_values(&mut store, module)?;
        let instance = linker.instantiate(&mut store, module)?;
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ())?;
        }
        let mut running = Self { store, instance, first: 0 };
        running.first = running.pages()?;
        Ok(running)
    }

    pub(crate) fn call(&mut self, name: &str, arguments: &[u32]) -> Result<()> {
        match *arguments {
            [] => self.typed(name, ()),
            [a] => self.typed(name, a),
            [a, b] => self.typed(name, (a, b)),
            [a, b, c] => self.typed(name, (a, b, c)),
            _ => unreachable!("no trace takes more than three numbers"),
        }
    }

    fn typed<P: WasmParams>(&mut self, name: &str, arguments: P) -> Result<()> {
        let function = self.instance.get_func(&mut self.store, name).with_context(|| format!("no export {name}"))?;
        if let Ok(function) = function.typed::<P, ()>(&self.store) {
            function.call(&mut self.store, arguments)?;
        } else {
            function.typed::<P, u32>(&self.store)?.call(&mut self.store, arguments)?;
        }
        Ok(())
    }

    /// Instructions so far.
    pub(crate) fn instructions(&self) -> Result<u64> {
        Ok(u64::MAX - self.store.get_fuel()?)
    }

    /// Pages beyond those of the start.
    pub(crate) fn pages(&mut self) -> Result<u64> {
        let memory = self.instance.get_memory(&mut self.store, "memory").context("no memory")?;
        Ok(memory.size(&self.store) - self.first)
    }

    /// Live bytes by the allocator's own count, if it counts.
    pub(crate) fn live(&mut self) -> Result<Option<u32>> {
        let Some(function) = self.instance.get_func(&mut self.store, "live") else { return Ok(None) };
        Ok(Some(function.typed::<(), u32>(&self.store)?.call(&mut self.store, ())?))
    }
}

fn build(name: &str, tiny: bool) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut features: Vec<&str> = if name == "std" { Vec::new() } else { name.split('+').collect() };
    if tiny {
        features.push("tiny");
    }
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "sluicegate-alloc-guests", "--profile", "guest", "--target", "wasm32-wasip1"])
        .args(["--features", &features.join(",")])
        .current_dir(&root)
        .env("CARGO_TARGET_DIR", &target)
        .status()?;
    ensure!(status.success(), "the guest {name} does not build");
    let built = target.join("wasm32-wasip1/guest/sluicegate_alloc_guests.wasm");
    let kept = built.with_file_name(format!("alloc-{name}{}.wasm", if tiny { "-tiny" } else { "" }));
    fs::copy(built, &kept)?;
    Ok(kept)
}
