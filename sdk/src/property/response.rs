//! Properties of the response. There are none before its headers.

use super::table::properties;

properties! {
    /// Returns the HTTP status.
    #[doc(alias = "GetResponseCode")]
    u64 code = "response"."code";
    /// Returns the origin of the status, as `via_upstream`.
    #[doc(alias = "GetResponseCodeDetails")]
    text code_details = "response"."code_details";
    /// Returns Envoy's response flags, as bits.
    #[doc(alias = "GetResponseFlags")]
    u64 flags = "response"."flags";
    /// Returns the gRPC status. For a response that is not gRPC, Envoy derives it from the HTTP
    /// status.
    #[doc(alias = "GetResponseGrpcStatusCode")]
    u64 grpc_status = "response"."grpc_status";
    /// Returns all headers, in no order. Envoy joins the values of a repeated header with commas.
    /// If there is a handle of the response's headers, reading from the handle is cheaper.
    #[doc(alias = "GetResponseHeaders")]
    map headers = "response"."headers";
    /// Returns all trailers.
    #[doc(alias = "GetResponseTrailers")]
    map trailers = "response"."trailers";
    /// Returns the number of bytes of the body.
    #[doc(alias = "GetResponseSize")]
    u64 size = "response"."size";
    /// Returns the number of bytes of headers, body and trailers.
    #[doc(alias = "GetResponseTotalSize")]
    u64 total_size = "response"."total_size";
    /// Returns the number of bytes of the headers. Envoy 1.36 does not have it.
    u64 headers_bytes = "response"."headers_bytes";
    /// Returns the time from the last byte to the upstream until the first byte back. Envoy knows
    /// it in `on_log`.
    duration backend_latency = "response"."backend_latency";
}
