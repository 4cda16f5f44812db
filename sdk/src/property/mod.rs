//! What the proxy knows beside the headers: addresses, certificates, the route, its own name; and
//! the state that filters leave for each other.
//!
//! Envoy calls them
//! [attributes](https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes).
//! Each that it documents has a function, in a module for each first segment; [`get`] reads any
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
//! | file | holds |
//! |---|---|
//! | `value` | [`Property`], [`Value`], [`Map`], [`List`]: the encodings, checked |
//! | `table` | the macro that makes a function of a row |
//! | the others | the rows, a file for each first segment |
//!
//! # What is not there
//!
//! Three answers are not the same, and hosts give all of them:
//!
//! - `Ok(None)`: the proxy does not have it, or not now.
//! - `Ok(Some(_))` of no bytes: it is there and empty, or was never set (Envoy's `xds.route_name`
//!   for a route without a name). Where a number is expected this is an error, as a number has
//!   eight bytes.
//! - An error with [`Status::SerializationFailure`]: it is there, and the proxy cannot put it into
//!   bytes. Ask for a part of it, by a longer path.
//!
//! In Envoy, what belongs to the request (`request.path`, its headers …) can be read in the
//! request's callbacks and in `on_log`, and is gone in the response's: `None`, and no headers at
//! all. What a response's callback needs is kept in the filter. What belongs to the response and
//! the upstream comes with the response's headers; [`request::duration`] and
//! [`response::backend_latency`] come with `on_log`.
//!
//! # Cost
//!
//! One host call and one block of the host's for each read (0.7 µs in Envoy; a whole map of 25
//! headers costs 1 µs); an absent one brings no block. A write is one host call that gives nothing
//! back. Paths of up to 256 bytes are put together on the stack, longer ones in a block that is
//! freed at once; those of the functions are fixed.

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
use crate::error::{Call, Error, On, Result};

/// How errors call a property whose path is not fixed.
const PROPERTY: On = On::Named(&"property");
const GET: Call = Call { function: "proxy_get_property", about: "property" };
const SET: Call = Call { function: "proxy_set_property", about: "property" };

/// Returns the property at a path; see [the module](self#what-is-not-there) for the ways in which
/// there may be none.
///
/// Envoy descends maps and messages by name and lists by number:
/// `["xds", "node", "metadata", "NAME"]`.
///
/// # Errors
///
/// Fails if the path is empty, the host refuses, or the SDK is out of memory.
///
/// # Cost
///
/// One host call, and one block of the host's if it is there (0.7 µs in Envoy).
#[doc(alias = "GetProperty")]
#[doc(alias = "get_property")]
pub fn get<S: AsRef<[u8]>>(path: &[S]) -> Result<Option<Property>> {
    fetch_within(&[], path)
}

/// Sets a property for the filters that follow and for the access log.
///
/// Envoy keeps it in the stream's filter state, under `wasm.` and the bytes of the path, until the
/// stream ends. What is set as `["tag"]` is read as `["tag"]`, or as
/// [`filter_state`]`("wasm.tag")`, and logged by `%FILTER_STATE(wasm.tag:PLAIN)%`.
///
/// # Errors
///
/// Fails if the path is empty; if it has several segments, or begins as the proxy's own attributes
/// do (`request`, `node`, `xds` …), because Envoy answers Ok to both and nobody can read the value;
/// if the host refuses (with [`Status::NotFound`] where there is no stream, as in the callbacks of
/// a plugin); or out of memory.
///
/// # Cost
///
/// One host call that gives nothing back; the host copies both.
#[doc(alias = "SetProperty")]
#[doc(alias = "set_property")]
pub fn set<S: AsRef<[u8]>>(path: &[S], value: impl AsRef<[u8]>) -> Result<()> {
    let mut joined = Buffer::new();
    join(&mut joined, path)?;
    let path = joined.written();
    settable(path)?;
    set_at(path, value.as_ref())
}

/// Sets a property at any path, for hosts that keep values at paths of several segments, or let
/// filters set attributes of their own. Envoy answers Ok to those and loses the value: use [`set`]
/// there.
///
/// # Errors
///
/// Fails if the path is empty, the host refuses, or out of memory.
///
/// # Cost
///
/// The cost of [`set`].
pub fn set_unchecked<S: AsRef<[u8]>>(path: &[S], value: impl AsRef<[u8]>) -> Result<()> {
    let mut joined = Buffer::new();
    join(&mut joined, path)?;
    set_at(joined.written(), value.as_ref())
}

/// Sets the property at a path that is in the ABI's form already.
fn set_at(path: &[u8], value: &[u8]) -> Result<()> {
    call::set_property(path, value).map_err(|status| Error::named(&SET, path, status, &""))
}

/// The first segments of Envoy's own attributes: a property that was set under one of these is not
/// what a read of it finds.
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

/// Fails if a property at this path, in the ABI's form, could not be read back.
fn settable(path: &[u8]) -> Result<()> {
    if path.contains(&0) {
        return Err(Error::not_asked(&SET, path, &"what is set at a path of several segments cannot be read back"));
    }
    if ATTRIBUTES.contains(&path) {
        return Err(Error::not_asked(&SET, path, &"an attribute of the proxy's cannot be set"));
    }
    Ok(())
}

/// Returns a value of the stream's filter state, by the name that the proxy has for it: those that
/// [`set`] left begin with `wasm.`.
///
/// # Errors
///
/// Fails if the host refuses (with [`Status::SerializationFailure`] if the object has no form in
/// bytes), or the SDK is out of memory.
///
/// # Cost
///
/// The cost of [`get`].
pub fn filter_state(name: impl AsRef<[u8]>) -> Result<Option<Property>> {
    fetch_within(b"filter_state", &[name])
}

/// Returns a value of the filter state of the connection to the upstream.
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

/// Returns a value of the stream's dynamic metadata: the name space of the filter that set it, then
/// the way into its maps and lists.
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

/// Reads a property whose path is in the ABI's form already.
fn fetch(name: On, path: &[u8]) -> Result<Option<Property>> {
    match call::property(path) {
        Ok(bytes) => Ok(Some(Property::new(name, bytes))),
        Err(Refused::Status(Status::NotFound)) => Ok(None),
        Err(refused) => Err(Error::host("proxy_get_property", name, refused)),
    }
}

/// Reads a property that has another path on older hosts.
fn fetch_renamed(name: On, path: &[u8], old: &[u8]) -> Result<Option<Property>> {
    match fetch(name, path)? {
        None => fetch(name, old),
        found => Ok(found),
    }
}

/// Reads a property that older hosts have without the first segment, `xds`.
fn fetch_xds(name: On, path: &[u8]) -> Result<Option<Property>> {
    fetch_renamed(name, path, path.strip_prefix(b"xds\0").unwrap_or_default())
}

/// Reads a property at a path within a path that is in the ABI's form already.
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

/// Appends a path in the ABI's form: a zero byte between the segments, none after the last.
fn join<S: AsRef<[u8]>>(joined: &mut Buffer, path: &[S]) -> Result<()> {
    let Some((first, rest)) = path.split_first() else { return Err(Error::new("path must not be empty")) };
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
        assert_eq!(alloc::format!("{}", joined(&[]).unwrap_err()), "path must not be empty");
    }
}
