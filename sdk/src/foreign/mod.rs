//! Functions that a host offers by name, beyond the ABI: those that Envoy has, and [`call`] for any
//! other.
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
//! | `expression` | [`Expression`]: CEL |
//! | `message` | as much of protobuf as their arguments and answers take |
//!
//! A host that does not have a function answers [`Status::NotFound`](crate::Status::NotFound):
//! other hosts have none of these, and older Envoys not all.
//!
//! # When memory is out
//!
//! **Envoy's functions that return bytes do not look whether the guest gave them a block.** If the
//! guest is out of memory, Envoy 1.40 writes to null, and the process ends with all its
//! connections. So each call here first makes sure, at the allocation entry that the host will ask,
//! that there is room for the answer. If there is none, the call fails before the host is asked.
//! The typed functions know how large an answer can be. For [`call`] and [`uncompress`] the caller
//! says so. No budget refuses a block that a function asks for while it runs.
//!
//! # Cost
//!
//! One host call, which in Envoy looks up the name in a map; what the function does; and one block
//! of the host's if it answers bytes. A block of the answer's largest size is allocated before, not
//! written to, and freed at once. The arguments of those that take a protobuf message are put
//! together first: up to 256 bytes on the stack, more in a block that is freed at once.

mod expression;
mod message;
mod signature;
mod state;

pub use expression::Expression;
pub use signature::{Key, Signature, Verification, sign, verify_signature};
pub use state::{Declaration, LifeSpan, declare_property, set_envoy_filter_state};

use crate::abi::{HostBytes, call as abi};
use crate::error::{Error, On, Result};

/// Calls the function of this name; what the arguments and the answer are is between the two.
///
/// `room` is how many bytes the function may return, 0 for a function that returns none. **A larger
/// answer is not refused**: [without memory for it](self#when-memory-is-out) the proxy ends.
///
/// # Errors
///
/// Fails before the host is called if there is no room for `room` bytes: the error [is out of
/// memory](Error::is_out_of_memory). Fails if the host does not have the function
/// ([`Status::NotFound`](crate::Status::NotFound)), or the function fails.
///
/// # Cost
///
/// One host call, the function's work, and one block of the host's if it returns bytes. A block of
/// `room` bytes is allocated before, not written to, and freed at once.
#[doc(alias = "CallForeignFunction")]
#[doc(alias = "call_foreign_function")]
pub fn call(name: impl AsRef<[u8]>, arguments: impl AsRef<[u8]>, room: usize) -> Result<HostBytes> {
    call_named(On::Named(&"foreign function"), name.as_ref(), arguments.as_ref(), room)
}

/// Calls a function whose answer is no larger than `room`; none is made sure of for 0.
fn call_named(on: On, name: &[u8], arguments: &[u8], room: usize) -> Result<HostBytes> {
    if room != 0 && !abi::has_room(room) {
        return Err(Error::out_of_memory(room));
    }
    abi::foreign_function(name, arguments).map_err(|refused| Error::host("proxy_call_foreign_function", on, refused))
}

/// Returns the bytes compressed, in zlib's format.
///
/// # Errors
///
/// Fails as [`call`] does.
///
/// # Cost
///
/// As [`call`]; the proxy compresses at zlib's usual level, on the worker's thread.
pub fn compress(bytes: impl AsRef<[u8]>) -> Result<HostBytes> {
    let bytes = bytes.as_ref();
    // Over zlib's own bound, which is the size and little more than a 4096th of it.
    let room = bytes.len().saturating_add(bytes.len() / 1024).saturating_add(64);
    call_named(On::Named(&"foreign function compress"), b"compress", bytes, room)
}

/// Returns the bytes that were compressed in zlib's format.
///
/// It is an error if there is no room for `room` bytes, which the caller expects at the most.
/// **That does not bound the answer**: a few bytes may become a thousand times as many, in the
/// proxy and then in the guest, and [when the SDK is out of memory](self#when-memory-is-out) the
/// proxy is lost. Never uncompress what a client sent.
///
/// # Errors
///
/// As [`call`], with [`Status::SerializationFailure`](crate::Status::SerializationFailure) if it is
/// not zlib's format.
///
/// # Cost
///
/// As [`call`]; the proxy starts over with twice the room until the answer fits.
pub fn uncompress(bytes: impl AsRef<[u8]>, room: usize) -> Result<HostBytes> {
    call_named(On::Named(&"foreign function uncompress"), b"uncompress", bytes.as_ref(), room)
}

/// Makes the proxy choose the route anew, with the headers as they are now. In the request's
/// headers callback.
///
/// # Errors
///
/// Fails as [`call`] does.
///
/// # Cost
///
/// One host call that gives nothing back; the proxy matches the routes again when it needs one.
#[doc(alias = "proxy_clear_route_cache")]
pub fn clear_route_cache() -> Result<()> {
    // A host function of its own in ABI 0.1.0.
    #[cfg(feature = "abi-0-1-0")]
    return abi::clear_route_cache().map_err(|status| Error::host("proxy_clear_route_cache", On::Nothing, status));
    #[cfg(not(feature = "abi-0-1-0"))]
    call_named(On::Named(&"foreign function clear_route_cache"), b"clear_route_cache", b"", 0).map(drop)
}
