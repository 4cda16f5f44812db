//! The boundary with the host. It has the only unsafe code of this crate.
//!
//! Bytes cross the boundary here and nowhere else:
//!
//! | file | contents |
//! |---|---|
//! | `imports` | every host function, declared once with its wasm signature |
//! | `types` | the ABI's numbers as types |
//! | `call` | a safe function for each import that the crate uses |
//! | `block` | the blocks that the host asked for, until one is handed over |
//! | `host_bytes` | [`HostBytes`], the owner of a block that was handed over |
//! | `routed` | host blocks that lie in a stream's arena, if the filter asks for that |
//! | `pairs` | serialised pairs, checked once and walked unchecked |
//! | `memory` | allocation that can fail without a trap |
//! | `decimal` | numbers as digits |
//! | `bump` | memory of one callback, for values that live as long as the callback |
//! | `local` | state that belongs to one VM |
//! | `scoped` | a reference that code further down can reach while a function runs |
//! | `arenas` | the arenas of the streams, if the filter asks for them |
//! | `constructors` | the start of a module that has a C library |
//! | `waker` | wakers of tasks that are numbers |
//! | `native` | the twin of the imports for tests outside a proxy |
//!
//! # The path of a byte
//!
//! The host calls `proxy_on_memory_allocate(size)` while it works on a host call of the guest. It
//! copies the value into the block, and writes address and size to where the call asked for them.
//! `block` notes the block when it is allocated. `call` claims the block when the host call
//! returns. From then on one [`HostBytes`] owns the block, and frees it when it is dropped. A pair
//! of address and size that does not belong to a noted block is refused. A noted block that nobody
//! claims is freed.
#![allow(unsafe_code, reason = "this is the boundary; everything above it denies unsafe code")]

#[cfg(feature = "request-arena")]
pub(crate) mod arenas;
#[cfg(not(feature = "request-arena"))]
#[path = "arenas_off.rs"]
pub(crate) mod arenas;
mod block;
mod bump;
pub(crate) mod call;
#[cfg(target_os = "wasi")]
mod constructors;
mod decimal;
mod host_bytes;
mod imports;
mod local;
mod memory;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod pairs;
#[cfg(feature = "request-arena")]
pub(crate) mod routed;
#[cfg(not(feature = "request-arena"))]
#[path = "routed_off.rs"]
mod routed;
pub(crate) mod scoped;
mod types;
#[cfg(feature = "async")]
mod waker;

pub use block::{CallbackScope, allocate};
pub(crate) use block::{depth, end_vm};
pub(crate) use bump::{Bump, WithBump};
#[cfg(feature = "timing")]
pub(crate) use call::host_calls;
#[cfg(target_os = "wasi")]
pub(crate) use constructors::call_constructors;
pub(crate) use decimal::with_decimal;
pub use host_bytes::HostBytes;
pub use imports::*;
#[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
#[doc(hidden)]
pub use local::OfThread;
pub use local::VmLocal;
pub(crate) use memory::{OutOfMemory, Shared, try_box, try_slice};
pub(crate) use pairs::{Pairs, PairsIter};
pub(crate) use types::Refused;
pub use types::{BufferType, LogLevel, MapType, MetricType, PeerType, Status, StreamType};
#[cfg(feature = "async")]
pub(crate) use waker::{Wake, waker};
