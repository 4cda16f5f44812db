//! The callbacks that bring the answers of called services.

use super::Moment;
use super::Way::{Request, Response};
use super::build::first;
use super::traffic::{CALLED, CALLED_BACK, STREAMED, STREAMED_BACK};

/// The line of a callback that calls a service and returns a status.
macro_rules! calls {
    ($callback:literal, $status:literal) => {
        concat!($callback, ": call SERVICE :method=GET,:path=/,:authority=s - - 60000; return ", $status)
    };
}
pub(super) use calls;

/// The line of a callback that opens a gRPC stream and returns a status.
macro_rules! streams {
    ($callback:literal, $status:literal) => {
        concat!($callback, ": stream GRPC Service Method -; send 6 hello 1; return ", $status)
    };
}

/// The answer to a call that was made while the request went on.
const fn call_passed() -> Moment {
    first("http_call_response", CALLED, calls!("request_headers", 0))
}

/// An event of a gRPC stream that was opened while the request went on.
const fn passed(callback: &'static str) -> Moment {
    first(callback, STREAMED, streams!("request_headers", 0))
}

/// An event of a gRPC stream for which the request waits.
const fn request_waits(callback: &'static str) -> Moment {
    let moment = first(callback, STREAMED, streams!("request_headers", 1));
    moment.on_stream().holds("request headers").held_until_tick(Request)
}

/// An event of a gRPC stream for which the response waits.
const fn response_waits(callback: &'static str) -> Moment {
    let moment = first(callback, STREAMED_BACK, streams!("response_headers", 1));
    moment.on_stream().holds("response headers").held_until_tick(Response)
}

/// These moments, in the order of the table.
pub(super) const MOMENTS: &[Moment] = &[
    call_passed().holds("the plugin"),
    call_passed().on_stream(),
    first("http_call_response", CALLED, calls!("request_headers", 1))
        .on_stream()
        .holds("request headers")
        .held_until_tick(Request),
    first("http_call_response", CALLED, calls!("request_trailers", 1))
        .on_stream()
        .holds("request trailers")
        .held_until_tick(Request),
    first("http_call_response", CALLED_BACK, calls!("response_headers", 1))
        .on_stream()
        .holds("response headers")
        .held_until_tick(Response),
    first(
        "http_call_response",
        CALLED_BACK,
        concat!(calls!("response_body#1", 1), "\nresponse_body#2: return 1\nresponse_trailers: return 1"),
    )
    .on_stream()
    .holds("response body")
    .held_until_tick(Response),
    first("http_call_response", CALLED, calls!("request_headers", 1))
        .before("effective 2; reply 403 - denied - -1")
        .holds("a reply"),
    first(
        "http_call_response",
        CALLED,
        "request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 60000; reply 403 - denied - -1; return 1
        response_headers: return 1",
    )
    .on_stream()
    .holds("a reply that is held")
    .held_until_tick(Response),
    passed("grpc_receive_initial_metadata").holds("the plugin"),
    request_waits("grpc_receive_initial_metadata"),
    passed("grpc_receive").holds("the plugin"),
    passed("grpc_receive").on_stream(),
    request_waits("grpc_receive"),
    response_waits("grpc_receive"),
    passed("grpc_receive_trailing_metadata").holds("the plugin"),
    request_waits("grpc_receive_trailing_metadata"),
    passed("grpc_close").holds("the plugin"),
    passed("grpc_close").on_stream(),
    request_waits("grpc_close"),
    response_waits("grpc_close"),
];
