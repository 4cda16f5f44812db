//! Properties of the request. In Envoy they can be read in the request's callbacks and in `on_log`,
//! not in the response's callbacks.

use super::table::properties;
use super::{Property, fetch_within};
use crate::error::Result;

properties! {
    /// Returns the path with its query.
    #[doc(alias = "GetRequestPath")]
    text path = "request"."path";
    /// Returns the path without its query.
    #[doc(alias = "GetRequestUrlPath")]
    text url_path = "request"."url_path";
    /// Returns the query of the path, without its question mark.
    #[doc(alias = "GetRequestQuery")]
    text query = "request"."query";
    /// Returns the host, from `:authority` or `host`.
    #[doc(alias = "GetRequestHost")]
    text host = "request"."host";
    /// Returns the scheme, as `http`.
    #[doc(alias = "GetRequestScheme")]
    text scheme = "request"."scheme";
    /// Returns the method.
    #[doc(alias = "GetRequestMethod")]
    text method = "request"."method";
    /// Returns the protocol, as `HTTP/1.1`.
    #[doc(alias = "GetRequestProtocol")]
    text protocol = "request"."protocol";
    /// Returns the header `x-request-id`.
    #[doc(alias = "GetRequestId")]
    text id = "request"."id";
    /// Returns the header `referer`.
    #[doc(alias = "GetRequestReferer")]
    text referer = "request"."referer";
    /// Returns the header `user-agent`.
    #[doc(alias = "GetRequestUserAgent")]
    text user_agent = "request"."useragent";
    /// Returns all headers, in no order. Envoy joins the values of a repeated header with commas.
    /// If there is a handle of the request's headers, reading from the handle is cheaper.
    #[doc(alias = "GetRequestHeaders")]
    map headers = "request"."headers";
    /// Returns the time when the first byte came, as the time since the Unix epoch.
    #[doc(alias = "GetRequestTime")]
    time time = "request"."time";
    /// Returns the duration of the whole stream. Envoy knows it in `on_log`.
    #[doc(alias = "GetRequestDuration")]
    duration duration = "request"."duration";
    /// Returns the number of bytes of the body, as `content-length` announces it, or as they have
    /// come.
    #[doc(alias = "GetRequestSize")]
    u64 size = "request"."size";
    /// Returns the number of bytes of headers, body and trailers.
    #[doc(alias = "GetRequestTotalSize")]
    u64 total_size = "request"."total_size";
    /// Returns the number of bytes of the headers. Envoy 1.36 does not have it.
    u64 headers_bytes = "request"."headers_bytes";
}

/// Returns a header, by its name in lower case, or `None` if there is none. If there is a handle of
/// the request's headers, reading from the handle is cheaper.
///
/// # Errors
///
/// Fails if the host refuses, or if the SDK is out of memory.
///
/// # Cost
///
/// One host call. If the header is there, one block, which the host allocates.
pub fn header(name: impl AsRef<[u8]>) -> Result<Option<Property>> {
    fetch_within(b"request\0headers", &[name])
}
