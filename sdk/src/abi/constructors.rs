//! The constructors that the linker gathers for the start of a module.

/// Runs the constructors that the C library asked the linker for.
///
/// If a start function does not call them, the linker wraps every export in a call of its own.
pub(crate) fn call_constructors() {
    // The C library is named for the functions that the compiler itself calls, such as `memcmp`: a
    // module without the standard library would import them from the host. SAFETY: the linker makes
    // this function, with no parameters and no result. It is called at the start of a module, once:
    // the only caller is `_initialize`, which a host calls once.
    #[link(name = "c")]
    unsafe extern "C" {
        safe fn __wasm_call_ctors();
    }
    __wasm_call_ctors();
}
