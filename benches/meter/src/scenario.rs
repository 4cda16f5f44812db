//! What a module is driven through, round for round.

use sluicegate_benches::REQUEST;
use sluicegate_host::Running;
use sluicegate_host::wasm::Module;

/// The headers of a response.
const RESPONSE: [(&str, &str); 8] = [
    (":status", "200"),
    ("content-type", "application/json"),
    ("content-length", "4096"),
    ("cache-control", "max-age=60"),
    ("etag", "\"5d0c9d4e\""),
    ("vary", "accept-encoding"),
    ("server", "envoy"),
    ("x-envoy-upstream-service-time", "3"),
];

/// What makes 30 headers of 25.
const MORE: [(&str, &str); 5] = [
    ("x-b3-traceid", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ("x-b3-spanid", "00f067aa0ba902b7"),
    ("x-b3-sampled", "1"),
    ("x-tenant", "shop"),
    ("x-client-version", "14.2.1"),
];

const CHUNK: [u8; 1024] = [b'x'; 1024];

/// A kind of traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scenario {
    /// A request of so many headers and its response, without bodies.
    Headers(usize),
    /// The same with a body of so many chunks of 1 KiB, both ways.
    Body(usize),
    /// A request whose filter asks another service first.
    Callout,
    /// A connection with data both ways.
    Tcp,
    /// A tick of the plugin's.
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

    /// Whether the module has the callbacks that the scenario is about.
    pub(crate) fn exports(self, module: &Module) -> bool {
        let any = |names: &[&str]| names.iter().any(|name| module.exports(name));
        match self {
            Self::Headers(_) => any(&["proxy_on_request_headers", "proxy_on_response_headers"]),
            Self::Body(_) => any(&["proxy_on_request_body", "proxy_on_response_body"]),
            Self::Callout => any(&["proxy_on_http_call_response"]),
            Self::Tcp => any(&["proxy_on_downstream_data", "proxy_on_upstream_data"]),
            Self::Tick => any(&["proxy_on_tick"]),
        }
    }

    /// One round; whether the module did what the scenario is about.
    pub(crate) fn round(self, host: &Running) -> bool {
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
                let asked = answer_calls(host);
                stream.response_headers_only(&RESPONSE);
                stream.complete();
                asked && host.trapped().is_none()
            }
            Self::Tcp => {
                let connection = host.tcp_connection();
                connection.downstream_data(CHUNK, false);
                connection.upstream_data(CHUNK, false);
                connection.close_downstream();
                connection.close_upstream();
                connection.complete();
                host.trapped().is_none()
            }
            Self::Tick => {
                let asked = host.tick_period().is_some();
                host.tick();
                answer_calls(host);
                asked && host.trapped().is_none()
            }
        }
    }
}

/// A request and its response, with so many headers and so many chunks in each body.
fn http(host: &Running, headers: usize, chunks: usize) {
    let stream = host.http_stream();
    let headers: Vec<_> = REQUEST.iter().chain(&MORE).take(headers).copied().collect();
    if chunks == 0 {
        stream.request_headers(&headers);
        stream.response_headers_only(&RESPONSE);
    } else {
        stream.request_headers_with_body(&headers);
        for chunk in 1..=chunks {
            stream.request_body(CHUNK, chunk == chunks);
        }
        stream.response_headers(&RESPONSE);
        for chunk in 1..=chunks {
            stream.response_body(CHUNK, chunk == chunks);
        }
    }
    answer_calls(host);
    stream.complete();
}

/// Answers every call that waits; whether there was one.
fn answer_calls(host: &Running) -> bool {
    let calls = host.pending_calls();
    for call in &calls {
        host.answer_call(call.token, &RESPONSE, CHUNK, &[]);
    }
    !calls.is_empty()
}
