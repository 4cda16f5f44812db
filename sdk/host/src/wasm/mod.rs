//! The wasm backend: compiled modules, of this SDK and of others, on wasmtime.
//!
//! | file | holds |
//! |---|---|
//! | `guest` | the crate under test, built for wasm |
//! | `module` | modules, compiled once a process |
//! | `vm` | a module that runs, with its memory |
//! | `link` | the imports of a module: the host functions of its version of the ABI, and WASI's |
//! | `wasi` | WASI's functions, as Envoy implements them |

mod guest;
mod link;
mod module;
mod vm;
mod wasi;

pub use guest::of_crate;
pub use module::{Module, VmError};
pub(crate) use vm::{Limits, Wasm};
