//! The backends, which run a module: in the process of the test, or compiled to wasm.
//!
//! | files | contents |
//! |---|---|
//! | `vm` | the interface of both backends |
//! | `native`, `live` | a module of this process, and the bytes that it holds |
//! | `wasm` | a compiled module, on wasmtime |

pub(crate) mod live;
pub(crate) mod native;
pub(crate) mod vm;
#[cfg(feature = "wasm")]
pub(crate) mod wasm;
