//! Allocators on wasm: the guest under each of them, the traces and the soaks; for the command of
//! this crate, and for its tests.

pub mod guest;
pub mod hostile;
pub mod node;
pub mod soak;
pub mod speed;
