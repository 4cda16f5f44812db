//! Simulates a proxy for tests of filters, so that plain `cargo test` needs no proxy.
//!
//! The filter runs in the process of the test and allocates through its own allocation entry. The
//! simulated proxy drives the filter as Envoy drives it. With the feature `wasm` the same test also
//! runs the compiled module on wasmtime: see [`test`](macro@test).
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
//! let action = stream.request_headers(&[(":path", "/"), ("user-agent", "curl")]);
//! assert_eq!(action, Action::Continue as u32);
//! assert_eq!(stream.request_header("x-seen").as_deref(), Some("1"));
//! assert!(host.logged(LogLevel::Info, "agent curl"));
//! stream.complete();
//! # }
//! # use sluicegate::LogLevel;
//! ```
//!
//! # What it simulates
//!
//! - Several plugins in a VM, and several VMs in a proxy.
//! - The log and its level, the clock, ticks, and configurations.
//! - Headers and trailers with Envoy's semantics: names are in lower case, replacing a header moves
//!   it to the end, removing a header removes all its repeats, and a map over the limits counts as
//!   empty.
//! - Bodies and TCP data that the filter holds back and resumes.
//! - Local replies, resumes and closes. The proxy acts on them when the guest has returned.
//! - HTTP and gRPC calls, to which the test responds.
//! - Metrics, shared data, queues and properties. Properties of the headers are there where Envoy
//!   has them; the test sets others, and the filter sets filter state.
//! - Envoy's foreign functions, except those for signatures and expressions. A test can add its
//!   own.
//! - The order of the callbacks.
//!
//! A host call from within the module's allocation entry is a trap, and natively a panic. Only the
//! log may be called there.
//!
//! # What goes wrong on demand
//!
//! [`RunningHost::fail`] makes a host function return any status. [`RunningHost::fault`] makes one
//! host call of many go wrong in any of the ways of [`Fault`]. [`RunningHost::callback`] calls any
//! callback in any order. [`sweep`] does all of this to each host call of a scenario, and checks
//! that the filter serves the next request well.
//!
//! # Modules of any SDK
//!
//! With the feature `wasm`, `Host::wasm(&wasm::Module::load("filter.wasm")?)` runs any module of
//! ABI 0.1.0 to 0.2.1. A module that Envoy refuses to load is refused with the reason. A trap kills
//! the VM. The proxy then responds to streams with 503, or lets them pass if it [fails
//! open](Host::fail_open). The test fails unless it asks for the trap with
//! [`RunningHost::trapped`]. [`RunningHost::costs`] counts the cost of each callback.

// The order of the modules. A file imports files of its own row and of the rows above it.
//
// | row | files | contents |
// |---|---|---|
// | model | model/ | the state of the proxy, and the rules by which it treats a message |
// | abi | abi/ | the host functions, as a guest calls them |
// | backends | backends/ | the module in the process of the test, or compiled to wasm |
// | drive | drive/ | the running proxy, and what a test sends through it |
// | host | host of_crate | the proxy before it runs |
// | check | check/ | assertions, scenarios and sweeps |
// | root | lib example | the crate's root, and the examples of the SDK's documentation |

mod abi;
mod backends;
mod check;
mod drive;
#[doc(hidden)]
pub mod example;
mod host;
mod model;
#[cfg(feature = "wasm")]
mod of_crate;

pub use backends::live::Counting;
#[cfg(feature = "wasm")]
pub use check::sweep::{Limited, sweep_pages};
pub use check::sweep::{SweepReport, sweep, sweep_allocations};
pub use check::traffic::{Observed, many_streams, traffic};
pub use drive::access_log::AccessLog;
pub use drive::plugin::Plugin;
pub use drive::running::RunningHost;
pub use drive::stream::HttpStream;
pub use drive::tcp::TcpConnection;
pub use host::Host;
pub use model::call::{OpenGrpc, PendingCall};
pub use model::cost::Cost;
#[cfg(feature = "wasm")]
pub use model::faults::WasiFault;
pub use model::faults::{Fault, HostCall};
pub use model::map::Map;
pub use model::property::PropertyValue;
pub use model::reply::LocalReply;
pub use model::state::LogLine;
pub use sluicegate::LogLevel;

/// Compiled modules, of this SDK and of others, on wasmtime.
#[cfg(feature = "wasm")]
pub mod wasm {
    pub use crate::backends::wasm::module::{Module, VmError};
    pub use crate::of_crate::of_crate;
}

/// Makes a function a test of each backend: `name::native`, and `name::wasm` with the feature
/// `wasm`.
///
/// The function takes a [`Host`] with the module of its crate. Natively that module is the one that
/// `plugin!` defined at the crate's root. On the wasm backend it is the crate compiled for
/// `wasm32-wasip1`. The host is not started. A clone of the host is another host.
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
/// A module that `plugin!` defined elsewhere than at the root is named in the attribute:
/// `#[sluicegate_host::test(crate::filter::PLUGIN)]`. Attributes above the function, such as
/// `#[should_panic]`, apply to the tests.
///
/// The crate is built once a process, into `guests/none` in the target folder. The variable
/// `SLUICEGATE_PROFILE` names the profile; without the variable the profile is `release`.
pub use sluicegate_macros::host_test as test;

/// Expands to its argument, a test of the wasm backend, because the wasm backend is compiled in.
#[cfg(feature = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __wasm_rung {
    ($($test:tt)*) => { $($test)* };
}

/// Expands to nothing, because the wasm backend is not compiled in.
#[cfg(not(feature = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __wasm_rung {
    ($($test:tt)*) => {};
}

#[cfg(feature = "wasm")]
#[doc(hidden)]
pub use wasm::of_crate as __of_crate;

/// The guide's chapter, whose Rust is compiled as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod guide {}
