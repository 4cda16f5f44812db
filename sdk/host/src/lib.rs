//! A simulated proxy for tests of filters: no proxy, no wasm, plain `cargo test`.
//!
//! The filter runs in the process of the test, allocates through its own allocation entry, and is driven as Envoy drives it:
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
//! Logs and their level, the clock, ticks, configurations; headers and trailers with Envoy's semantics (names in lower case, a replaced header
//! moves to the end, all repeats are removed); bodies and TCP data that are held back and go on; local responses, resuming and closing; HTTP and gRPC
//! calls that the test answers; metrics, shared data, queues, properties (those of the headers where Envoy has them, others as the test sets them, and filter
//! state); Envoy's foreign functions but those for signatures and expressions (a test adds its own); and the order of the callbacks. Every other host
//! function answers `Unimplemented`, as a poor host would. [`Running::fail`] makes a function answer with any status.

mod abi;
mod foreign;
mod host;
mod map;
mod metric;
mod property;
mod shared;
mod state;
mod stream;
mod tcp;

pub use host::{Host, Running};
pub use map::Map;
pub use property::PropertyValue;
pub use state::{LocalReply, LogLine, OpenGrpc, PendingCall};
pub use stream::HttpStream;
pub use tcp::TcpConnection;
