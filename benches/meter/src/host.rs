//! A host that answers enough for a filter of headers, and counts.

use anyhow::{Result, anyhow};
use sluicegate_benches::encoded;
use wasmtime::{Caller, Linker, Module, Val};

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Host {
    pub(crate) calls: u64,
    pub(crate) allocations: u64,
    /// What was logged last.
    pub(crate) line: Vec<u8>,
}

const OK: i32 = 0;
const NOT_FOUND: i32 = 1;
const INVALID_MEMORY_ACCESS: i32 = 6;
/// Info, as Envoy starts with.
const LOG_LEVEL: u32 = 2;

/// Gives a module every function that it imports. What is not known here answers 0, which is Ok for a host function and success for WASI's.
pub(crate) fn link(linker: &mut Linker<Host>, module: &Module) -> Result<()> {
    for import in module.imports() {
        let Some(ty) = import.ty().func().cloned() else { continue };
        let name = import.name().to_owned();
        let function = move |mut caller: Caller<'_, Host>, arguments: &[Val], results: &mut [Val]| {
            caller.data_mut().calls += 1;
            let argument =
                |at: usize| arguments.get(at).and_then(Val::i32).unwrap_or_default().cast_unsigned() as usize;
            let status = match name.as_str() {
                "proxy_get_header_map_pairs" => hand_over(&mut caller, &encoded(), argument(1), argument(2)),
                "proxy_get_header_map_value" => hand_over(&mut caller, b"value", argument(3), argument(4)),
                "proxy_get_buffer_bytes" | "proxy_get_property" | "proxy_get_shared_data" => NOT_FOUND,
                "proxy_log" => note(&mut caller, argument(1), argument(2)),
                "proxy_get_log_level" => write(&mut caller, argument(0), LOG_LEVEL),
                _ => OK,
            };
            if let Some(result) = results.first_mut() {
                *result = Val::I32(status);
            }
            Ok(())
        };
        linker.func_new(import.module(), import.name(), ty, function).map_err(|error| anyhow!(error))?;
    }
    Ok(())
}

/// Allocates in the guest as hosts do, copies, and says where.
fn hand_over(caller: &mut Caller<'_, Host>, bytes: &[u8], to_start: usize, to_size: usize) -> i32 {
    // The name that Envoy looks for first.
    let entry = ["malloc", "proxy_on_memory_allocate"].iter().find_map(|name| caller.get_export(name)?.into_func());
    let (Some(entry), Ok(size)) = (entry, u32::try_from(bytes.len())) else { return INVALID_MEMORY_ACCESS };
    caller.data_mut().allocations += 1;
    let mut start = [Val::I32(0)];
    if entry.call(&mut *caller, &[Val::I32(size.cast_signed())], &mut start).is_err() {
        return INVALID_MEMORY_ACCESS;
    }
    let start = start.first().and_then(Val::i32).unwrap_or_default().cast_unsigned();
    let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
    let copied = memory.is_some_and(|memory| memory.write(&mut *caller, start as usize, bytes).is_ok());
    if start == 0 || !copied {
        return INVALID_MEMORY_ACCESS;
    }
    write(caller, to_start, start).max(write(caller, to_size, size))
}

/// Keeps a line of the log.
fn note(caller: &mut Caller<'_, Host>, start: usize, size: usize) -> i32 {
    let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
    let Some(line) = memory.and_then(|memory| memory.data(&*caller).get(start..)?.get(..size).map(<[u8]>::to_vec))
    else {
        return INVALID_MEMORY_ACCESS;
    };
    caller.data_mut().line = line;
    OK
}

/// Writes a number where the guest asked for it.
fn write(caller: &mut Caller<'_, Host>, to: usize, number: u32) -> i32 {
    let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
    match memory.map(|memory| memory.write(&mut *caller, to, &number.to_le_bytes())) {
        Some(Ok(())) => OK,
        _ => INVALID_MEMORY_ACCESS,
    }
}
