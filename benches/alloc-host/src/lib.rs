//! Allocators on wasm: the guest with each of them, the traces and the soaks, for this crate's
//! command and for its tests.

pub mod guest;
pub mod hostile;
pub mod node;
pub mod soak;
pub mod speed;
