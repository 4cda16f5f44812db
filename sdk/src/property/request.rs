//! What belongs to the request. In Envoy it can be read in the request's callbacks and in `on_log`,
//! not in the response's.

use super::table::properties;
use super::{Property, fetch_within};
use crate::error::Result;

properties! {
    /// The path with its query.
    #[doc(alias = "GetRequestPath")]
    text path = "request"."path";
    /// The path without its query.
    #[doc(alias = "GetRequestUrlPath")]
    text url_path = "request"."url_path";
    /// The query of the path, without its question mark.
    #[doc(alias = "GetRequestQuery")]
    text query = "request"."query";
    /// The host, from `:authority` or `host`.
    #[doc(alias = "GetRequestHost")]
    text host = "request"."host";
    /// The scheme, as `http`.
    #[doc(alias = "GetRequestScheme")]
    text scheme = "request"."scheme";
    /// The method.
    #[doc(alias = "GetRequestMethod")]
    text method = "request"."method";
    /// The protocol, as `HTTP/1.1`.
    #[doc(alias = "GetRequestProtocol")]
    text protocol = "request"."protocol";
    /// The header `x-request-id`.
    #[doc(alias = "GetRequestId")]
    text id = "request"."id";
    /// The header `referer`.
    #[doc(alias = "GetRequestReferer")]
    text referer = "request"."referer";
    /// The header `user-agent`.
    #[doc(alias = "GetRequestUserAgent")]
    text user_agent = "request"."useragent";
    /// All headers, in no order; Envoy joins the values of a repeated one with commas. Where there
    /// is a handle of the request's headers, that is the cheaper way.
    #[doc(alias = "GetRequestHeaders")]
    map headers = "request"."headers";
    /// When the first byte came, as the time since the Unix epoch.
    #[doc(alias = "GetRequestTime")]
    time time = "request"."time";
    /// How long the whole stream took; known in `on_log`.
    #[doc(alias = "GetRequestDuration")]
    duration duration = "request"."duration";
    /// The bytes of the body: what `content-length` says, or what has come.
    #[doc(alias = "GetRequestSize")]
    u64 size = "request"."size";
    /// The bytes of headers, body and trailers.
    #[doc(alias = "GetRequestTotalSize")]
    u64 total_size = "request"."total_size";
    /// The bytes of the headers.
    u64 headers_bytes = "request"."headers_bytes";
}

/// Returns a header, by its name in lower case. Where there is a handle of the request's headers,
/// that is the cheaper way.
///
/// # Errors
///
/// Fails if the host refuses, or the SDK is out of memory.
///
/// # Cost
///
/// One host call, and one block of the host's if it is there.
pub fn header(name: impl AsRef<[u8]>) -> Result<Option<Property>> {
    fetch_within(b"request\0headers", &[name])
}
