//! Functions that a host offers by name, beyond the ABI: Envoy's functions, and [`call`] for any
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
//! | file | contents |
//! |---|---|
//! | `state` | filter state: [`set_envoy_filter_state`], [`declare_property`] |
//! | `signature` | [`verify_signature`], [`sign`] |
//! | `expression` | [`Expression`]: CEL |
//! | `message` | the part of protobuf that their arguments and results need |
//!
//! A host that does not have a function returns [`Status::NotFound`](crate::Status::NotFound).
//! Other hosts have none of these functions, and older Envoys lack some.
//!
//! # Out of memory
//!
//! **Envoy's functions that return bytes do not check that the guest gave them a block.** If the
//! guest is out of memory, Envoy 1.40 writes to null, and the process ends with all its
//! connections. So each call here first checks that there is room for the result, at the allocation
//! entry that the host will call. If there is no room, the call fails without a host call. The
//! typed functions know how large a result can be. For [`call`] and [`uncompress`] the caller gives
//! the size. No budget refuses a block that a function asks for while it runs.
//!
//! # Cost
//!
//! One host call, which in Envoy looks up the name in a map; the work of the function; and one
//! block, which the host allocates, if the function returns bytes. A block of the largest size of
//! the result is allocated before, not written to, and freed at once. The arguments of a function
//! that takes a protobuf message are put together first: up to 256 bytes on the stack, more in a
//! block that is freed at once.

mod expression;
mod message;
mod signature;
mod state;

pub use expression::Expression;
pub use signature::{Key, Signature, Verification, sign, verify_signature};
pub use state::{Declaration, LifeSpan, declare_property, set_envoy_filter_state};

use crate::abi::{HostBytes, call as abi};
use crate::error::{Error, Result, Subject};

/// Calls the function of this name. The function defines the meaning of the arguments and the
/// result.
///
/// `room` is the number of bytes that the function may return, 0 for a function that returns none.
/// **A larger result is not refused**: [without memory for it](self#out-of-memory) the proxy ends.
///
/// # Errors
///
/// Fails without a host call if there is no room for `room` bytes: the error
/// [is out of memory](Error::is_out_of_memory). Fails if the host does not have the function
/// ([`Status::NotFound`](crate::Status::NotFound)), or if the function fails.
///
/// # Cost
///
/// One host call, the function's work, and one block, which the host allocates, if the function
/// returns bytes. A block of `room` bytes is allocated before, not written to, and freed at once.
#[doc(alias = "CallForeignFunction")]
#[doc(alias = "call_foreign_function")]
pub fn call(name: impl AsRef<[u8]>, arguments: impl AsRef<[u8]>, room: usize) -> Result<HostBytes> {
    call_named(Subject::Named(&"foreign function"), name.as_ref(), arguments.as_ref(), room)
}

/// Calls a function whose result is no larger than `room`. With 0, no room is checked.
fn call_named(on: Subject, name: &[u8], arguments: &[u8], room: usize) -> Result<HostBytes> {
    if room != 0 && !abi::has_room(room) {
        return Err(Error::out_of_memory(room));
    }
    abi::foreign_function(name, arguments).map_err(|refused| Error::host("proxy_call_foreign_function", on, refused))
}

/// Compresses bytes, and returns them in zlib's format.
///
/// # Errors
///
/// Fails as [`call`] does.
///
/// # Cost
///
/// The cost of [`call`]. The proxy compresses at zlib's usual level, on the worker's thread.
pub fn compress(bytes: impl AsRef<[u8]>) -> Result<HostBytes> {
    let bytes = bytes.as_ref();
    // The room is above zlib's own bound, which is the size and little more than a 4096th of it.
    let room = bytes.len().saturating_add(bytes.len() / 1024).saturating_add(64);
    call_named(Subject::Named(&"foreign function compress"), b"compress", bytes, room)
}

/// Uncompresses bytes in zlib's format, and returns the result.
///
/// `room` is the largest size that the caller expects. The call fails if there is no room for it.
/// **This does not bound the result**: a few bytes may become a thousand times as many, in the
/// proxy and then in the guest. [If the SDK is out of memory](self#out-of-memory) the proxy ends.
/// Never uncompress bytes that a client sent.
///
/// # Errors
///
/// Fails as [`call`] does, with
/// [`Status::SerializationFailure`](crate::Status::SerializationFailure) if the bytes are not in
/// zlib's format.
///
/// # Cost
///
/// The cost of [`call`]. The proxy starts over with twice the room until the result fits.
pub fn uncompress(bytes: impl AsRef<[u8]>, room: usize) -> Result<HostBytes> {
    call_named(Subject::Named(&"foreign function uncompress"), b"uncompress", bytes.as_ref(), room)
}

/// Makes the proxy choose the route again, with the headers as they are now. Call this in the
/// request's headers callback.
///
/// # Errors
///
/// Fails as [`call`] does.
///
/// # Cost
///
/// One host call that returns nothing. The proxy matches the routes again when it needs a route.
#[doc(alias = "proxy_clear_route_cache")]
pub fn clear_route_cache() -> Result<()> {
    // In ABI 0.1.0 this is a host function of its own.
    #[cfg(feature = "abi-0-1-0")]
    return abi::clear_route_cache().map_err(|status| Error::host("proxy_clear_route_cache", Subject::Nothing, status));
    #[cfg(not(feature = "abi-0-1-0"))]
    call_named(Subject::Named(&"foreign function clear_route_cache"), b"clear_route_cache", b"", 0).map(drop)
}
