//! Modules, compiled once a process.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use sluicegate::Exports;
use wasmtime::{Config, Engine, ExternType, InstancePre};

use crate::backends::wasm::link;
use crate::backends::wasm::vm::{ALLOCATE, Data};
use crate::model::version::Abi;

/// A compiled module, of any SDK. A clone is the same module.
#[derive(Clone)]
pub struct Module {
    pub(crate) linked: InstancePre<Data>,
    abi: Abi,
    size: u64,
}

/// The reason why a module cannot be loaded or started.
#[derive(Clone, Debug)]
pub struct VmError(String);

impl VmError {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for VmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for VmError {}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("abi", &self.abi).field("size", &self.size).finish_non_exhaustive()
    }
}

/// The engine of all modules. It counts their instructions.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config.consume_fuel(true);
    Engine::new(&config).expect("a configuration without conflicts")
});

/// The exports by which hosts know the version of the ABI.
const MARKERS: [(&str, Abi); 3] = [
    ("proxy_abi_version_0_1_0", Abi::V0_1_0),
    ("proxy_abi_version_0_2_0", Abi::V0_2_0),
    ("proxy_abi_version_0_2_1", Abi::V0_2_1),
];

impl Module {
    /// Loads the module in a file.
    ///
    /// Compiling the module takes a fraction of a second. An unchanged file is compiled once a
    /// process.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, and where [`new`](Self::new) fails.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, VmError> {
        /// The modules by their files and the times of the last change.
        static LOADED: LazyLock<Mutex<HashMap<(PathBuf, SystemTime), Module>>> = LazyLock::new(Mutex::default);

        let path = path.as_ref();
        let unread = |error| VmError(format!("cannot read {}: {error}", path.display()));
        let changed = path.metadata().and_then(|metadata| metadata.modified()).map_err(unread)?;
        // The lock is held while a module is compiled, so that no two tests compile the same file.
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (path.to_owned(), changed);
        if let Some(module) = loaded.get(&key) {
            return Ok(module.clone());
        }
        let bytes = std::fs::read(path).map_err(unread)?;
        let module = Self::new(&bytes).map_err(|error| VmError(format!("{}: {error}", path.display())))?;
        loaded.insert(key, module.clone());
        Ok(module)
    }

    /// Loads a module from its bytes, or from its text.
    ///
    /// # Errors
    ///
    /// Fails where Envoy refuses the module: if the bytes are no wasm, if the module has no marker
    /// of the ABI, no memory or no allocation entry, if it exports a callback of another type than
    /// the ABI's, or if it imports something that hosts of its version do not provide.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, VmError> {
        let bytes = bytes.as_ref();
        let module =
            wasmtime::Module::new(&ENGINE, bytes).map_err(|error| VmError(format!("not a wasm module: {error:#}")))?;
        let abi = module.exports().find_map(|export| {
            export.ty().func()?;
            MARKERS.iter().find(|(marker, _)| *marker == export.name())
        });
        let Some((_, abi)) = abi else {
            return Err(VmError::new(
                "the module does not say its version of the ABI: it exports no proxy_abi_version_…",
            ));
        };
        if !matches!(module.get_export("memory"), Some(ExternType::Memory(_))) {
            return Err(VmError::new("the module exports no memory"));
        }
        let is_function = |name: &&str| matches!(module.get_export(name), Some(ExternType::Func(_)));
        if !ALLOCATE.iter().any(is_function) {
            let [first, second] = ALLOCATE;
            return Err(VmError(format!("the module exports no allocation function: neither {first} nor {second}")));
        }
        check_callbacks(&module, *abi)?;
        let linked = link::link(&ENGINE, &module, *abi)?;
        Ok(Self { linked, abi: *abi, size: bytes.len() as u64 })
    }

    /// Returns the size of the module in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns whether the module exports a function of this name.
    #[must_use]
    pub fn exports(&self, name: &str) -> bool {
        matches!(self.linked.module().get_export(name), Some(ExternType::Func(_)))
    }

    /// Returns the names of the host functions that the module imports, without WASI's.
    pub fn imports(&self) -> impl Iterator<Item = &str> {
        self.linked.module().imports().filter(|import| import.module() == "env").map(|import| import.name())
    }

    pub(crate) fn abi(&self) -> Abi {
        self.abi
    }
}

/// Checks the types of the callbacks. No host loads a module whose callback has another type than
/// the ABI's.
fn check_callbacks(module: &wasmtime::Module, abi: Abi) -> Result<(), VmError> {
    let number = |ty: wasmtime::ValType| matches!(ty, wasmtime::ValType::I32);
    for export in module.exports() {
        let Some(mut parameters) = Exports::parameters(export.name()) else { continue };
        if abi == Abi::V0_1_0 && ["proxy_on_request_headers", "proxy_on_response_headers"].contains(&export.name()) {
            parameters = 2;
        }
        let fits = |ty: &wasmtime::FuncType| {
            ty.params().len() == parameters && ty.results().len() < 2 && ty.params().chain(ty.results()).all(number)
        };
        if !export.ty().func().is_some_and(fits) {
            let name = export.name();
            return Err(VmError::new(format!("the module exports {name} with another type than the ABI's")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Module::new(text).unwrap_err().to_string()
    }

    #[test]
    fn what_envoy_refuses_is_refused_with_the_reason() {
        assert!(refused("garbage").starts_with("not a wasm module: "));
        assert!(refused("(module)").contains("proxy_abi_version_"));
        let marker = r#"(func (export "proxy_abi_version_0_2_0"))"#;
        assert_eq!(refused(&format!("(module {marker})")), "the module exports no memory");
        let memory = r#"(memory (export "memory") 1)"#;
        assert!(refused(&format!("(module {memory} {marker})")).contains("no allocation function: neither malloc nor"));
        let malloc = r#"(func (export "malloc") (param i32) (result i32) (i32.const 0))"#;
        let with = |import: &str| format!("(module {import} {memory} {malloc} {marker})");
        assert!(Module::new(with("")).is_ok());
        // The first host function of 0.2.1, one that ended with 0.1.0, one with wrong types, and
        // what no host has.
        for (import, why) in [
            (r#"(import "env" "proxy_get_log_level" (func (param i32) (result i32)))"#, "env.proxy_get_log_level"),
            (r#"(import "env" "proxy_continue_request" (func (result i32)))"#, "env.proxy_continue_request"),
            (r#"(import "env" "proxy_done" (func (param i32) (result i32)))"#, "env.proxy_done"),
            (r#"(import "env" "proxy_record_metric" (func (param i32 i32) (result i32)))"#, "env.proxy_record_metric"),
            (r#"(import "other" "proxy_done" (func (result i32)))"#, "other.proxy_done"),
            (r#"(import "env" "g" (global i32))"#, "env.g"),
        ] {
            assert!(refused(&with(import)).contains(why), "{}", refused(&with(import)));
        }
        for callback in ["proxy_on_tick", "proxy_on_request_headers"] {
            let wrong = format!(r#"(module {memory} {malloc} {marker} (func (export "{callback}") (param i32 i32)))"#);
            assert!(refused(&wrong).contains(callback), "{}", refused(&wrong));
        }
        let good = r#"(import "env" "proxy_record_metric" (func (param i32 i64) (result i32)))"#;
        let wasi = r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#;
        let module = Module::new(with(&[good, wasi].concat())).unwrap();
        assert_eq!(module.imports().collect::<Vec<_>>(), ["proxy_record_metric"]);
    }

    #[test]
    fn a_file_is_compiled_again_when_it_changes() {
        let path = std::env::temp_dir().join(format!("sluicegate-module-{}", std::process::id()));
        assert!(Module::load(&path).unwrap_err().to_string().contains("cannot read"));
        let text = |pages: u32| {
            format!(
                r#"(module (memory (export "memory") {pages}) (func (export "proxy_abi_version_0_2_1"))
                    (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#
            )
        };
        std::fs::write(&path, text(1)).unwrap();
        assert_eq!(Module::load(&path).unwrap().size(), text(1).len() as u64);
        std::fs::write(&path, text(100)).unwrap();
        std::fs::File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(Module::load(&path).unwrap().size(), text(100).len() as u64);
        std::fs::remove_file(&path).unwrap();
    }
}
