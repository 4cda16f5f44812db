//! The scenarios that a module is driven through, round after round.

use sluicegate_benches::REQUEST;
use sluicegate_host::wasm::Module;
use sluicegate_host::{OpenGrpc, RunningHost};

/// The headers of a response.
pub(crate) const RESPONSE: [(&str, &str); 8] = [
    (":status", "200"),
    ("content-type", "application/json"),
    ("content-length", "4096"),
    ("cache-control", "max-age=60"),
    ("etag", "\"5d0c9d4e\""),
    ("vary", "accept-encoding"),
    ("server", "envoy"),
    ("x-envoy-upstream-service-time", "3"),
];

/// The headers that make 30 of 25.
const MORE: [(&str, &str); 5] = [
    ("x-b3-traceid", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ("x-b3-spanid", "00f067aa0ba902b7"),
    ("x-b3-sampled", "1"),
    ("x-tenant", "shop"),
    ("x-client-version", "14.2.1"),
];

const CHUNK: [u8; 1024] = [b'x'; 1024];

/// The message of gRPC services: protobuf's field 1 with the number 1, which is also `true`.
const MESSAGE: [u8; 2] = [8, 1];

/// The greatest number of responses in a row that may each lead to another call. A filter that
/// calls without end gets the next response at the next step.
const CHAIN: usize = 8;

/// A kind of traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scenario {
    /// A request with this many headers and its response, without bodies.
    Headers(usize),
    /// A request and its response, with a body of this many chunks of 1 KiB in each.
    Body(usize),
    /// A request whose filter calls another service, itself or by the next tick of its plugin.
    Callout,
    /// A connection with data both ways.
    Tcp,
    /// A tick of the plugin.
    Tick,
}

impl Scenario {
    pub(crate) const ALL: &[Self] =
        &[Self::Headers(25), Self::Headers(30), Self::Body(1), Self::Body(4), Self::Callout, Self::Tcp, Self::Tick];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Headers(25) => "headers-25",
            Self::Headers(_) => "headers-30",
            Self::Body(1) => "body-1",
            Self::Body(_) => "body-4",
            Self::Callout => "callout",
            Self::Tcp => "tcp",
            Self::Tick => "tick",
        }
    }

    /// Returns whether the module has the callbacks of the scenario.
    pub(crate) fn exports(self, module: &Module) -> bool {
        let any = |names: &[&str]| names.iter().any(|name| module.exports(name));
        match self {
            Self::Headers(_) => any(&["proxy_on_request_headers", "proxy_on_response_headers"]),
            Self::Body(_) => any(&["proxy_on_request_body", "proxy_on_response_body"]),
            Self::Callout => any(&["proxy_on_http_call_response", "proxy_on_grpc_receive", "proxy_on_grpc_close"]),
            Self::Tcp => any(&["proxy_on_downstream_data", "proxy_on_upstream_data"]),
            Self::Tick => any(&["proxy_on_tick"]),
        }
    }

    /// Runs one round. Returns whether the module did the scenario's work.
    pub(crate) fn round(self, host: &RunningHost) -> bool {
        match self {
            Self::Headers(count) => {
                http(host, count, 0);
                true
            }
            Self::Body(chunks) => {
                http(host, REQUEST.len(), chunks);
                true
            }
            Self::Callout => {
                let stream = host.http_stream();
                stream.request_headers(&REQUEST);
                let mut asked = answer(host);
                if !asked && host.tick_period().is_some() {
                    host.tick();
                    asked = answer(host);
                }
                stream.response_headers_only(&RESPONSE);
                asked |= answer(host);
                stream.complete();
                asked |= answer(host);
                asked && host.trapped().is_none()
            }
            Self::Tcp => {
                let connection = host.tcp_connection();
                answer(host);
                connection.downstream_data(CHUNK, false);
                answer(host);
                connection.upstream_data(CHUNK, false);
                answer(host);
                connection.close_downstream();
                connection.close_upstream();
                connection.complete();
                answer(host);
                host.trapped().is_none()
            }
            Self::Tick => {
                let asked = host.tick_period().is_some();
                host.tick();
                answer(host);
                asked && host.trapped().is_none()
            }
        }
    }
}

/// Sends a request and its response, with this many headers and this many chunks in each body.
fn http(host: &RunningHost, headers: usize, chunks: usize) {
    let stream = host.http_stream();
    let headers: Vec<_> = REQUEST.iter().chain(&MORE).take(headers).copied().collect();
    if chunks == 0 {
        stream.request_headers(&headers);
        answer(host);
        stream.response_headers_only(&RESPONSE);
    } else {
        stream.request_headers_with_body(&headers);
        answer(host);
        for chunk in 1..=chunks {
            stream.request_body(CHUNK, chunk == chunks);
        }
        answer(host);
        stream.response_headers(&RESPONSE);
        answer(host);
        for chunk in 1..=chunks {
            stream.response_body(CHUNK, chunk == chunks);
        }
    }
    answer(host);
    stream.complete();
    answer(host);
}

/// Responds to every open call and ends every open gRPC stream, and then those that the filter
/// opens in the callbacks. Returns whether there was one.
fn answer(host: &RunningHost) -> bool {
    let mut asked = false;
    for _ in 0..CHAIN {
        let (calls, grpc) = (host.pending_calls(), host.open_grpc());
        if calls.is_empty() && grpc.is_empty() {
            break;
        }
        asked = true;
        for call in &calls {
            host.answer_call(call.token, &RESPONSE, CHUNK, &[]);
        }
        for grpc in &grpc {
            answer_grpc(host, grpc);
        }
    }
    asked
}

/// Sends the events of a gRPC call or stream. A call ends with its message. A stream has metadata
/// around its message, and a close.
fn answer_grpc(host: &RunningHost, grpc: &OpenGrpc) {
    // The filter may cancel the call or stream at each step.
    let open = || host.open_grpc().iter().any(|open| open.token == grpc.token);
    let stream = grpc.timeout.is_none();
    if stream {
        host.grpc_initial_metadata(grpc.token, &[("content-type", "application/grpc")]);
    }
    if open() {
        host.grpc_message(grpc.token, MESSAGE);
    }
    if stream && open() {
        host.grpc_trailing_metadata(grpc.token, &[("grpc-status", "0")]);
    }
    if stream && open() {
        host.grpc_close(grpc.token, 0, "");
    }
}
