//! The imports of a module.

use sluicegate::abi::Import;
use wasmtime::{Caller, Engine, ExternType, FuncType, Linker, Val, ValType};

use crate::backends::wasm::module::VmError;
use crate::backends::wasm::vm::{Data, Words};
use crate::backends::wasm::wasi;
use crate::model::version::Abi;

/// Links the imports of a module.
///
/// # Errors
///
/// Fails with the name of an import that hosts do not provide.
pub(super) fn link(
    engine: &Engine,
    module: &wasmtime::Module,
    abi: Abi,
) -> Result<wasmtime::InstancePre<Data>, VmError> {
    let mut linker = Linker::new(engine);
    for import in module.imports() {
        let (from, name) = (import.module(), import.name());
        let refuse = |why: &str| VmError::new(format!("the module imports {from}.{name}, {why}"));
        let ExternType::Func(ty) = import.ty() else { return Err(refuse("which is no function")) };
        let defined = match from {
            "env" => match Import::ALL.iter().find(|import| import.name() == name) {
                Some(import) if !has(abi, *import) => {
                    return Err(refuse("which its version of the ABI does not have"));
                }
                Some(import) if !has_type(*import, &ty) => {
                    return Err(refuse("with other parameters than the ABI's"));
                }
                Some(import) => {
                    let import = *import;
                    linker.func_new(from, name, ty, move |caller, arguments, results| {
                        host_call(caller, import, arguments, results)
                    })
                }
                // Modules of Emscripten import these, too.
                None if name == "emscripten_notify_memory_growth" => linker.func_new(from, name, ty, |_, _, _| Ok(())),
                None if name == "pthread_equal" => linker.func_new(from, name, ty, |_, arguments, results| {
                    let [left, right] = arguments else { return Ok(()) };
                    set(results, (left.i32() == right.i32()).into())
                }),
                None => return Err(refuse("which no host gives")),
            },
            "wasi_snapshot_preview1" | "wasi_unstable" => {
                let Some(function) = wasi::find(name) else { return Err(refuse("which no host gives")) };
                let called = name.to_owned();
                linker.func_new(from, name, ty, move |mut caller, arguments, results| {
                    let answer = wasi::call(&mut caller, &called, function, arguments)?;
                    set(results, answer)
                })
            }
            _ => return Err(refuse("which no host gives")),
        };
        defined.map_err(|error| VmError::new(format!("{error:#}")))?;
    }
    linker.instantiate_pre(module).map_err(|error| VmError::new(format!("{error:#}")))
}

fn host_call(
    mut caller: Caller<'_, Data>,
    import: Import,
    arguments: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let guest = caller.data().guest.clone();
    let mut words = Words { caller: &mut caller, rest: arguments.iter() };
    match guest.call(import, &mut words) {
        Ok(status) => set(results, status),
        Err(why) => Err(wasmtime::Error::msg(why)),
    }
}

/// Sets the function's result, if it has one.
fn set(results: &mut [Val], answer: u32) -> wasmtime::Result<()> {
    if let Some(result) = results.first_mut() {
        *result = Val::I32(answer.cast_signed());
    }
    Ok(())
}

/// Returns whether hosts provide the function to modules of this version.
fn has(abi: Abi, import: Import) -> bool {
    match import {
        Import::proxy_get_configuration
        | Import::proxy_continue_request
        | Import::proxy_continue_response
        | Import::proxy_clear_route_cache => abi == Abi::V0_1_0,
        Import::proxy_continue_stream | Import::proxy_close_stream => abi >= Abi::V0_2_0,
        Import::proxy_get_log_level => abi >= Abi::V0_2_1,
        _ => true,
    }
}

fn has_type(import: Import, ty: &FuncType) -> bool {
    let expected = import.parameters();
    let wide = |ty: &str| ty == "u64" || ty == "i64";
    let same = |(found, expected): (ValType, &&str)| match found {
        ValType::I32 => !wide(expected),
        ValType::I64 => wide(expected),
        _ => false,
    };
    let one_result = ty.results().len() == 1 && ty.results().all(|result| matches!(result, ValType::I32));
    ty.params().len() == expected.len() && ty.params().zip(expected).all(same) && one_result
}
