//! Functions that a host offers by name, beyond the ABI: those that Envoy has, and [`call`] for any other.
//!
//! ```
//! use sluicegate::foreign::{self, LifeSpan};
//! use sluicegate::prelude::*;
//!
//! #[derive(Default)]
//! struct Steer;
//!
//! #[sluicegate::http_filter]
//! impl HttpFilter for Steer {
//!     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
//!         request.replace("x-tenant", "a")?;
//!         foreign::clear_route_cache()?; // the route is chosen anew, with the new header
//!         foreign::set_envoy_filter_state("envoy.network.upstream_server_name", "a.example", LifeSpan::Request)?;
//!         Ok(Action::Continue)
//!     }
//! }
//! # sluicegate::plugin!(http: Steer);
//! # fn main() {}
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `state` | filter state: [`set_envoy_filter_state`], [`declare_property`] |
//! | `signature` | [`verify_signature`], [`sign`] |
//! | `message` | as much of protobuf as their arguments and answers take |
//!
//! A host that does not have a function answers [`Status::NotFound`](crate::Status::NotFound): other hosts have none of these, and older Envoys not all.
//!
//! # When memory is out
//!
//! **Envoy's functions that answer bytes do not look whether the guest gave them a block.** If memory is out in the guest, Envoy itself writes to null.
//! So keep what they answer small: above all, [`uncompress`] nothing whose size a client chose.
//!
//! # Cost
//!
//! One host call, which in Envoy looks up the name in a map; what the function does; and one block of the host's if it answers bytes. The arguments of
//! those that take a protobuf message are put together first: up to 256 bytes on the stack, more in a block that is freed at once.

mod message;
mod signature;
mod state;

pub use signature::{Key, Signature, Verification, sign, verify_signature};
pub use state::{Declaration, LifeSpan, declare_property, set_envoy_filter_state};

use crate::abi::{HostBytes, call as abi};
use crate::error::{Error, On, Result};

/// Calls the function of this name; what the arguments and the answer are is between the two.
///
/// # Errors
///
/// If the host does not have the function ([`Status::NotFound`](crate::Status::NotFound)), the function fails, or memory is out.
///
/// # Cost
///
/// One host call, what the function does, and one block of the host's if it answers bytes.
#[doc(alias = "CallForeignFunction")]
#[doc(alias = "call_foreign_function")]
pub fn call(name: impl AsRef<[u8]>, arguments: impl AsRef<[u8]>) -> Result<HostBytes> {
    call_named(On::Named(&"foreign function"), name.as_ref(), arguments.as_ref())
}

fn call_named(on: On, name: &[u8], arguments: &[u8]) -> Result<HostBytes> {
    abi::foreign_function(name, arguments).map_err(|refused| Error::refused("proxy_call_foreign_function", on, refused))
}

/// The bytes compressed, in zlib's format.
///
/// # Errors
///
/// As [`call`].
///
/// # Cost
///
/// As [`call`]; the proxy compresses at zlib's usual level, on the worker's thread.
pub fn compress(bytes: impl AsRef<[u8]>) -> Result<HostBytes> {
    call_named(On::Named(&"foreign function compress"), b"compress", bytes.as_ref())
}

/// The bytes that were compressed in zlib's format.
///
/// A few bytes may become a thousand times as many, in the proxy and then in the guest, and nothing bounds it; see [the module](self#when-memory-is-out).
///
/// # Errors
///
/// As [`call`], with [`Status::SerializationFailure`](crate::Status::SerializationFailure) if it is not zlib's format.
///
/// # Cost
///
/// As [`call`]; the proxy starts over with twice the room until the answer fits.
pub fn uncompress(bytes: impl AsRef<[u8]>) -> Result<HostBytes> {
    call_named(On::Named(&"foreign function uncompress"), b"uncompress", bytes.as_ref())
}

/// Makes the proxy choose the route anew, with the headers as they are now. In the request's headers callback.
///
/// # Errors
///
/// As [`call`].
///
/// # Cost
///
/// One host call that gives nothing back; the proxy matches the routes again when it needs one.
#[doc(alias = "proxy_clear_route_cache")]
pub fn clear_route_cache() -> Result<()> {
    call_named(On::Named(&"foreign function clear_route_cache"), b"clear_route_cache", b"").map(drop)
}
