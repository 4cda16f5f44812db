//! What belongs to the response. There is none before its headers.

use super::table::properties;

properties! {
    /// The HTTP status.
    #[doc(alias = "GetResponseCode")]
    u64 code = "response"."code";
    /// Where the status comes from, as `via_upstream`.
    #[doc(alias = "GetResponseCodeDetails")]
    text code_details = "response"."code_details";
    /// Envoy's response flags, as bits.
    #[doc(alias = "GetResponseFlags")]
    u64 flags = "response"."flags";
    /// The gRPC status; for a response that is not gRPC Envoy makes one of the HTTP status.
    #[doc(alias = "GetResponseGrpcStatusCode")]
    u64 grpc_status = "response"."grpc_status";
    /// All headers, in no order; Envoy joins the values of a repeated one with commas. Where there
    /// is a handle of the response's headers, that is the cheaper way.
    #[doc(alias = "GetResponseHeaders")]
    map headers = "response"."headers";
    /// All trailers.
    #[doc(alias = "GetResponseTrailers")]
    map trailers = "response"."trailers";
    /// The bytes of the body.
    #[doc(alias = "GetResponseSize")]
    u64 size = "response"."size";
    /// The bytes of headers, body and trailers.
    #[doc(alias = "GetResponseTotalSize")]
    u64 total_size = "response"."total_size";
    /// The bytes of the headers.
    u64 headers_bytes = "response"."headers_bytes";
    /// From the last byte to the upstream to the first one back; known in `on_log`.
    duration backend_latency = "response"."backend_latency";
}
