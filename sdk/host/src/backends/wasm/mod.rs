//! The wasm backend: compiled modules, of this SDK and of others, on wasmtime.
//!
//! | file | holds |
//! |---|---|
//! | `module` | modules, compiled once a process |
//! | `vm` | a module that runs, with its memory |
//! | `link` | the imports of a module: the host functions of its version of the ABI, and WASI's |
//! | `wasi` | WASI's functions, as Envoy implements them |

mod link;
pub(crate) mod module;
pub(crate) mod vm;
mod wasi;
