//! The headers and trailers that a stream and an entry of the access log can read.

use super::Handle;
use crate::HostBytes;
use crate::abi::MapType;
use crate::error::Result;
use crate::headers::{HeaderMap, fetch, fetch_value};
use crate::owner::Exchange;

/// The headers and trailers of an HTTP stream, or of an entry of the access log.
impl<K: Exchange, A> Handle<'_, K, A> {
    /// Returns the request's headers, as they are now.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn log(stream: &HttpHandle<'_>) -> Result<()> {
    ///     if let Some(path) = stream.request_headers()?.get(":path") {
    ///         info!("{} is over", path.display());
    ///     }
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::stream(|stream| log(stream));
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, if the host sends bytes that are not a header map, or if the
    /// SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block, which the host allocates, for each call.
    #[doc(alias("GetHttpRequestHeaders", "get_http_request_headers", "get_http_request_headers_bytes"))]
    pub fn request_headers(&self) -> Result<HeaderMap> {
        fetch(MapType::HttpRequestHeaders)
    }

    /// Returns the response's headers, as they are now. The map is empty before there is a
    /// response.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn log(stream: &HttpHandle<'_>) -> Result<()> {
    ///     info!("{} headers of the response", stream.response_headers()?.len());
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::stream(|stream| log(stream));
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`request_headers`](Self::request_headers) does.
    ///
    /// # Cost
    ///
    /// The cost of [`request_headers`](Self::request_headers).
    #[doc(alias("GetHttpResponseHeaders", "get_http_response_headers", "get_http_response_headers_bytes"))]
    pub fn response_headers(&self) -> Result<HeaderMap> {
        fetch(MapType::HttpResponseHeaders)
    }

    /// Returns the request's trailers, as they are now. The map is empty if there are none. In
    /// Envoy it is always empty for the access log.
    ///
    /// # Errors
    ///
    /// Fails as [`request_headers`](Self::request_headers) does.
    ///
    /// # Cost
    ///
    /// The cost of [`request_headers`](Self::request_headers).
    #[doc(alias("GetHttpRequestTrailers", "get_http_request_trailers", "get_http_request_trailers_bytes"))]
    pub fn request_trailers(&self) -> Result<HeaderMap> {
        fetch(MapType::HttpRequestTrailers)
    }

    /// Returns the response's trailers, as they are now. The map is empty if there are none.
    /// The trailers of gRPC have `grpc-status`, unless the response has headers alone: then the
    /// headers have it.
    ///
    /// # Errors
    ///
    /// Fails as [`request_headers`](Self::request_headers) does.
    ///
    /// # Cost
    ///
    /// The cost of [`request_headers`](Self::request_headers).
    #[doc(alias("GetHttpResponseTrailers", "get_http_response_trailers", "get_http_response_trailers_bytes"))]
    pub fn response_trailers(&self) -> Result<HeaderMap> {
        fetch(MapType::HttpResponseTrailers)
    }

    /// Returns the first value of one of the request's headers, without fetching the others.
    /// Returns `None` if there is no such header, or if the headers cannot be seen.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn agent(stream: &HttpHandle<'_>) -> Result<()> {
    ///     let agent = stream.fetch_request_header("user-agent")?;
    ///     assert_eq!(agent.as_deref(), Some(&b"curl"[..]));
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::stream(|stream| agent(stream));
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block, which the host allocates, for each call. Two of these calls
    /// cost more in the host than fetching the whole map.
    #[doc(alias("GetHttpRequestHeader", "get_http_request_header", "get_http_request_header_bytes"))]
    pub fn fetch_request_header(&self, name: impl AsRef<[u8]>) -> Result<Option<HostBytes>> {
        fetch_value(MapType::HttpRequestHeaders, name.as_ref())
    }

    /// Returns the first value of one of the response's headers, or `None` as
    /// [`fetch_request_header`](Self::fetch_request_header) does.
    ///
    /// # Errors
    ///
    /// Fails as [`fetch_request_header`](Self::fetch_request_header) does.
    ///
    /// # Cost
    ///
    /// The cost of [`fetch_request_header`](Self::fetch_request_header).
    #[doc(alias("GetHttpResponseHeader", "get_http_response_header", "get_http_response_header_bytes"))]
    pub fn fetch_response_header(&self, name: impl AsRef<[u8]>) -> Result<Option<HostBytes>> {
        fetch_value(MapType::HttpResponseHeaders, name.as_ref())
    }

    /// Returns the first value of one of the request's trailers, or `None` as
    /// [`fetch_request_header`](Self::fetch_request_header) does.
    ///
    /// # Errors
    ///
    /// Fails as [`fetch_request_header`](Self::fetch_request_header) does.
    ///
    /// # Cost
    ///
    /// The cost of [`fetch_request_header`](Self::fetch_request_header).
    #[doc(alias("GetHttpRequestTrailer", "get_http_request_trailer", "get_http_request_trailer_bytes"))]
    pub fn fetch_request_trailer(&self, name: impl AsRef<[u8]>) -> Result<Option<HostBytes>> {
        fetch_value(MapType::HttpRequestTrailers, name.as_ref())
    }

    /// Returns the first value of one of the response's trailers, or `None` as
    /// [`fetch_request_header`](Self::fetch_request_header) does.
    ///
    /// # Errors
    ///
    /// Fails as [`fetch_request_header`](Self::fetch_request_header) does.
    ///
    /// # Cost
    ///
    /// The cost of [`fetch_request_header`](Self::fetch_request_header).
    #[doc(alias("GetHttpResponseTrailer", "get_http_response_trailer", "get_http_response_trailer_bytes"))]
    pub fn fetch_response_trailer(&self, name: impl AsRef<[u8]>) -> Result<Option<HostBytes>> {
        fetch_value(MapType::HttpResponseTrailers, name.as_ref())
    }
}
