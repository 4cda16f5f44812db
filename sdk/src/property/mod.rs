//! Properties: the proxy's knowledge besides the headers, such as addresses, certificates, the
//! route and its own name, and the state that filters leave for each other.
//!
//! Envoy calls them
//! [attributes](https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes).
//! Each documented attribute has a function, in a module for each first segment. [`get`] reads any
//! path.
//!
//! ```
//! use sluicegate::prelude::*;
//! use sluicegate::property::{self, connection, istio, xds};
//!
//! fn describe() -> Result<()> {
//!     if let Some(address) = connection::source_address()? {
//!         info!("from {} to cluster {:?}", address.text().display(), xds::cluster_name()?);
//!     }
//!     if let Some(service) = istio::service(istio::Resource::Cluster, 0)? {
//!         info!("service {:?} in {:?}", service.name, service.namespace);
//!     }
//!     if let Some(zone) = property::get(&["xds", "node", "locality", "zone"])? {
//!         info!("in {}", zone.text().display());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! | file | contents |
//! |---|---|
//! | `value` | [`Property`], [`Value`], [`Map`], [`List`]: the encodings, checked |
//! | `table` | the macro that makes a function of a row |
//! | the others | the rows, a file for each first segment |
//!
//! # Absent properties
//!
//! Three results are different, and hosts give all of them:
//!
//! - `Ok(None)`: the proxy does not have the property, or not now.
//! - `Ok(Some(_))` of no bytes: the property is there and empty, or was never set (Envoy's
//!   `xds.route_name` for a route without a name). If a number is expected this is an error,
//!   because a number has eight bytes.
//! - An error with [`Status::SerializationFailure`]: the property is there, and the proxy cannot
//!   encode it. Ask for a part of the property, by a longer path.
//!
//! In Envoy, properties of the request (`request.path`, its headers …) can be read in the request's
//! callbacks and in `on_log`. In the response's callbacks they are gone: `None`, and no headers at
//! all. So a filter keeps the values that a callback of the response needs. Properties of the
//! response and the upstream come with the response's headers. [`request::duration`] and
//! [`response::backend_latency`] come with `on_log`.
//!
//! # Cost
//!
//! A read is one host call and one block, which the host allocates (0.8 µs in Envoy; a whole map of
//! 25 headers costs 1 µs). An absent property takes no block (0.2 µs). A write is one host call
//! that returns nothing. Paths of up to 256 bytes are put together on the stack, longer ones in a
//! block that is freed at once. The paths of the functions are fixed.

pub mod connection;
pub mod istio;
pub mod node;
pub mod request;
pub mod response;
mod table;
pub mod upstream;
mod value;
pub mod wasm;
pub mod xds;

pub use value::{List, ListIter, Map, MapIter, Property, Value};

use crate::abi::{Refused, Status, call};
use crate::buffer::Buffer;
use crate::error::{Call, Error, Result, Subject};

/// The name of a property in errors, if its path is not fixed.
const PROPERTY: Subject = Subject::Named(&"property");
const GET: Call = Call { function: "proxy_get_property", about: "property" };
const SET: Call = Call { function: "proxy_set_property", about: "property" };

/// Returns the property at a path, or `None` if there is none; see
/// [the module](self#absent-properties) for the ways in which a property may be absent.
///
/// Envoy descends maps and messages by name and lists by number:
/// `["xds", "node", "metadata", "NAME"]`.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::property;
///
/// fn example(stream: &HttpHandle<'_>) -> Result<()> {
///     let zone = property::get(&["xds", "node", "locality", "zone"])?;
///     info!("stream {} in {:?}", stream.id(), zone.as_ref().map(|zone| zone.text()));
///     Ok(())
/// }
/// # sluicegate_host::example::stream(example);
/// ```
///
/// # Errors
///
/// Fails if the path is empty, if the host refuses, or if the SDK is out of memory.
///
/// # Cost
///
/// One host call. If the property is there, one block, which the host allocates (0.8 µs in Envoy).
#[doc(alias = "GetProperty")]
#[doc(alias = "get_property")]
pub fn get<S: AsRef<[u8]>>(path: &[S]) -> Result<Option<Property>> {
    fetch_within(&[], path)
}

/// Sets a property for the filters that follow and for the access log.
///
/// Envoy keeps the property in the stream's filter state, under `wasm.` and the bytes of the path,
/// until the stream ends. A property that is set as `["tag"]` is read as `["tag"]`, or as
/// [`filter_state`]`("wasm.tag")`, and logged by `%FILTER_STATE(wasm.tag:PLAIN)%`.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::property;
///
/// fn example(stream: &HttpHandle<'_>) -> Result<()> {
///     property::set(&["tag"], format!("stream {}", stream.id()))?;
///     assert!(property::get(&["tag"])?.is_some());
///     Ok(())
/// }
/// # sluicegate_host::example::stream(example);
/// ```
///
/// # Errors
///
/// Fails without a host call if the path is empty, if it has several segments, or if it is the
/// first segment of the proxy's own attributes (`request`, `node`, `xds` …): Envoy returns Ok for
/// both, and nobody can read the value. Fails if the host refuses: with [`Status::NotFound`] if
/// there is no stream, as in the callbacks of a plugin. Fails if the SDK is out of memory.
///
/// # Cost
///
/// One host call that returns nothing. The host copies path and value.
#[doc(alias = "SetProperty")]
#[doc(alias = "set_property")]
pub fn set<S: AsRef<[u8]>>(path: &[S], value: impl AsRef<[u8]>) -> Result<()> {
    let mut joined = Buffer::new();
    join(&mut joined, path)?;
    let path = joined.written();
    settable(path)?;
    set_at(path, value.as_ref())
}

/// Sets a property at any path, for hosts that keep values at paths of several segments, or that
/// let filters set attributes of their own. Envoy returns Ok for such paths and loses the value:
/// use [`set`] there.
///
/// # Errors
///
/// Fails if the path is empty, if the host refuses, or if the SDK is out of memory.
///
/// # Cost
///
/// The cost of [`set`].
pub fn set_unchecked<S: AsRef<[u8]>>(path: &[S], value: impl AsRef<[u8]>) -> Result<()> {
    let mut joined = Buffer::new();
    join(&mut joined, path)?;
    set_at(joined.written(), value.as_ref())
}

/// Sets the property at a path that is in the form of the ABI.
fn set_at(path: &[u8], value: &[u8]) -> Result<()> {
    call::set_property(path, value).map_err(|status| Error::named(&SET, path, status, &""))
}

/// The first segments of Envoy's own attributes. A read of such a path does not find a property
/// that was set there.
const ATTRIBUTES: [&[u8]; 23] = [
    b"cluster_metadata",
    b"cluster_name",
    b"connection",
    b"connection_id",
    b"destination",
    b"filter_state",
    b"listener_direction",
    b"listener_metadata",
    b"metadata",
    b"node",
    b"plugin_name",
    b"plugin_root_id",
    b"plugin_vm_id",
    b"request",
    b"response",
    b"route_metadata",
    b"route_name",
    b"source",
    b"upstream",
    b"upstream_filter_state",
    b"upstream_host_metadata",
    b"wasm",
    b"xds",
];

/// Checks that a property at this path, in the form of the ABI, could be read back.
///
/// # Errors
///
/// Fails if it could not.
fn settable(path: &[u8]) -> Result<()> {
    if path.contains(&0) {
        return Err(Error::not_asked(&SET, path, &"a value at a path of several segments could not be read back"));
    }
    if ATTRIBUTES.contains(&path) {
        return Err(Error::not_asked(&SET, path, &"an attribute of the proxy cannot be set"));
    }
    Ok(())
}

/// Returns a value of the stream's filter state, by the proxy's name for it, or `None` if there is
/// none. The names of values that [`set`] left begin with `wasm.`.
///
/// # Errors
///
/// Fails if the host refuses: with [`Status::SerializationFailure`] if the object cannot be
/// encoded. Fails if the SDK is out of memory.
///
/// # Cost
///
/// The cost of [`get`].
pub fn filter_state(name: impl AsRef<[u8]>) -> Result<Option<Property>> {
    fetch_within(b"filter_state", &[name])
}

/// Returns a value of the filter state of the connection to the upstream, or `None` if there is
/// none.
///
/// # Errors
///
/// Fails as [`filter_state`] does.
///
/// # Cost
///
/// The cost of [`get`].
pub fn upstream_filter_state(name: impl AsRef<[u8]>) -> Result<Option<Property>> {
    fetch_within(b"upstream_filter_state", &[name])
}

/// Returns a value of the stream's dynamic metadata, or `None` if there is none. The path is the
/// name space of the filter that set the value, and then the way into its maps and lists.
///
/// # Errors
///
/// Fails as [`get`] does.
///
/// # Cost
///
/// The cost of [`get`].
pub fn metadata<S: AsRef<[u8]>>(path: &[S]) -> Result<Option<Property>> {
    fetch_within(b"metadata\0filter_metadata", path)
}

/// Reads a property whose path is in the form of the ABI.
fn fetch(name: Subject, path: &[u8]) -> Result<Option<Property>> {
    match call::property(path) {
        Ok(bytes) => Ok(Some(Property::new(name, bytes))),
        Err(Refused::Status(Status::NotFound)) => Ok(None),
        Err(refused) => Err(Error::host("proxy_get_property", name, refused)),
    }
}

/// Reads a property that has another path on older hosts.
fn fetch_renamed(name: Subject, path: &[u8], old: &[u8]) -> Result<Option<Property>> {
    match fetch(name, path)? {
        None => fetch(name, old),
        found => Ok(found),
    }
}

/// Reads a property whose path has no first segment `xds` on older hosts.
fn fetch_xds(name: Subject, path: &[u8]) -> Result<Option<Property>> {
    fetch_renamed(name, path, path.strip_prefix(b"xds\0").unwrap_or_default())
}

/// Reads a property at a path within an outer path, which is in the form of the ABI.
fn fetch_within<S: AsRef<[u8]>>(outer: &[u8], path: &[S]) -> Result<Option<Property>> {
    let mut joined = Buffer::new();
    if !outer.is_empty() {
        joined.append(outer)?;
        joined.append(b"\0")?;
    }
    join(&mut joined, path)?;
    let path = joined.written();
    match call::property(path) {
        Ok(bytes) => Ok(Some(Property::new(PROPERTY, bytes))),
        Err(Refused::Status(Status::NotFound)) => Ok(None),
        Err(refused) => Err(Error::named(&GET, path, refused, &"")),
    }
}

/// Appends a path in the form of the ABI: a zero byte between the segments, and none after the
/// last.
///
/// # Errors
///
/// Fails if the path is empty, or if the SDK is out of memory.
fn join<S: AsRef<[u8]>>(joined: &mut Buffer, path: &[S]) -> Result<()> {
    let Some((first, rest)) = path.split_first() else { return Err(Error::new("the path of a property is empty")) };
    joined.append(first.as_ref())?;
    for segment in rest {
        joined.append(b"\0")?;
        joined.append(segment.as_ref())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(path: &[&str]) -> Result<alloc::vec::Vec<u8>> {
        let mut buffer = Buffer::new();
        join(&mut buffer, path)?;
        Ok(buffer.written().to_vec())
    }

    #[test]
    fn segments_are_joined_by_one_zero_byte() {
        assert_eq!(joined(&["path", "to", "a"]).unwrap(), b"path\0to\0a");
        assert_eq!(joined(&["a", "b"]).unwrap(), b"a\0b");
        assert_eq!(joined(&["a"]).unwrap(), b"a");
        assert_eq!(joined(&["", ""]).unwrap(), b"\0");
        assert_eq!(joined(&["x".repeat(200).as_str(); 3]).unwrap().len(), 602);
        assert_eq!(alloc::format!("{}", joined(&[]).unwrap_err()), "the path of a property is empty");
    }
}
