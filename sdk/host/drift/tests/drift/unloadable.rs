//! Modules that no proxy can use: Envoy says in its log why it does not serve, and the simulated
//! host says so too.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sluicegate_envoy::{Config, Options, Proxy};
use sluicegate_host::Host;
use sluicegate_host::wasm::Module;

use crate::envoy;

/// A module that cannot be used.
struct Unloadable {
    name: &'static str,
    /// The module as text. The empty text stands for a whole module that is cut off.
    text: &'static str,
    /// The line that Envoy logs.
    envoy: &'static str,
    /// The message of the simulated host.
    simulated: &'static str,
}

const ALL: &[Unloadable] = &[
    Unloadable {
        name: "cut off",
        text: "",
        envoy: "Failed to parse corrupted Wasm module",
        simulated: "not a wasm module",
    },
    Unloadable {
        name: "no version of the ABI",
        text: r#"(module (memory (export "memory") 1)
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0))"#,
        envoy: "Missing or unknown Proxy-Wasm ABI version",
        simulated: "exports no proxy_abi_version_",
    },
    Unloadable {
        name: "an unknown version of the ABI",
        text: r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_9_0"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0))"#,
        envoy: "Missing or unknown Proxy-Wasm ABI version",
        simulated: "exports no proxy_abi_version_",
    },
    Unloadable {
        name: "an import that no host has",
        text: r#"(module (import "env" "proxy_brew_coffee" (func (param i32) (result i32)))
            (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0))"#,
        envoy: "Failed to load Wasm module due to a missing import: env.proxy_brew_coffee",
        simulated: "proxy_brew_coffee",
    },
    Unloadable {
        name: "an import of another type",
        text: r#"(module (import "env" "proxy_done" (func (param i64) (result i32)))
            (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0))"#,
        envoy: "Failed to load Wasm module due to an import type mismatch: env.proxy_done",
        simulated: "proxy_done",
    },
    Unloadable {
        name: "a start that traps",
        text: r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
            (func (export "_initialize") unreachable)
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0))"#,
        envoy: "Function: _initialize failed: Uncaught RuntimeError: unreachable",
        simulated: "unreachable",
    },
    Unloadable {
        name: "a VM that does not start",
        text: r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 0)
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0))"#,
        envoy: "Failed to start base Wasm",
        simulated: "not started",
    },
    Unloadable {
        name: "a plugin that refuses its configuration",
        text: r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 0)
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0))"#,
        envoy: "Failed to configure base Wasm plugin",
        simulated: "not started",
    },
];

/// Returns what the simulated host says of a module.
fn simulated(bytes: &[u8]) -> String {
    let module = match Module::new(bytes) {
        Ok(module) => module,
        Err(error) => return error.to_string(),
    };
    match Host::wasm(&module).try_start() {
        Err(error) => error.to_string(),
        Ok(running) => {
            let why = running.trapped();
            why.unwrap_or_else(|| if running.started() { "started" } else { "not started" }.to_owned())
        }
    }
}

#[test]
fn an_operator_is_told_why_a_module_is_not_used() -> Result<()> {
    let files = envoy::Modules::build()?;
    let (_, whole) = files.0.last().context("a module")?;
    let whole = fs::read(whole)?;
    let (binary, folder) = (envoy::binary()?, tempfile::tempdir()?);
    let mut wrong = Vec::new();
    for Unloadable { name, text, envoy, simulated: wanted } in ALL {
        let bytes = if text.is_empty() { whole[..whole.len() / 2].to_vec() } else { wat::parse_str(text)? };
        let file = folder.path().join("module.wasm");
        fs::write(&file, &bytes)?;
        let plugin = json!({ "name": "envoy.filters.http.wasm", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": { "name": "unloadable", "vm_config": {
                "runtime": "envoy.wasm.runtime.v8", "code": { "local": { "filename": "module.wasm" } },
            } },
        } });
        let clusters = [envoy::cluster("upstream", &folder.path().join("upstream"))];
        let config = json!({ "static_resources": { "listeners": [envoy::http_listener(20_000, "all", &plugin)], "clusters": clusters } });
        let config = Config::from_json(config)?.with_module("module", &file);
        match Proxy::start(&binary, &config, &Options::default()) {
            Ok(proxy) => wrong.push(format!("{name}: Envoy serves:\n{}", proxy.log())),
            Err(error) if !format!("{error:#}").contains(envoy) => wrong.push(format!("{name}: Envoy says: {error:#}")),
            Err(_) => {}
        }
        let told = simulated(&bytes);
        if !told.contains(wanted) {
            wrong.push(format!("{name}: the simulated host says: {told}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
