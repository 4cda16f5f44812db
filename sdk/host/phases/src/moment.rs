//! The callbacks, and what the stream holds in them: for each a script of the filter and traffic
//! that leads there.

/// A callback, reached with a stream that holds something.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The callback, without `proxy_on_`.
    pub callback: &'static str,
    /// What the stream holds.
    pub holds: &'static str,
    /// Whether the stream is of HTTP.
    pub kind: Kind,
    /// Whether a filter that holds headers back sees the body.
    pub shows_body: bool,
    /// The tracer's script. `CALL` stands for the host call, `release N` for a resume that lets the
    /// stream end, unless the host call is itself a resume.
    pub script: &'static str,
    /// The moves of the peers, one after the other.
    pub steps: &'static [Step],
}

/// Which proxy a filter is part of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An HTTP connection manager.
    Http,
    /// A TCP proxy.
    Tcp,
}

/// A move of a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The client sends the head of a request with a chunked body.
    Request,
    /// The client sends a request without a body.
    Get,
    /// The client sends a part of the request's body.
    Part(&'static str),
    /// The end of the request's body, with trailers.
    Trailers,
    /// The end of the request's body, without trailers.
    End,
    /// The upstream sends the head of a response with a chunked body.
    Response,
    /// The upstream sends a response without a body.
    Empty,
    /// The upstream sends a part of the response's body.
    Back(&'static str),
    /// The end of the response's body, with trailers.
    BackTrailers,
    /// The end of the response's body, without trailers.
    BackEnd,
    /// The called service answers with a body and trailers.
    Answer,
    /// The called gRPC service answers a message and is done.
    GrpcAnswer,
    /// The client closes its connection.
    Leave,
    /// Time passes, for a tick.
    Tick,
    /// The client connects.
    Connect,
    /// The client sends bytes.
    FromClient(&'static str),
    /// The upstream sends bytes.
    FromUpstream(&'static str),
    /// The upstream closes its connection.
    CloseUpstream,
}

impl Moment {
    /// The name of the moment, for a file.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} / {}", self.callback, self.holds)
    }

    /// The script with this call, for the stream with the number 2 and its plugin with the
    /// number 1.
    #[must_use]
    pub fn script_with(&self, steps: &str, releases: bool) -> String {
        let lines = self.script.lines().filter_map(|line| {
            let (key, rest) = line.trim().split_once(": ")?;
            let (callback, run) =
                key.split_once('#').map_or((key, String::new()), |(key, run)| (key, format!("#{run}")));
            let context = if OF_PLUGINS.contains(&callback) { 1 } else { 2 };
            let steps = rest.split("; ").filter_map(|step| match step.strip_prefix("release ") {
                Some(direction) => releases.then(|| format!("resume {direction}")),
                None if step == "CALL" => Some(steps.to_owned()).filter(|steps| !steps.is_empty()),
                None => Some(step.to_owned()),
            });
            Some(format!("{callback}@{context}{run}: {}", steps.collect::<Vec<_>>().join("; ")))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Whether the script lets the stream go on when it was held.
    #[must_use]
    pub fn releases(&self) -> bool {
        self.script.contains("release ")
    }
}

/// The callbacks of a plugin's context.
const OF_PLUGINS: &[&str] = &[
    "vm_start",
    "configure",
    "tick",
    "queue_ready",
    "http_call_response",
    "grpc_receive_initial_metadata",
    "grpc_receive",
    "grpc_receive_trailing_metadata",
    "grpc_close",
];

use Step::*;

/// A request and its response, both in parts and with trailers, the response after the whole
/// request.
const WHOLE: &[Step] =
    &[Request, Part("one"), Part("two"), Trailers, Response, Back("three"), Back("fee"), BackTrailers];
/// A request and its response, neither with a body.
const BARE: &[Step] = &[Get, Empty];
/// A request and its response, whose bodies end with a last part.
const ENDED: &[Step] = &[Request, Part("one"), Part("two"), End, Response, Back("three"), Back("fee"), BackEnd];
/// The response comes while the request is not complete.
const EARLY: &[Step] =
    &[Request, Part("one"), Response, Part("two"), Back("three"), Back("fee"), BackTrailers, Trailers];
/// A service is called, and answers before the response comes.
const CALLED: &[Step] = &[Request, Part("one"), Trailers, Answer, Response, Back("three"), Back("fee"), BackTrailers];
/// A service is called in the response's headers.
const CALLED_BACK: &[Step] =
    &[Request, Part("one"), Trailers, Response, Back("three"), Back("fee"), BackTrailers, Answer];
/// The same over gRPC.
const STREAMED: &[Step] =
    &[Request, Part("one"), Trailers, GrpcAnswer, Response, Back("three"), Back("fee"), BackTrailers];
/// The same over gRPC, in the response's headers.
const STREAMED_BACK: &[Step] =
    &[Request, Part("one"), Trailers, Response, Back("three"), Back("fee"), BackTrailers, GrpcAnswer];
/// A tick comes while the upstream has not answered.
const TICKED: &[Step] =
    &[Request, Part("one"), Trailers, Step::Tick, Response, Back("three"), Back("fee"), BackTrailers];
/// A tick comes while the response is held.
const TICKED_BACK: &[Step] =
    &[Request, Part("one"), Trailers, Response, Back("three"), Back("fee"), BackTrailers, Step::Tick];
/// The client leaves before there is a response.
const LEFT: &[Step] = &[Request, Part("one"), Leave];
/// The client leaves while the response is held.
const LEFT_BACK: &[Step] = &[Request, Part("one"), Trailers, Response, Back("three"), Leave];
/// A connection, with data both ways.
const TALK: &[Step] =
    &[Connect, FromClient("hello"), FromUpstream("world"), FromClient("more"), FromUpstream("over"), Leave];
/// A connection that the upstream closes.
const HANGUP: &[Step] = &[Connect, FromClient("hello"), FromUpstream("world"), CloseUpstream];
/// A connection, beside a call to a service.
const TALK_CALLED: &[Step] = &[Connect, FromClient("hello"), Answer, FromUpstream("world"), FromClient("more"), Leave];
/// A connection, and a tick.
const TALK_TICKED: &[Step] =
    &[Connect, FromClient("hello"), Step::Tick, FromUpstream("world"), FromClient("more"), Leave];

macro_rules! moments {
    (@shows) => { false };
    (@shows shown) => { true };
    ($($kind:ident $callback:literal, $holds:literal, $($shown:ident)? $script:literal, $steps:expr;)*) => {
        /// All moments, in the order of the table.
        pub const MOMENTS: &[Moment] = &[$(Moment {
            callback: $callback, holds: $holds, kind: Kind::$kind, shows_body: moments!(@shows $($shown)?), script: $script, steps: $steps,
        }),*];
    };
}

moments! {
    Http "context_create", "nothing", "context_create: CALL", WHOLE;
    Http "request_headers", "nothing", "request_headers: CALL; return 0", WHOLE;
    Http "request_headers", "request headers", "request_headers: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 0", WHOLE;
    Http "request_headers", "a reply", "request_headers: reply 403 - denied - -1; CALL; return 1", WHOLE;
    Http "request_headers", "nothing (no body)", "request_headers: CALL; return 0", BARE;
    Http "request_headers", "request headers (no body)",
        "request_headers: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 0", BARE;
    Http "request_headers", "a reply (no body)", "request_headers: reply 403 - denied - -1; CALL; return 1", BARE;
    Http "request_body", "nothing", "request_body#1: CALL; return 0", WHOLE;
    Http "request_body", "request headers", shown
        "request_headers: return 1\nrequest_body#1: CALL; return 1\nrequest_body#2: return 1\nrequest_trailers: tick 30; return 1\ntick: tick 0; effective 2; release 0", WHOLE;
    Http "request_body", "request body",
        "request_body#1: return 1\nrequest_body#2: CALL; return 1\nrequest_trailers: tick 30; return 1\ntick: tick 0; effective 2; release 0", WHOLE;
    Http "request_body", "response headers",
        "response_headers: return 1\nrequest_body#2: CALL; return 0\nrequest_trailers: tick 30\ntick: tick 0; effective 2; release 1", EARLY;
    Http "request_body", "a reply", "request_body#1: reply 403 - denied - -1; CALL; return 1", WHOLE;
    Http "request_body", "nothing (the last part)", "request_body#3: CALL; return 0", ENDED;
    Http "request_body", "request body (the last part)",
        "request_body: return 1\nrequest_body#3: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 0", ENDED;
    Http "request_body", "a reply (the last part)", "request_body#3: reply 403 - denied - -1; CALL; return 1", ENDED;
    Http "request_trailers", "nothing", "request_trailers: CALL; return 0", WHOLE;
    Http "request_trailers", "request headers", shown
        "request_headers: return 1\nrequest_body: return 1\nrequest_trailers: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 0", WHOLE;
    Http "request_trailers", "request body",
        "request_body: return 1\nrequest_trailers: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 0", WHOLE;
    Http "request_trailers", "request trailers",
        "request_trailers: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 0", WHOLE;
    Http "request_trailers", "a reply", "request_trailers: reply 403 - denied - -1; CALL; return 1", WHOLE;
    Http "response_headers", "nothing", "response_headers: CALL; return 0", WHOLE;
    Http "response_headers", "response headers",
        "response_headers: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 1", WHOLE;
    Http "response_headers", "request body", "request_body: return 1\nresponse_headers: CALL; return 0", EARLY;
    Http "response_headers", "a reply", "response_headers: reply 403 - denied - -1; CALL; return 1", WHOLE;
    Http "response_headers", "a reply of an earlier callback",
        "request_headers: reply 403 - denied - -1; return 1\nresponse_headers: CALL; return 0", WHOLE;
    Http "response_headers", "nothing (no body)", "response_headers: CALL; return 0", BARE;
    Http "response_headers", "response headers (no body)",
        "response_headers: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 1", BARE;
    Http "response_headers", "a reply (no body)", "response_headers: reply 403 - denied - -1; CALL; return 1", BARE;
    Http "response_body", "nothing", "response_body#1: CALL; return 0", WHOLE;
    Http "response_body", "response headers", shown
        "response_headers: return 1\nresponse_body#1: CALL; return 1\nresponse_body#2: return 1\nresponse_trailers: tick 30; return 1\ntick: tick 0; effective 2; release 1", WHOLE;
    Http "response_body", "response body",
        "response_body#1: return 1\nresponse_body#2: CALL; return 1\nresponse_trailers: tick 30; return 1\ntick: tick 0; effective 2; release 1", WHOLE;
    Http "response_body", "request body", "request_body: return 1\nresponse_body#1: CALL; return 0", EARLY;
    Http "response_body", "a reply", "response_body#1: reply 403 - denied - -1; CALL; return 1", WHOLE;
    Http "response_body", "a reply of an earlier callback",
        "request_headers: reply 403 - denied - -1; return 1\nresponse_headers: remove 2 content-length\nresponse_body#1: CALL; return 0", WHOLE;
    Http "response_body", "nothing (the last part)", "response_body#3: CALL; return 0", ENDED;
    Http "response_body", "response body (the last part)",
        "response_body: return 1\nresponse_body#3: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 1", ENDED;
    Http "response_body", "a reply (the last part)", "response_body#3: reply 403 - denied - -1; CALL; return 1", ENDED;
    Http "response_trailers", "nothing", "response_trailers: CALL; return 0", WHOLE;
    Http "response_trailers", "response headers", shown
        "response_headers: return 1\nresponse_body: return 1\nresponse_trailers: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 1", WHOLE;
    Http "response_trailers", "response body",
        "response_body: return 1\nresponse_trailers: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 1", WHOLE;
    Http "response_trailers", "response trailers",
        "response_trailers: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 1", WHOLE;
    Http "response_trailers", "a reply", "response_trailers: reply 403 - denied - -1; CALL; return 1", WHOLE;
    Http "log", "nothing", "log: CALL", WHOLE;
    Http "log", "request headers", "request_headers: return 1\nlog: CALL", LEFT;
    Http "log", "response headers", "response_headers: return 1\nlog: CALL", LEFT_BACK;
    Http "log", "a reply", "request_headers: reply 403 - denied - -1; return 1\nlog: CALL", WHOLE;
    Http "done", "nothing", "done: CALL; return 1", WHOLE;
    Http "done", "request headers", "request_headers: return 1\ndone: CALL; return 1", LEFT;
    Http "done", "response headers", "response_headers: return 1\ndone: CALL; return 1", LEFT_BACK;
    Http "done", "a reply", "request_headers: reply 403 - denied - -1; return 1\ndone: CALL; return 1", WHOLE;
    Http "delete", "nothing", "delete: CALL", WHOLE;
    Http "delete", "request headers", "request_headers: return 1\ndelete: CALL", LEFT;
    Http "delete", "response headers", "response_headers: return 1\ndelete: CALL", LEFT_BACK;
    Http "delete", "a reply", "request_headers: reply 403 - denied - -1; return 1\ndelete: CALL", WHOLE;
    Http "http_call_response", "the plugin",
        "request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 0\nhttp_call_response#1: CALL", CALLED;
    Http "http_call_response", "nothing",
        "request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 0\nhttp_call_response#1: effective 2; CALL", CALLED;
    Http "http_call_response", "request headers",
        "request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1\nhttp_call_response#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 0", CALLED;
    Http "http_call_response", "request trailers",
        "request_trailers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1\nhttp_call_response#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 0", CALLED;
    Http "http_call_response", "response headers",
        "response_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1\nhttp_call_response#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 1", CALLED_BACK;
    Http "http_call_response", "response body",
        "response_body#1: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1\nresponse_body#2: return 1\nresponse_trailers: return 1\nhttp_call_response#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 1", CALLED_BACK;
    Http "http_call_response", "a reply",
        "request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1\nhttp_call_response#1: effective 2; reply 403 - denied - -1; CALL", CALLED;
    Http "http_call_response", "a reply that is held",
        "request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; reply 403 - denied - -1; return 1\nresponse_headers: return 1\nhttp_call_response#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 1", CALLED;
    Http "grpc_receive_initial_metadata", "the plugin",
        "request_headers: stream GRPC Service Method -; send 6 hello 1; return 0\ngrpc_receive_initial_metadata#1: CALL", STREAMED;
    Http "grpc_receive_initial_metadata", "request headers",
        "request_headers: stream GRPC Service Method -; send 6 hello 1; return 1\ngrpc_receive_initial_metadata#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 0", STREAMED;
    Http "grpc_receive", "the plugin",
        "request_headers: stream GRPC Service Method -; send 6 hello 1; return 0\ngrpc_receive#1: CALL", STREAMED;
    Http "grpc_receive", "nothing",
        "request_headers: stream GRPC Service Method -; send 6 hello 1; return 0\ngrpc_receive#1: effective 2; CALL", STREAMED;
    Http "grpc_receive", "request headers",
        "request_headers: stream GRPC Service Method -; send 6 hello 1; return 1\ngrpc_receive#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 0", STREAMED;
    Http "grpc_receive", "response headers",
        "response_headers: stream GRPC Service Method -; send 6 hello 1; return 1\ngrpc_receive#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 1", STREAMED_BACK;
    Http "grpc_receive_trailing_metadata", "the plugin",
        "request_headers: stream GRPC Service Method -; send 6 hello 1; return 0\ngrpc_receive_trailing_metadata#1: CALL", STREAMED;
    Http "grpc_receive_trailing_metadata", "request headers",
        "request_headers: stream GRPC Service Method -; send 6 hello 1; return 1\ngrpc_receive_trailing_metadata#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 0", STREAMED;
    Http "grpc_close", "the plugin",
        "request_headers: stream GRPC Service Method -; send 6 hello 1; return 0\ngrpc_close#1: CALL", STREAMED;
    Http "grpc_close", "nothing",
        "request_headers: stream GRPC Service Method -; send 6 hello 1; return 0\ngrpc_close#1: effective 2; CALL", STREAMED;
    Http "grpc_close", "request headers",
        "request_headers: stream GRPC Service Method -; send 6 hello 1; return 1\ngrpc_close#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 0", STREAMED;
    Http "grpc_close", "response headers",
        "response_headers: stream GRPC Service Method -; send 6 hello 1; return 1\ngrpc_close#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 1", STREAMED_BACK;
    Http "tick", "the plugin", "request_headers: tick 20\ntick#1: tick 0; CALL", TICKED;
    Http "tick", "nothing (the request on its way)", "request_headers: tick 20\ntick#1: tick 0; effective 2; CALL", TICKED;
    Http "tick", "nothing (the response on its way)", "response_body#1: tick 20\ntick#1: tick 0; effective 2; CALL", WHOLE;
    Http "tick", "request headers",
        "request_headers: tick 20; return 1\ntick#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 0", TICKED;
    Http "tick", "request body",
        "request_body: return 1\nrequest_trailers: tick 20; return 1\ntick#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 0", TICKED;
    Http "tick", "response headers",
        "response_headers: tick 20; return 1\ntick#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 1", TICKED_BACK;
    Http "tick", "response body",
        "response_body: return 1\nresponse_trailers: tick 20; return 1\ntick#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 1", TICKED_BACK;
    Http "tick", "a reply that is held",
        "request_headers: tick 20; reply 403 - denied - -1; return 1\nresponse_headers: return 1\ntick#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 1", TICKED;
    Http "queue_ready", "the plugin", "request_headers: register CELLS; enqueue last item\nqueue_ready#1: CALL", TICKED;
    Http "queue_ready", "nothing (the request on its way)",
        "request_headers: register CELLS; enqueue last item\nqueue_ready#1: effective 2; CALL", TICKED;
    Http "queue_ready", "request headers",
        "request_headers: register CELLS; enqueue last item; return 1\nqueue_ready#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 0", TICKED;
    Http "queue_ready", "response headers",
        "response_headers: register CELLS; enqueue last item; return 1\nqueue_ready#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 1", TICKED_BACK;
    Http "vm_start", "the plugin", "vm_start: CALL; return 1", WHOLE;
    Http "configure", "the plugin", "configure: CALL; return 1", WHOLE;
    Tcp "context_create", "nothing (TCP)", "context_create: CALL", TALK;
    Tcp "new_connection", "nothing", "new_connection: CALL; return 0", TALK;
    Tcp "new_connection", "the connection", "new_connection: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 2", TALK;
    Tcp "downstream_data", "nothing", "downstream_data#1: CALL; return 0", TALK;
    Tcp "downstream_data", "downstream data",
        "downstream_data#1: return 1\ndownstream_data#2: CALL; tick 30; return 1\ntick: tick 0; effective 2; release 2", TALK;
    Tcp "upstream_data", "nothing", "upstream_data#1: CALL; return 0", TALK;
    Tcp "upstream_data", "upstream data", "upstream_data#1: return 1\nupstream_data#2: CALL; return 0", TALK;
    Tcp "upstream_data", "downstream data",
        "downstream_data#1: return 1\nupstream_data#1: CALL; tick 30\ntick: tick 0; effective 2; release 2", TALK;
    Tcp "downstream_connection_close", "nothing", "downstream_connection_close: CALL", TALK;
    Tcp "downstream_connection_close", "downstream data", "downstream_data: return 1\ndownstream_connection_close: CALL", TALK;
    Tcp "upstream_connection_close", "nothing", "upstream_connection_close: CALL", HANGUP;
    Tcp "upstream_connection_close", "upstream data", "upstream_data: return 1\nupstream_connection_close: CALL", HANGUP;
    Tcp "done", "nothing (TCP)", "done: CALL; return 1", TALK;
    Tcp "log", "nothing (TCP)", "log: CALL", TALK;
    Tcp "delete", "nothing (TCP)", "delete: CALL", TALK;
    Tcp "http_call_response", "nothing (TCP)",
        "downstream_data#1: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 0\nhttp_call_response#1: effective 2; CALL", TALK_CALLED;
    Tcp "http_call_response", "downstream data",
        "downstream_data#1: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1\nhttp_call_response#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 2", TALK_CALLED;
    Tcp "tick", "nothing (TCP)", "downstream_data#1: tick 20; return 0\ntick#1: tick 0; effective 2; CALL", TALK_TICKED;
    Tcp "tick", "downstream data",
        "downstream_data#1: tick 20; return 1\ntick#1: effective 2; CALL; tick 30\ntick: tick 0; effective 2; release 2", TALK_TICKED;
}
