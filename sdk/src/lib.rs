//! Filters for Envoy, Istio and every other Proxy-Wasm host, in Rust, built around memory.
//!
//! # A filter
//!
//! ```
//! use sluicegate::prelude::*;
//!
//! #[derive(Default)]
//! struct Tag;
//!
//! #[sluicegate::http_filter]
//! impl HttpFilter for Tag {
//!     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
//!         let headers = request.snapshot()?; // one host call; every read after it is local
//!         if let Some(agent) = headers.get("user-agent") {
//!             info!("agent {}", agent.display());
//!         }
//!         request.replace("x-seen", headers.len())?; // while `headers` lives
//!         Ok(Action::Continue)
//!     }
//! }
//!
//! sluicegate::plugin!(http: Tag);
//! # fn main() {}
//! ```
//!
//! The crate is a `cdylib`, built for `wasm32-wasip1` or `wasm32-unknown-unknown`. The module
//! exports `proxy_on_request_headers`, the callbacks that create and delete contexts, and the
//! exports that the ABI requires; nothing else. It imports the host functions that the filter uses,
//! and `proxy_log`. If its callbacks can fail, it also imports the two functions that count
//! failures: `proxy_define_metric` and `proxy_increment_metric`.
//!
//! # Where a byte goes, and who frees it
//!
//! The host allocates each value that it hands over in the guest, through the module's one
//! allocation entry, and copies the value once. From there the SDK owns the block: a [`HeaderMap`]
//! or [`abi::HostBytes`] frees the block when dropped. A filter reads views into the block
//! ([`ByteStr`]), which the borrow checker ends with the snapshot. Nothing is copied again unless
//! the filter copies it.
//!
//! # Allocators
//!
//! A feature picks the allocator that [`plugin!`] installs: `alloc-arena`, `alloc-freelist`,
//! `alloc-talc` or `alloc-system`. [`allocator`] returns the name of the selected one, and every
//! plugin start logs the name at debug level. If several features are on (features unify across a
//! build), the first of freelist, arena, talc, system wins. Without any of them the standard
//! library's allocator stays, or the module names its own:
//! `plugin!(http: Filter, allocator: MINE)`, where `MINE` is its `#[global_allocator]`, a
//! `sluicegate_alloc::Global` over any strategy.
//!
//! Values that outlive their stream are allocated [`outside`](region::outside) of the stream's
//! region. With `alloc-arena` they would otherwise count as retained.
//!
//! # Features
//!
//! | feature | effect |
//! |---|---|
//! | `alloc-arena`, `alloc-freelist`, `alloc-talc`, `alloc-system` | the module's allocator, as above |
//! | `alloc-inline`, on by default | the fast path of `alloc-arena` and `alloc-freelist` in every caller: faster, for 3–12 kB of module; off with `default-features = false` |
//! | `async` | `task`: `async`/`await` for calls and timers |
//! | `profile` | `profile`: the callbacks that allocated what lives, as pprof, folded stacks and gauges |
//! | `timing` | `timing`: the cost of each callback, as metrics and at debug level |
//! | `request-arena` | `arena`: an arena for each stream that asks for one: `request.arena()` |
//! | `http` | `http`: conversions from and to the `http` crate's types |
//! | `log` | the `log` crate's macros write to the proxy's log |
//! | `panic-log` | a panic's message and place go to the proxy's log |
//! | `metrics` | the memory of each VM as gauges of the proxy; `docs/observing.md` explains them |
//! | `budget` | the module `budget`: limits for a stream and for the VM |
//! | `alloc-stats` | statistics of the module's allocator |
//! | `abi-0-2-0`, `abi-0-1-0` | the module speaks an older version of the ABI, the oldest that is asked for |
//!
//! # Errors
//!
//! A host call returns an [`Error`] that names the call, its subject and the status. A callback may
//! return the error: the SDK logs and counts it, and [`HttpFilter::ON_ERROR`] decides whether the
//! client gets a 500 or 503, or the stream goes on. No value that a host returns, and no order of
//! callbacks, is a trap.
//!
//! # Budgets
//!
//! With the feature `budget` a plugin, or its configuration, limits the memory that a stream and
//! the VM may take. An allocation over a limit is refused, and a stream over a limit is answered
//! with 413 or 503, passed or shed. The module `budget` and `docs/budgets.md` explain the limits.
//!
//! # The names of other SDKs
//!
//! Search these pages for the name that you know (`OnHttpRequestHeaders`,
//! `get_http_request_headers`, `RootContext` …). The items list these names, and
//! `docs/migrating.md` has all of them in one table.
//!
//! # no_std
//!
//! The crate needs `alloc` only. It links nothing that can panic. A filter that cannot panic either
//! is a few kB and imports no WASI.
#![no_std]
// Nothing that a host sends may end the VM. So these lints deny the code that could panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::get_unwrap,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::panic_in_result_fn,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used,
    )
)]
#![cfg_attr(not(test), warn(clippy::pedantic))]
#![allow(
    clippy::copy_iterator,
    clippy::doc_markdown,
    clippy::elidable_lifetime_names,
    clippy::inline_always,
    clippy::iter_not_returning_iterator,
    clippy::match_same_arms,
    clippy::must_use_candidate,
    clippy::mut_mut,
    clippy::needless_pass_by_value,
    clippy::single_match_else,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "of the pedantic lints these have more false findings here than true ones"
)]

// The order of the modules. A file imports what stands in its own row and in the rows above it, and
// never what stands below. A test reads this table. A folder stands for the files in it that have
// no row of their own.
//
// | row | files | contents |
// |---|---|---|
// | ground | abi/types abi/memory abi/local abi/decimal abi/scoped | |
// | | abi/waker abi/arenas abi/arenas_off abi/constructors error | |
// | | bytes escape json/ buffer table owner context/actions | |
// | | headers/check profile_off | types and containers that call no host |
// | limits | budget/mod budget/off budget/settings budget/event | |
// | | budget/account budget/state | the limits of memory, and the memory that is taken |
// | abi | abi/ | the host calls, and the blocks that the host hands over |
// | base | log failures panic region host_buffer tick arena | the log, buffers and the tick |
// | stream | stream_state stream_state/ effective | the state of the stream that host calls act on |
// | headers | headers/ reply | header maps, and local replies |
// | services | metric queue shared_data property/ foreign/ time timing http | |
// | | heap profile/ memory_metrics memory_metrics_off | one service of the host a file |
// | policy | budget/ | what happens past a limit |
// | waiting | callout/ timer timer/ task/slot | calls and timers that wait |
// | task | task task/ | the executor of tasks |
// | handle | handle/ | the host calls that a callback can make |
// | context | context/ | the traits that an author implements |
// | reach | task/within | the way from a task back to its filter |
// | dispatch | dispatch/ | from a context's number to its callback, and the exports |
// | root | lib prelude | the crate's root |

extern crate alloc;
#[cfg(any(not(target_family = "wasm"), feature = "panic-log", target_feature = "atomics"))]
#[doc(hidden)]
pub extern crate std as __std;

pub mod abi;
#[cfg(feature = "request-arena")]
pub mod arena;
#[cfg(feature = "budget")]
pub mod budget;
#[cfg(not(feature = "budget"))]
#[path = "budget/off.rs"]
mod budget;
mod buffer;
mod bytes;
pub mod callout;
mod context;
#[doc(hidden)]
pub mod dispatch;
mod effective;
mod error;
mod escape;
mod failures;
pub mod foreign;
mod handle;
mod headers;
pub mod heap;
mod host_buffer;
#[cfg(feature = "http")]
pub mod http;
pub mod json;
pub mod log;
#[cfg(any(feature = "metrics", feature = "budget"))]
mod memory_metrics;
#[cfg(not(any(feature = "metrics", feature = "budget")))]
#[path = "memory_metrics_off.rs"]
mod memory_metrics;
pub mod metric;
pub mod owner;
mod panic;
pub mod prelude;
#[cfg(feature = "profile")]
pub mod profile;
#[cfg(not(feature = "profile"))]
#[path = "profile_off.rs"]
mod profile;
pub mod property;
pub mod queue;
pub mod region;
mod reply;
pub mod shared_data;
mod stream_state;
mod table;
#[cfg(feature = "async")]
pub mod task;
mod tick;
pub mod time;
pub mod timer;
#[cfg(feature = "timing")]
pub mod timing;

pub use abi::{HostBytes, LogLevel, PeerType, Status};
pub use bytes::{ByteStr, ToValue};
pub use context::{
    Action, DataAction, FailurePolicy, FilterStatus, HttpFilter, PluginContext, StartStatus, TcpFilter, Upgrades,
    VmContext,
};
pub use dispatch::Exports;
pub use error::{Error, Result};
pub use handle::{
    AccessLogEntry, Body, BodyCursor, Chunk, CompleteBody, CompleteRequestBody, CompleteResponseBody, Direction,
    Downstream, DownstreamData, Handle, Head, Headers, HttpHandle, Output, PluginHandle, Request, RequestBody,
    RequestHeaders, RequestTrailers, Response, ResponseBody, ResponseHeaders, ResponseTrailers, Rewriter, Tail,
    TcpHandle, Upstream, UpstreamData, VmHandle,
};
pub use headers::{HeaderMap, Iter, MapEditor, Values};
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub use panic::__panicked;
pub use reply::LocalResponse;
pub use sluicegate_macros::{__plugin, http_filter, plugin, plugin_context, tcp_filter, vm_context};

#[doc(hidden)]
pub use context::named as __named;
#[doc(hidden)]
pub use sluicegate_alloc as __alloc;

/// Returns the name of the allocator that [`plugin!`] installs in the module: `arena`, `freelist`,
/// `talc` or `system`. Returns `None` if no feature selected one.
#[must_use]
pub const fn allocator() -> Option<&'static str> {
    sluicegate_alloc::SELECTED
}

/// The version of the ABI that the module speaks: `0.2.1`, unless a feature asks for an older one.
pub const ABI_VERSION: &str = if cfg!(feature = "abi-0-1-0") {
    "0.1.0"
} else if cfg!(feature = "abi-0-2-0") {
    "0.2.0"
} else {
    "0.2.1"
};

/// Compiles the Rust of the README and of the guide.
#[cfg(doctest)]
mod guide {
    macro_rules! chapters {
        ($($name:ident: $file:literal)*) => {
            $(
                #[doc = include_str!($file)]
                mod $name {}
            )*
        };
    }

    chapters! {
        readme: "../README.md"
        bodies: "../docs/bodies.md"
        errors: "../docs/errors.md"
        flow: "../docs/flow.md"
        memory: "../docs/memory.md"
        observing: "../docs/observing.md"
        properties: "../docs/properties.md"
        sharing: "../docs/sharing.md"
    }
}
