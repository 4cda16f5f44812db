//! A stream's arena: `request.arena()`, behind the feature `request-arena`.
//!
//! **A value that is put into an arena with `alloc` is never dropped**: see
//! [`sluicegate_alloc::request`], which has the rules, the costs, and the collections that do drop.
//!
//! A stream has no arena until it asks for one. The arena is empty at the first call, and the same
//! in every callback of the stream. It is reset when the stream is deleted and the filter dropped,
//! and goes back to the pool of the VM. A value that the filter keeps over a
//! [`RequestArena::clone`] may live from one callback to the next:
//!
//! ```
//! use sluicegate::arena::{RequestArena, allocator_api2::vec::Vec};
//! use sluicegate::prelude::*;
//!
//! #[derive(Default)]
//! struct Collect {
//!     seen: Option<Vec<u8, RequestArena>>,
//! }
//!
//! #[sluicegate::http_filter]
//! impl HttpFilter for Collect {
//!     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
//!         let arena = request.arena()?;
//!         // For this callback: views into the arena.
//!         let path = request.get("path")?.map(|path| arena.alloc_slice_copy(&path));
//!         // For the stream: a vector that owns its arena.
//!         let mut seen = Vec::new_in(arena.clone());
//!         seen.extend_from_slice(path.unwrap_or_default());
//!         self.seen = Some(seen);
//!         Ok(Action::Continue)
//!     }
//! }
//! # sluicegate::plugin!(http: Collect);
//! # fn main() {}
//! ```
//!
//! # Host blocks
//!
//! Blocks that the host hands over lie outside of the arena. Each block is freed when its snapshot
//! is dropped, mostly within the callback. An arena would hold the block until the stream ends. For
//! values that should live as long as the stream there is [`with_host_values_in`]: the host writes
//! them into the arena, where they stay without a copy, beside the other values of the stream.
//!
//! ```
//! use sluicegate::prelude::*;
//! use sluicegate::{HostBytes, arena};
//!
//! #[derive(Default)]
//! struct Audit {
//!     user: Option<HostBytes>,
//! }
//!
//! #[sluicegate::http_filter]
//! impl HttpFilter for Audit {
//!     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
//!         self.user = arena::with_host_values_in(&request.arena()?, || request.fetch("x-user"))?;
//!         Ok(Action::Continue)
//!     }
//!
//!     fn on_log(&mut self, _: &mut HttpHandle<'_>) -> Result<()> {
//!         info!("{:?}", self.user);
//!         Ok(())
//!     }
//! }
//! # sluicegate::plugin!(http: Audit);
//! # fn main() {}
//! ```
//!
//! With `alloc-arena`, small blocks that the host asks for lie in the stream's region anyway, and
//! are freed one by one.
//!
//! A [stateless](crate::http_filter) filter gets an arena for each callback, because it has no
//! streams.

pub use sluicegate_alloc::request::{Bump, Pool, RequestArena, allocator_api2, bumpalo};

use crate::abi::arenas;
use crate::error::{Error, Result};

/// Returns the arena of the stream whose callback runs. Handles with `arena()` exist in callbacks
/// only.
///
/// # Errors
///
/// Fails if the SDK is out of memory.
pub(crate) fn current() -> Result<RequestArena> {
    arenas::current().ok_or(Error::out_of_memory(size_of::<RequestArena>()))
}

/// Runs `call`. Values that the host hands over meanwhile are put into the arena.
///
/// Each value keeps the arena alive as a handle does, so it may be kept anywhere. When a value is
/// dropped, its bytes are used again if nothing was put into the arena after it. Otherwise they are
/// used again when the arena is reset. Values of more than 8 KiB lie outside, and so do values that
/// are read by a callback that the host runs meanwhile. If the arena gets no memory, the value lies
/// outside too.
///
/// # Cost
///
/// A word for each value, and the bump of a pointer instead of the allocator. The block that is
/// otherwise kept from call to call is not used meanwhile.
pub fn with_host_values_in<R>(arena: &RequestArena, call: impl FnOnce() -> R) -> R {
    crate::abi::routed::within(arena, crate::abi::depth(), call)
}

/// Returns the number of open arenas in this VM, and of those that wait in its pool.
#[must_use]
pub fn usage() -> (usize, usize) {
    arenas::usage()
}
