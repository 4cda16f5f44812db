//! A simulated proxy for tests of filters: plain `cargo test`, without a proxy.
//!
//! The filter runs in the process of the test, allocates through its own allocation entry, and is
//! driven as Envoy drives it. With the feature `wasm` the same test also runs the compiled module,
//! on wasmtime: see [`test`](macro@test).
//!
//! ```
//! use sluicegate::prelude::*;
//! use sluicegate_host::Host;
//!
//! #[derive(Default)]
//! struct Tag;
//!
//! #[sluicegate::http_filter]
//! impl HttpFilter for Tag {
//!     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
//!         let agent = request.get("user-agent")?.unwrap_or_default();
//!         info!("agent {}", agent.display());
//!         request.replace("x-seen", 1)?;
//!         Ok(Action::Continue)
//!     }
//! }
//!
//! sluicegate::plugin!(http: Tag);
//!
//! # fn main() {
//! let host = Host::new(&PLUGIN).start();
//! let stream = host.http_stream();
//! assert_eq!(stream.request_headers(&[(":path", "/"), ("user-agent", "curl")]), Action::Continue as u32);
//! assert_eq!(stream.request_header("x-seen").as_deref(), Some("1"));
//! assert!(host.logged(LogLevel::Info, "agent curl"));
//! stream.complete();
//! # }
//! # use sluicegate::LogLevel;
//! ```
//!
//! # What it simulates
//!
//! Several plugins in a VM, several VMs in a proxy; logs and their level, the clock, ticks,
//! configurations; headers and trailers with Envoy's semantics (names in lower case, a replaced
//! header moves to the end, all repeats are removed, a map over the limits is taken for empty);
//! bodies and TCP data that are held back and go on; local responses, resuming and closing, which
//! wait until the guest has returned; HTTP and gRPC calls that the test answers; metrics, shared
//! data, queues, properties (those of the headers where Envoy has them, others as the test sets
//! them, and filter state); Envoy's foreign functions but those for signatures and expressions (a
//! test adds its own); and the order of the callbacks. A host call within the module's allocation
//! entry is a trap, natively a panic; only the log may be called.
//!
//! # What goes wrong on demand
//!
//! [`Running::fail`] makes a function answer with any status; [`Running::fault`] lets one host call
//! of many go wrong in any of the ways of [`Fault`]. [`Running::callback`] calls anything in any
//! order. [`sweep`] does all of this to each host call of a scenario, and wants the next request to
//! be served well.
//!
//! # Modules of any SDK
//!
//! With the feature `wasm`, `Host::wasm(&wasm::Module::load("filter.wasm")?)` runs any module of
//! ABI 0.1.0 to 0.2.1. What Envoy refuses to load is refused with the reason. A trap kills the VM:
//! streams are then answered with 503, or go on if the proxy [fails open](Host::fail_open), and the
//! test fails unless it asks with [`Running::trapped`]. [`Running::costs`] counts for each callback
//! what it took.

mod access_log;
mod answers;
mod body;
mod calls;
mod check;
mod cost;
mod faults;
mod flow;
mod foreign;
mod host;
mod imports;
mod live;
mod map;
mod metric;
mod native;
mod phases;
mod plugin;
mod property;
mod running;
mod shared;
mod state;
mod stream;
mod sweep;
mod tcp;
mod time;
mod traffic;
mod valid;
mod vm;
#[cfg(feature = "wasm")]
pub mod wasm;
mod zlib;

pub use access_log::AccessLog;
pub use calls::{OpenGrpc, PendingCall};
pub use cost::Cost;
#[cfg(feature = "wasm")]
pub use faults::WasiFault;
pub use faults::{Fault, HostCall};
pub use host::Host;
pub use live::Counting;
pub use map::Map;
pub use plugin::Plugin;
pub use property::PropertyValue;
pub use running::Running;
pub use sluicegate::LogLevel;
pub use state::{LocalReply, LogLine};
pub use stream::HttpStream;
#[cfg(feature = "wasm")]
pub use sweep::{Limited, sweep_pages};
pub use sweep::{Swept, sweep, sweep_allocations};
pub use tcp::TcpConnection;
pub use traffic::{Seen, crowd, traffic};

/// Makes a function a test of each rung: `name::native`, and `name::wasm` with the feature `wasm`.
///
/// The function takes a [`Host`] with the module of its crate: what `plugin!` defined at the
/// crate's root natively, and the crate compiled for `wasm32-wasip1` on the wasm rung. The host is
/// not started, and a clone of it is another one.
///
/// ```
/// # use sluicegate::prelude::*;
/// # #[derive(Default)]
/// # struct Filter;
/// # #[sluicegate::http_filter]
/// # impl HttpFilter for Filter {}
/// # sluicegate::plugin!(http: Filter);
/// use sluicegate_host::Host;
///
/// #[sluicegate_host::test]
/// fn lets_requests_through(host: Host) {
///     let host = host.plugin_configuration("configuration").start();
///     let stream = host.http_stream();
///     assert_eq!(stream.request_headers(&[(":path", "/")]), 0);
/// }
/// # fn main() {}
/// ```
///
/// A module that `plugin!` did not define at the root is named:
/// `#[sluicegate_host::test(crate::filter::PLUGIN)]`. Attributes above the function, such as
/// `#[should_panic]`, are the tests'.
///
/// The crate is built with the profile that `SLUICEGATE_PROFILE` names, `release` without it, into
/// `guests/none` in the target folder, once a process.
pub use sluicegate_macros::host_test as test;

/// A test of the wasm rung, if there is one.
#[cfg(feature = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __wasm_rung {
    ($($test:tt)*) => { $($test)* };
}

/// A test of the wasm rung, if there is one.
#[cfg(not(feature = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __wasm_rung {
    ($($test:tt)*) => {};
}

#[cfg(feature = "wasm")]
#[doc(hidden)]
pub use wasm::of_crate as __of_crate;

/// The Rust in the guide's chapter is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod guide {}
