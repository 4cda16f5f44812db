//! What a stream and an entry of the access log can read of headers and trailers.

use crate::abi::{HostBytes, MapType, Refused, Status, call};
use crate::error::{Error, Result};
use crate::headers::HeaderMap;

/// The methods that read the maps of a stream.
macro_rules! maps {
    () => {
        /// The request's headers, as they are now.
        ///
        /// # Errors
        ///
        /// If the host refuses, sends what is no header map, or the SDK is out of memory.
        ///
        /// # Cost
        ///
        /// One host call and one block of the host's for each call.
        pub fn request_headers(&self) -> $crate::Result<$crate::HeaderMap> {
            $crate::handle::maps::fetch($crate::abi::MapType::HttpRequestHeaders)
        }

        /// The response's headers, as they are now; empty before there is a response.
        ///
        /// # Errors
        ///
        /// As [`request_headers`](Self::request_headers).
        ///
        /// # Cost
        ///
        /// As [`request_headers`](Self::request_headers).
        pub fn response_headers(&self) -> $crate::Result<$crate::HeaderMap> {
            $crate::handle::maps::fetch($crate::abi::MapType::HttpResponseHeaders)
        }

        /// The request's trailers, as they are now; empty where there are none. Envoy has none for
        /// the access log.
        ///
        /// # Errors
        ///
        /// As [`request_headers`](Self::request_headers).
        ///
        /// # Cost
        ///
        /// As [`request_headers`](Self::request_headers).
        pub fn request_trailers(&self) -> $crate::Result<$crate::HeaderMap> {
            $crate::handle::maps::fetch($crate::abi::MapType::HttpRequestTrailers)
        }

        /// The response's trailers, as they are now; empty where there are none. Those of gRPC have
        /// `grpc-status`, unless the response is headers alone, which have it then.
        ///
        /// # Errors
        ///
        /// As [`request_headers`](Self::request_headers).
        ///
        /// # Cost
        ///
        /// As [`request_headers`](Self::request_headers).
        pub fn response_trailers(&self) -> $crate::Result<$crate::HeaderMap> {
            $crate::handle::maps::fetch($crate::abi::MapType::HttpResponseTrailers)
        }

        /// The first value of one of the request's headers, without the others; none if there is
        /// none, or the headers cannot be seen.
        ///
        /// # Errors
        ///
        /// If the host refuses, or the SDK is out of memory.
        ///
        /// # Cost
        ///
        /// One host call and one block of the host's for each call. Two of these cost more at the
        /// host than the whole map does.
        pub fn fetch_request_header(&self, name: impl AsRef<[u8]>) -> $crate::Result<Option<$crate::HostBytes>> {
            $crate::handle::maps::value($crate::abi::MapType::HttpRequestHeaders, name.as_ref())
        }

        /// The first value of one of the response's headers, likewise.
        ///
        /// # Errors
        ///
        /// As [`fetch_request_header`](Self::fetch_request_header).
        ///
        /// # Cost
        ///
        /// As [`fetch_request_header`](Self::fetch_request_header).
        pub fn fetch_response_header(&self, name: impl AsRef<[u8]>) -> $crate::Result<Option<$crate::HostBytes>> {
            $crate::handle::maps::value($crate::abi::MapType::HttpResponseHeaders, name.as_ref())
        }

        /// The first value of one of the request's trailers, likewise.
        ///
        /// # Errors
        ///
        /// As [`fetch_request_header`](Self::fetch_request_header).
        ///
        /// # Cost
        ///
        /// As [`fetch_request_header`](Self::fetch_request_header).
        pub fn fetch_request_trailer(&self, name: impl AsRef<[u8]>) -> $crate::Result<Option<$crate::HostBytes>> {
            $crate::handle::maps::value($crate::abi::MapType::HttpRequestTrailers, name.as_ref())
        }

        /// The first value of one of the response's trailers, likewise.
        ///
        /// # Errors
        ///
        /// As [`fetch_request_header`](Self::fetch_request_header).
        ///
        /// # Cost
        ///
        /// As [`fetch_request_header`](Self::fetch_request_header).
        pub fn fetch_response_trailer(&self, name: impl AsRef<[u8]>) -> $crate::Result<Option<$crate::HostBytes>> {
            $crate::handle::maps::value($crate::abi::MapType::HttpResponseTrailers, name.as_ref())
        }
    };
}

/// A whole map.
pub(crate) fn fetch(map: MapType) -> Result<HeaderMap> {
    let block = call::map(map).map_err(|refused| Error::host("proxy_get_header_map_pairs", map, refused))?;
    HeaderMap::decode(map, block)
}

/// The first value of a name. Envoy refuses for a single value what it shows as an empty map: one
/// that does not exist, or has gone on.
pub(crate) fn value(map: MapType, name: &[u8]) -> Result<Option<HostBytes>> {
    match call::map_value(map, name) {
        Ok(value) => Ok(Some(value)),
        Err(Refused::Status(Status::NotFound | Status::BadArgument)) => Ok(None),
        Err(refused) => Err(Error::host("proxy_get_header_map_value", map, refused)),
    }
}
