//! Conversions from and to the types of the `http` crate, with the feature `http`.
//!
//! The types of the `http` crate need the standard library and own their contents. So each
//! conversion copies, unlike the views of this crate. The conversions are for filters that pass
//! headers to code that needs these types. In the other direction no copy is needed: names, values
//! and statuses of `http` are accepted where this crate takes names and values.
//!
//! ```
//! # use sluicegate::prelude::*;
//! fn pass_on(request: &mut RequestHeaders<'_>) -> Result<()> {
//!     let parts = sluicegate::http::request(request.snapshot()?)?;
//!     let mut headers = parts.headers;
//!     headers.insert("x-scheme", http::HeaderValue::from_static("secure"));
//!     for (name, value) in &headers {
//!         request.replace(name, value)?;
//!     }
//!     request.replace_all(&sluicegate::http::request_pairs(&parts.method, &parts.uri, &headers))
//! }
//! ```

use alloc::vec::Vec;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, request, response};

use crate::error::{Error, Result};
use crate::{ByteStr, ToValue};

/// Converts a header map: all headers but the pseudo-headers, in order, repeats included.
///
/// # Errors
///
/// Fails if the `http` crate does not accept a name or a value, for example a control character in
/// a value.
///
/// # Cost
///
/// A copy of each name that is not well known, and of each value.
pub fn headers(map: &crate::HeaderMap) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in map.iter().filter(|(name, _)| !name.starts_with(b":")) {
        let name = HeaderName::from_bytes(&name).map_err(Error::other)?;
        let value = HeaderValue::from_bytes(&value).map_err(Error::other)?;
        headers.try_append(name, value).map_err(Error::other)?;
    }
    Ok(headers)
}

/// Converts the headers of a request into its method, URI and headers. The URI has scheme and
/// authority if the map has both, and the path alone otherwise.
///
/// # Errors
///
/// Fails as [`headers`] does, and if there is no method or no URI.
///
/// # Cost
///
/// The cost of [`headers`].
pub fn request(map: &crate::HeaderMap) -> Result<request::Parts> {
    let get = |name| map.get(name).unwrap_or_default().as_bytes();
    let mut uri = Uri::builder().path_and_query(get(":path"));
    if let (Some(scheme), Some(authority)) = (map.get(":scheme"), map.get(":authority")) {
        uri = uri.scheme(scheme.as_bytes()).authority(authority.as_bytes());
    }
    let uri = uri.build().map_err(Error::other)?;
    let request = http::Request::builder().method(get(":method")).uri(uri).body(()).map_err(Error::other)?;
    let (mut parts, ()) = request.into_parts();
    parts.headers = headers(map)?;
    Ok(parts)
}

/// Converts the headers of a response into its status and headers.
///
/// # Errors
///
/// Fails as [`headers`] does, and if there is no status.
///
/// # Cost
///
/// The cost of [`headers`].
pub fn response(map: &crate::HeaderMap) -> Result<response::Parts> {
    let status = StatusCode::from_bytes(&map.get(":status").unwrap_or_default()).map_err(Error::other)?;
    let (mut parts, ()) = http::Response::builder().status(status).body(()).map_err(Error::other)?.into_parts();
    parts.headers = headers(map)?;
    Ok(parts)
}

/// Returns headers as pairs, for [`LocalResponse::headers`](crate::LocalResponse::headers),
/// [`HttpCall::headers`](crate::callout::HttpCall::headers) and
/// [`replace_all`](crate::Headers::replace_all).
#[must_use]
pub fn pairs(headers: &HeaderMap) -> Vec<(ByteStr<'_>, ByteStr<'_>)> {
    headers.iter().map(|(name, value)| (ByteStr::from(name.as_str()), ByteStr::new(value.as_bytes()))).collect()
}

/// Returns method, URI and headers as pairs, with the pseudo-headers in front.
#[must_use]
pub fn request_pairs(method: &Method, uri: &Uri, headers: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut all = alloc::vec![(":method", method.as_str()), (":path", path)];
    all.extend(uri.scheme_str().map(|scheme| (":scheme", scheme)));
    all.extend(uri.authority().map(|authority| (":authority", authority.as_str())));
    let pseudo = all.into_iter().map(|(name, value)| (name.into(), value.into()));
    pseudo.chain(pairs(headers).into_iter().map(|(name, value)| (name.to_vec(), value.to_vec()))).collect()
}

impl ToValue for HeaderValue {
    fn with_value<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        with(self.as_bytes())
    }
}

impl ToValue for StatusCode {
    fn with_value<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        with(self.as_str().as_bytes())
    }
}
