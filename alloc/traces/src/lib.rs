//! The traces with which allocators are measured. They run over any allocator, on wasm and
//! natively.
//!
//! No trace but [`rust`] allocates for itself: the others keep their state in fixed tables. Every
//! trace draws from its own generator with a fixed seed, so all allocators see the same requests.
#![allow(unsafe_code, reason = "the traces speak to the allocator directly")]

pub mod bare;
pub mod block;
pub mod floor;
pub mod hostile;
pub mod random;
pub mod request;
pub mod rust;
