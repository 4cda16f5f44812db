//! The guest module with each allocator. It is built once, and instantiated any number of times.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use wasmtime::{Config, Engine, Instance, Linker, Module, ResourceLimiter, Store, WasmParams};

/// The largest memory that proxies give to a module, in bytes. `memory.grow` fails beyond it.
const MOST: usize = 1 << 30;

/// Compiled modules of one allocator, one of which counts its instructions.
pub struct Guest {
    /// Its features, joined with `+`, or `std` if it has none.
    pub name: String,
    /// The path of the module.
    pub path: PathBuf,
    timed: Module,
    counted: Module,
}

/// Two compilers of modules: one for time, one that counts instructions.
pub struct Engines {
    timed: Engine,
    counted: Engine,
}

impl Engines {
    /// Makes the two compilers, with wasmtime's defaults.
    pub fn new() -> Result<Self> {
        let mut config = Config::new();
        let timed = Engine::new(&config)?;
        config.consume_fuel(true);
        Ok(Self { timed, counted: Engine::new(&config)? })
    }
}

/// A running module.
pub struct Running {
    store: Store<Growth>,
    instance: Instance,
    /// Pages at the start: stack and data.
    first: u64,
}

/// Limits linear memory, and counts its growths.
#[derive(Default)]
struct Growth {
    grows: u64,
}

impl ResourceLimiter for Growth {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired <= MOST;
        self.grows += u64::from(granted);
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

impl Guest {
    /// Builds the module with a feature (`std` has none) and compiles it.
    pub fn build(engines: &Engines, name: &str) -> Result<Self> {
        let wasm = build(name, Kind::Traces)?;
        let bytes = fs::read(&wasm)?;
        Ok(Self {
            name: name.to_owned(),
            path: wasm,
            timed: Module::new(&engines.timed, &bytes)?,
            counted: Module::new(&engines.counted, &bytes)?,
        })
    }

    /// Returns the bytes of a module that only allocates, frees and resizes.
    pub fn code(&self) -> Result<u64> {
        Ok(fs::metadata(build(&self.name, Kind::Tiny)?)?.len())
    }

    /// Makes a new instance, compiled for speed.
    pub fn timed(&self) -> Result<Running> {
        Running::new(&self.timed)
    }

    /// Makes a new instance that counts its instructions down from `fuel`, and traps at zero.
    ///
    /// # Errors
    ///
    /// Fails if the instance does not start.
    pub fn counted(&self, fuel: u64) -> Result<Running> {
        let mut running = Running::new(&self.counted)?;
        running.store.set_fuel(fuel)?;
        Ok(running)
    }
}

impl Running {
    fn new(module: &Module) -> Result<Self> {
        let mut store = Store::new(module.engine(), Growth::default());
        store.limiter(|growth| growth);
        if store.get_fuel().is_ok() {
            store.set_fuel(u64::MAX)?;
        }
        let mut linker = Linker::new(module.engine());
        // The WASI functions that std imports for a panic. The traces call only the one for the
        // hash seed.
        linker.define_unknown_imports_as_default_values(&mut store, module)?;
        let instance = linker.instantiate(&mut store, module)?;
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ())?;
        }
        let mut running = Self { store, instance, first: 0 };
        running.first = running.pages()?;
        // The first memory is no growth.
        running.store.data_mut().grows = 0;
        Ok(running)
    }

    /// Calls an export.
    pub fn call(&mut self, name: &str, arguments: &[u32]) -> Result<()> {
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

    /// Returns the remaining instructions.
    ///
    /// # Errors
    ///
    /// Fails if the instance does not count instructions.
    pub fn fuel(&self) -> Result<u64> {
        Ok(self.store.get_fuel()?)
    }

    /// Returns the pages beyond those of the start.
    pub fn pages(&mut self) -> Result<u64> {
        let memory = self.instance.get_memory(&mut self.store, "memory").context("no memory")?;
        Ok(memory.size(&self.store) - self.first)
    }

    /// Returns the number of growths of memory since the start.
    pub fn grows(&self) -> u64 {
        self.store.data().grows
    }

    /// Returns the count of an export, or `None` if there is no export of this name.
    pub fn count(&mut self, name: &str) -> Result<Option<u32>> {
        let Some(function) = self.instance.get_func(&mut self.store, name) else { return Ok(None) };
        Ok(Some(function.typed::<(), u32>(&self.store)?.call(&mut self.store, ())?))
    }
}

/// The use of a module of an allocator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It plays the traces by itself.
    Traces,
    /// It does the operations of the host, one by one.
    Hostile,
    /// It contains only the allocator.
    Tiny,
}

/// Returns the module of these features.
pub(crate) fn build(name: &str, kind: Kind) -> Result<PathBuf> {
    let mut features: Vec<&str> = if name == "std" { Vec::new() } else { name.split('+').collect() };
    let suffix = match kind {
        Kind::Traces => None,
        Kind::Hostile => Some("hostile"),
        Kind::Tiny => Some("tiny"),
    };
    features.extend(suffix);
    // Its build script sets a flag for WASI that cargo accepts only of a package with tests of its
    // own, which the published one lacks.
    let target = if features.contains(&"wasmalloc") { "wasm32-unknown-unknown" } else { "wasm32-wasip1" };
    // Each build puts its module in the place of the one before: no other may come between it and
    // the copy.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let built = module("sluicegate-alloc-guests", target, &features)?;
    let kept = built.with_file_name(format!("alloc-{name}-{}.wasm", suffix.unwrap_or("traces")));
    fs::copy(built, &kept)?;
    Ok(kept)
}

/// Builds a crate of this repository as a module, and returns the module's path. The next build of
/// the crate overwrites the module.
pub fn module(package: &str, target: &str, features: &[&str]) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let directory = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", package, "--profile", "guest", "--target", target])
        .args(["--features", &features.join(",")])
        .current_dir(&root)
        .env("CARGO_TARGET_DIR", &directory)
        .status()?;
    ensure!(status.success(), "{package} does not build with {features:?} for {target}");
    Ok(directory.join(target).join("guest").join(format!("{}.wasm", package.replace('-', "_"))))
}
