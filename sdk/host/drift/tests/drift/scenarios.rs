//! The scenarios.

use crate::Step::*;
use crate::{Pairs, Scenario, Setup};

const GET: Pairs = &[(":path", "/a?b=c"), ("X-Mixed", "Value"), ("x-repeated", "1"), ("x-repeated", "2")];
const POST: Pairs = &[(":method", "POST"), ("content-length", "5")];
const CHUNKED: Pairs = &[(":method", "POST"), ("transfer-encoding", "chunked")];
const EMPTY: Pairs = &[(":status", "200"), ("content-length", "0")];
const OK: Pairs = &[(":status", "200"), ("content-length", "4")];
const STREAMED: Pairs = &[(":status", "200"), ("transfer-encoding", "chunked")];
const TRAILERS: Pairs = &[("x-trailer", "1"), ("x-trailer", "2")];
const HEAD: Pairs = &[(":method", "HEAD")];
const GRPC: Pairs = &[(":method", "POST"), ("content-type", "application/grpc"), ("transfer-encoding", "chunked")];
const REPEATS: Pairs = &[
    ("via", "1"),
    ("via", "2"),
    ("cookie", "a"),
    ("cookie", "b"),
    ("accept", "1"),
    ("accept", "2"),
    ("x-custom", "1"),
    ("x-custom", "2"),
];
const REPEATS_BACK: Pairs = &[
    (":status", "200"),
    ("content-length", "0"),
    ("via", "1"),
    ("via", "2"),
    ("set-cookie", "a"),
    ("set-cookie", "b"),
    ("vary", "1"),
    ("vary", "2"),
];
const NONE: Pairs = &[];

/// More than half of what a proxy with a [`LIMIT`] holds back.
const PART: &str = "0123456789012345678901234567890123456789";
/// More than all of it.
const LARGE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789";
const LIMIT: Setup = Setup { limit: Some(64), ..Setup::DEFAULT };
const OPEN: Setup = Setup { failure: "FAIL_OPEN", ..Setup::DEFAULT };
const SHOWN: Setup = Setup { shows_body: true, ..Setup::DEFAULT };
const RELOAD: Setup = Setup { failure: "FAIL_RELOAD", ..Setup::DEFAULT };

macro_rules! scenarios {
    (@setup) => { Setup::DEFAULT };
    (@setup $setup:ident) => { $setup };
    ($($name:ident $(with $setup:ident)?: $script:literal, [$($step:expr),* $(,)?];)*) => {
        pub(crate) const ALL: &[Scenario] = &[$(
            Scenario { name: stringify!($name), setup: scenarios!(@setup $($setup)?),
                script: $script, steps: &[$($step),*] }
        ),*];
    };
}

mod bodies;
pub(crate) mod grpc;
pub(crate) mod harm;
mod older;
mod plugins;
mod wire;

/// Returns those that are made when the test runs: each again in the older versions of the ABI, and
/// those of many names.
pub(crate) fn made() -> Vec<&'static Scenario> {
    let names = &*Box::leak(Box::new(grpc::names()));
    older::again().iter().chain([names]).collect()
}

/// Returns all scenarios.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    [ALL, bodies::ALL, wire::ALL, grpc::ALL, plugins::ALL, older::ALL].into_iter().flatten()
}

scenarios! {
    get_without_body: "", [Request(GET, true), Response(EMPTY, true)];
    post_small:
        "",
        [
            Request(POST, false), RequestBody("hello", false), RequestBody("", true), Response(OK, false),
            ResponseBody("body", false), ResponseBody("", true),
        ];
    post_chunked:
        "request_body: body 0 0 100; body 0 2 2; body 0 100 1; status-of 0\nresponse_body: body 1 0 100",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("", true),
            Response(STREAMED, false), ResponseBody("three", false), ResponseBody("four", false),
            ResponseBody("", true),
        ];
    trailers:
        "request_trailers: pairs 1; add 1 x-more 3; pairs 0
         response_trailers: pairs 3; remove 3 x-trailer; add 3 x-less 4; pairs 2
         log: pairs 1; get 1 x-more; size 1; pairs 3; get 3 x-less; get 3 none; size 3; add 3 a b
         done: pairs 3; get 3 x-less",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS),
            Response(STREAMED, false), ResponseBody("two", false), ResponseTrailers(TRAILERS),
        ];
    maps_of_each_phase:
        "request_headers: size 0; pairs 1; pairs 2; pairs 3; size 2; get 2 :status; add 2 a b; add 1 a b; get 9 a
         request_body: size 0; pairs 0; get 0 :path; add 0 x-late 1; pairs 2
         response_headers: pairs 0; size 0; get 0 :path; size 2; add 0 x-late 2; pairs 1
         response_body: pairs 2; get 2 :status; add 2 x-late 3; pairs 0
         log: pairs 0; size 0; get 0 :path; pairs 2; get 2 :status; add 0 a b; pairs 1; pairs 3; body 0 0 9; body 1 0 9
         done: pairs 0; get 0 :path
         delete: pairs 0; get 0 :path",
        [
            Request(POST, false), RequestBody("hello", false), RequestBody("", true), Response(OK, false),
            ResponseBody("body", false), ResponseBody("", true),
        ];
    header_edits:
        "request_headers: get 0 X-MIXED; get 0 x-repeated; get 0 none; add 0 X-Added 1; add 0 x-added 2; \
         replace 0 x-repeated 3; replace 0 X-New 4; pairs 0; \
         remove 0 x-mixed; remove 0 none; replace 0 :path /other; replace 0 :authority elsewhere; add 0 x-empty -; \
         get 0 x-empty; pairs 0; size 0
         response_headers: replace 2 :status 201; add 2 x-mine 1; remove 2 content-length; pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    header_map_set:
        "request_headers: set 0 :method=PUT,:path=/set,:authority=set,:scheme=http,x-forwarded-proto=http,X-Case=1,a=2,\
         a=3; pairs 0
         response_headers: set 2 :status=202,b=1; pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    headers_pause_is_resumed_by_a_call:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body: body 0 0 99; pairs 0
         http_call_response: pairs 6; body 4 0 99; pairs 7; pairs 0; answer; effective 2; pairs 0; add 0 x-called 1; \
         resume 0; answer; pairs 0; body 0 0 9",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("", true),
            Answer(STREAMED, "answer", TRAILERS), Response(EMPTY, true),
        ];
    headers_pause_before_trailers:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body: body 0 0 99
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestTrailers(TRAILERS),
            Answer(EMPTY, "", NONE), Response(EMPTY, true),
        ];
    response_headers_pause:
        "response_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         response_body: body 1 0 99
         http_call_response: effective 2; pairs 2; add 2 x-called 1; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody("one", false), ResponseBody("two", false),
            ResponseBody("", true),
            Answer(OK, "body", NONE),
        ];
    resumed_in_the_same_callback:
        "request_headers: resume 0; return 1\nresponse_headers: resume 1; return 1",
        [Request(GET, true), Response(EMPTY, true)];
    headers_pause_with_a_body_resumed_in_the_same_callback:
        "request_headers: resume 0; return 1\nrequest_body: resume 0; return 1",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("", true),
            Response(EMPTY, true),
        ];
    held_headers_go_with_the_body with SHOWN:
        "request_headers: return 1
         request_body: body 0 0 99; pairs 0; return 1
         request_body#3: body 0 0 99; add 0 x-late 1; write 0 0 0 new-; pairs 0
         response_headers: pairs 2; pairs 0; return 1
         response_body#2: pairs 2; replace 2 x-late 2; write 1 99 0 -new; return 0
         response_body#3: pairs 2; add 2 x-later 3",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("", true),
            Response(STREAMED, false), ResponseBody("three", false), ResponseBody("four", false),
            ResponseBody("", true),
        ];
    held_headers_go_with_the_first_part with SHOWN:
        "request_headers: return 1
         request_body: pairs 0; return 0
         request_body#2: pairs 0; add 0 a b
         response_headers: return 1
         response_body: return 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("", true),
            Response(STREAMED, false), ResponseBody("three", false), ResponseBody("", true),
        ];
    held_headers_go_with_trailers with SHOWN:
        "request_headers: return 1\nrequest_body: return 1\nrequest_trailers: pairs 0; add 0 x-late 1; return 0
         response_headers: return 1\nresponse_trailers: pairs 2; return 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS),
            Response(STREAMED, false), ResponseBody("two", false), ResponseTrailers(TRAILERS),
        ];
    held_headers_of_a_body_that_is_dropped with SHOWN:
        "request_headers: return 1
         request_body: return 3
         request_body#2: body 0 0 99; return 2
         request_body#3: body 0 0 99; return 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("", true),
            Response(EMPTY, true),
        ];
    body_is_buffered_to_the_end:
        "request_body: body 0 0 99; return 1
         request_body#3: body 0 0 99; write 0 0 99 replaced; body 0 0 99; return 1
         request_body#4: body 0 0 99; return 0
         \
         response_body: body 1 0 99; return 1
         response_body#2: write 1 0 0 before-; write 1 99 0 -after; write 1 3 1 middle; body 1 0 99",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("six", false),
            RequestBody("", true),
            Response(STREAMED, false), ResponseBody("three", false), ResponseBody("four", false),
            ResponseBody("", true),
        ];
    body_resumed_in_the_same_callback:
        "request_body: resume 0; return 1\nrequest_body#3: return 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("", true),
            Response(EMPTY, true),
        ];
    body_watermark:
        "request_body: body 0 0 99; return 2\nrequest_body#3: body 0 0 99; return 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("six", false),
            RequestBody("", true),
            Response(EMPTY, true),
        ];
    body_no_buffer:
        "request_body: body 0 0 99; return 3\nrequest_body#3: body 0 0 99; return 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("six", false),
            RequestBody("", true),
            Response(EMPTY, true),
        ];
    body_passed_before_trailers:
        "request_body: return 0
         request_trailers: body 0 0 99; write 0 0 99 new; body 0 0 99
         response_body: return 0
         response_trailers: body 1 0 99; write 1 0 99 new; body 1 0 99",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS),
            Response(STREAMED, false), ResponseBody("two", false), ResponseTrailers(TRAILERS),
        ];
    body_without_parts_before_trailers:
        "request_trailers: body 0 0 99; write 0 0 99 new; body 0 0 99",
        [
            Request(CHUNKED, false), RequestTrailers(TRAILERS), Response(OK, false), ResponseBody("body", false),
            ResponseBody("", true),
        ];
    parts_pass_while_more_can_be_written:
        "request_body: write 0 0 99 A; return 1
         request_body#2: body 0 0 99; write 0 0 99 B; resume 0; return 1
         request_body#3: body 0 0 99; write 0 0 99 C; resume 0; return 1
         request_trailers: body 0 0 99; write 0 9999 0 LAST; body 0 0 99
         response_body: write 1 0 99 A; return 1
         response_body#2: body 1 0 99; write 1 0 99 B; resume 1; return 1
         response_body#3: body 1 0 99; write 1 0 99 C; return 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("three", false),
            RequestTrailers(TRAILERS),
            Response(STREAMED, false), ResponseBody("four", false), ResponseBody("five", false), ResponseBody("", true),
        ];
    body_held_before_trailers:
        "request_body: body 0 0 99; return 1\nrequest_trailers: body 0 0 99; write 0 0 99 new; body 0 0 99",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestTrailers(TRAILERS),
            Response(EMPTY, true),
        ];
    body_resumed_by_a_call:
        "request_body: return 1
         request_body#2: call service :method=GET,:path=/call,:authority=service body - 1000; return 1
         http_call_response: effective 2; body 0 0 99; write 0 0 3 1; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("", true),
            Answer(EMPTY, "", NONE), Response(EMPTY, true),
        ];
    reply_in_request_headers:
        "request_headers: reply 403 details denied X-Denied=Yes,a=1,a=2 -1; add 0 a b; pairs 0; return 0
         response_headers: pairs 2; add 2 x-response 1; pairs 0\nresponse_body: body 1 0 99",
        [Request(GET, true)];
    reply_without_body:
        "request_headers: reply 204 - - - -1; return 1\nresponse_headers: pairs 2", [Request(GET, true)];
    reply_twice:
        "request_headers: reply 403 - first - -1; reply 404 - second - -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_in_request_body:
        "request_body: reply 413 - large - -1; return 0\nresponse_headers: pairs 2",
        [Request(CHUNKED, false), RequestBody("one", false)];
    reply_from_a_call:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         http_call_response: effective 2; reply 401 - no - -1; add 0 a b
         response_headers: pairs 2",
        [Request(GET, true), Answer(EMPTY, "", NONE)];
    reply_in_response_headers:
        "response_headers: reply 502 - bad x-a=1 -1; pairs 2; return 0\nresponse_body: body 1 0 99",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    reply_in_response_body:
        "response_body: reply 502 - bad - -1; return 0",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    reset_of_a_stream:
        "request_headers: close 0; return 1", [Request(GET, true)];
    client_leaves: "request_headers: return 1", [Request(GET, true), Leave];
    response_edits:
        "response_headers: remove 2 content-length; replace 2 x-a 1\nresponse_body: write 1 0 4 longer-than-before",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    call_fails:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         http_call_response: answer; pairs 6; body 4 0 9; pairs 7; size 6; effective 2; resume 0",
        [Request(GET, true), Break, Response(EMPTY, true)];
    call_to_nobody:
        "request_headers: call nowhere :method=GET,:path=/call,:authority=service - - 1000; return 1
         http_call_response: answer; get 6 :status; pairs 7; effective 2; resume 0",
        [Request(GET, true), Unreachable, Response(EMPTY, true)];
    call_refused:
        "request_headers: call unknown :method=GET,:path=/call,:authority=service - - 1000; \
         call - :method=GET,:path=/,:authority=a - - 1000; \
         call service :method=GET,:path=/call - - 1000; call service - - - 1000; answer
         http_call_response: answer",
        [Request(GET, true), Response(EMPTY, true)];
    calls_have_numbers:
        "request_headers: call service :method=GET,:path=/1,:authority=s - - 1000; \
         call service :method=GET,:path=/2,:authority=s - - 1000; return 1
         http_call_response#2: effective 2; resume 0",
        [Request(GET, true), Answer(EMPTY, "", NONE), Answer(EMPTY, "", NONE), Response(EMPTY, true)];
    grpc_refused:
        "request_headers: send 5 text 1; cancel 9; cancel 4; send 4 text 0; answer
         grpc_close: answer",
        [Request(GET, true), Response(EMPTY, true)];
    grpc_call:
        "request_headers: grpc grpc Service Method hello 1000; return 1
         grpc_receive: body 5 0 99; pairs 4; pairs 5; answer; cancel 5; effective 2; resume 0
         grpc_close: answer; effective 2; resume 0",
        [Request(GET, true), GrpcAnswer("message"), Response(EMPTY, true)];
    grpc_call_fails:
        "request_headers: grpc grpc Service Method hello 1000; return 1
         grpc_receive: body 5 0 99; answer
         grpc_close: answer; body 5 0 9; effective 2; resume 0",
        [Request(GET, true), GrpcGarbage, Response(EMPTY, true)];
    grpc_stream:
        "request_headers: stream grpc Service Method a=b; send 6 hello 0; send 6 hello 1; send 6 late 1; return 1
         grpc_receive_initial_metadata: pairs 4; pairs 5; body 5 0 9
         grpc_receive: body 5 0 99; pairs 4; pairs 5
         grpc_receive_trailing_metadata: pairs 4; pairs 5; body 5 0 9
         grpc_close: answer; send 6 late 0; cancel 6; effective 2; resume 0",
        [Request(GET, true), GrpcAnswer("message"), Response(EMPTY, true)];
    grpc_stream_cancelled:
        "request_headers: stream grpc Service Method -; send 6 hello 0; cancel 6; send 6 late 0; cancel 6; \
         grpc grpc Service Method hello 1000; cancel 9; cancel 9
         grpc_close: answer",
        [Request(GET, true), Response(EMPTY, true)];
    grpc_stream_to_nobody:
        "request_headers: stream nowhere Service Method -; send 6 hello 0; return 1
         grpc_receive_initial_metadata: pairs 4
         grpc_receive_trailing_metadata: pairs 5
         grpc_close: answer; send 6 late 0; effective 2; resume 0",
        [Request(GET, true), Unreachable, Response(EMPTY, true)];
    calls_of_each_kind_have_numbers:
        "request_headers: call nowhere :method=GET,:path=/1,:authority=s - - 1000; \
         grpc grpc Service Method hello 1000; stream grpc Service Method -; stream grpc Service Method -; \
         call nowhere :method=GET,:path=/1,:authority=s - - 1000; grpc grpc Service Method hello 1000; cancel 9; \
         cancel 13; cancel 10; cancel 14; cancel 5; cancel 6; cancel 17; cancel 18",
        [Request(GET, true), Unreachable, Unreachable, Response(EMPTY, true)];
    grpc_stream_fails:
        "request_headers: stream grpc Service Method -; send 6 hello 1; return 1
         grpc_receive_initial_metadata: pairs 4
         grpc_receive_trailing_metadata: pairs 5
         grpc_close: answer; effective 2; resume 0",
        [Request(GET, true), GrpcGarbage, Response(EMPTY, true)];
    grpc_call_in_vain:
        "request_headers: grpc unknown Service Method hello 1000; stream unknown Service Method -; \
         grpc nowhere Service Method hello 1000; answer; return 1
         grpc_close: answer; cancel 5; effective 2; resume 0",
        [Request(GET, true), Unreachable, Response(EMPTY, true)];
    ticks: "configure: tick 20\ntick: tick 0; pairs 0; get 0 a; body 0 0 9; resume 0; done", [Tick];
    shared_data:
        "request_headers: shared k; share k v 77; shared k; share k w 77; share k w 1; shared k; share k - 0; \
         shared k; share - empty 0; shared -",
        [Request(GET, true), Response(EMPTY, true)];
    queues:
        "configure: resolve - q; resolve shared_queues q; resolve - none
         request_headers: enqueue 1 item; enqueue 99 item; dequeue 99; register q2; resolve - q2; resolve queues q2; \
         resolve other q2
         response_headers: dequeue 1",
        [Request(GET, true), Response(EMPTY, true)];
    metrics:
        "request_headers: metric 0 c; metric 0 c; metric 1 g; metric 2 h; metric 3 x; increment 9999 1; read 9999; \
         record 9999 1; \
         increment 8 1; increment 8 -1; increment 8 0; read 8; read 12; increment 9 -5; read 9; record 9 7; read 9; \
         record 10 3; increment 10 3; read 10; record 8 2; read 8",
        [Request(GET, true), Response(EMPTY, true)];
    properties:
        "context_create: property plugin_root_id; property request.path
         configure: property plugin_root_id; property plugin_vm_id; property request.path; property plugin_name; \
         property nonsense; property node.id
         request_headers: property request.path; property request.url_path; property request.host; \
         property request.method; property request.scheme; \
         property request.headers.x-repeated; property request.headers.none; property request.query; \
         property response.code; property response.headers.a; \
         property request.referer; property request.useragent; property request.id; property response; \
         property request; property request.none; \
         property route_name; property cluster_name; property plugin_root_id; property listener_direction; \
         property xds.listener_direction; property filter_state; \
         keep mine 1; property mine; keep my.path 2; property my.path; property filter_state.wasm~mine
         request_body: property request.path; property request.headers.x-repeated
         response_headers: property response.code; property request.path; property request.method; \
         property response.headers.content-length; property mine
         log: property response.code; property request.path; property request.headers.x-repeated; property mine
         done: property request.path
         delete: property request.path; property mine",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    istios_services:
        "response_headers: property xds.cluster_metadata.filter_metadata.istio.services.0.host; \
         property xds.cluster_metadata.filter_metadata.istio.services.0.name; \
         property xds.cluster_metadata.filter_metadata.istio.services.0.namespace; \
         property xds.cluster_metadata.filter_metadata.istio.services.1.namespace; \
         property xds.cluster_metadata.filter_metadata.istio.services.2.host; \
         property cluster_metadata.filter_metadata.istio.services.0.host; \
         property xds.listener_metadata.filter_metadata.istio.services.0.host",
        [Request(GET, true), Response(EMPTY, true)];
    properties_of_a_tick:
        "configure: tick 20; keep mine 1
         tick: tick 0; property plugin_root_id; property request.path; property mine; property node.id; keep mine 1",
        [Tick];
    wrong_numbers:
        "request_headers: pairs 99; size 99; get 99 a; add 99 a b; remove 99 a; set 99 a=b; body 99 0 9; \
         status-of 99; write 99 0 0 a; body 0 0 9; body 1 0 9; body 2 0 9; \
         body 4 0 9; body 5 0 9; body 6 0 9; body 7 0 9; body 8 0 9; resume 2; resume 3; resume 9; close 9; \
         effective 99; effective 1; effective 2; done; pairs 4; pairs 6; get 6 a; \
         tick 0; level; foreign nothing a; size 1; size 3; size 6; write 1 0 0 a; write 4 0 0 a; write 7 0 0 a",
        [Request(GET, true), Response(EMPTY, true)];
    foreign_functions:
        "request_headers: foreign clear_route_cache -; foreign uncompress garbage; foreign declare_property -; \
         foreign set_envoy_filter_state -",
        [Request(GET, true), Response(EMPTY, true)];
    tcp:
        "downstream_data: body 2 0 99; status-of 2; body 3 0 9; pairs 0; property request.path
         upstream_data: body 3 0 99; body 2 0 9",
        [Connect, FromClient("one"), FromUpstream("two"), FromClient("three"), CloseClient];
    tcp_held:
        "downstream_data: body 2 0 99; return 1
         downstream_data#3: body 2 0 99; write 2 0 3 new; body 2 0 99; return 0",
        [Connect, FromClient("one"), FromClient("two"), FromClient("six"), FromUpstream("back"), CloseClient];
    tcp_upstream_held:
        "upstream_data: body 3 0 99; return 1\nupstream_data#3: body 3 0 99; write 3 99 0 end; return 0",
        [Connect, FromClient("one"), FromUpstream("one"), FromUpstream("two"), FromUpstream("six"), CloseClient];
    tcp_resumed:
        "downstream_data: return 1\ndownstream_data#2: resume 2; resume 3; return 1\nupstream_data: body 2 0 9",
        [Connect, FromClient("one"), FromClient("two"), FromUpstream("back"), FromClient("three"), CloseClient];
    tcp_closed_by_the_filter:
        "downstream_data: close 2; return 1", [Connect, FromClient("one")];
    tcp_upstream_closed_by_the_filter:
        "upstream_data: close 3; return 1", [Connect, FromClient("one"), FromUpstream("two")];
    tcp_closed_by_the_upstream:
        "", [Connect, FromClient("one"), FromUpstream("two"), CloseUpstream];
    tcp_limit with LIMIT:
        "downstream_data#2: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         downstream_data: return 1
         downstream_data#3: body 2 0 99; return 0
         http_call_response: effective 2; body 2 0 99; resume 2",
        [
            Connect, FromClient(PART), FromClient(PART), FromClient("more"), Answer(EMPTY, "", NONE),
            FromUpstream("back"), CloseClient,
        ];
    tcp_trap: "downstream_data: trap", [Connect, FromClient("one")];
    tcp_trap_open with OPEN: "downstream_data: trap", [Connect, FromClient("one"), FromUpstream("two"), CloseClient];
    request_limit with LIMIT:
        "request_body: body 0 0 99; return 1\nresponse_headers: pairs 2; add 2 a b\nresponse_body: body 1 0 99",
        [Request(CHUNKED, false), RequestBody(PART, false), RequestBody(PART, false)];
    request_limit_in_one_part with LIMIT:
        "request_body: body 0 0 9; return 1
         response_headers: pairs 2",
        [Request(CHUNKED, false), RequestBody(LARGE, false)];
    request_limit_is_not_passed with LIMIT:
        "request_body: return 1\nrequest_body#3: body 0 0 99; return 0",
        [
            Request(CHUNKED, false), RequestBody(PART, false), RequestBody("one", false), RequestBody("", true),
            Response(EMPTY, true),
        ];
    request_limit_by_a_write with LIMIT:
        "request_body: return 1
         request_body#2: write 0 0 0 0123456789012345678901234567890123456789012345678901234567890123456789; \
         body 0 0 9; return 1",
        [Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false)];
    request_limit_while_headers_wait with LIMIT:
        "request_headers: return 3\nrequest_body: body 0 0 99\nresponse_headers: pairs 2",
        [Request(CHUNKED, false), RequestBody(PART, false), RequestBody(PART, false)];
    request_limit_behind_a_response_that_has_begun with LIMIT:
        "request_body: return 1",
        [
            Request(CHUNKED, false), Response(STREAMED, false), ResponseBody("one", false),
            RequestBody(PART, false), RequestBody(PART, false),
        ];
    request_limit_behind_a_response_whose_headers_wait with LIMIT:
        "request_body: return 1\nresponse_headers: return 1",
        [Request(CHUNKED, false), Response(STREAMED, false), RequestBody(PART, false), RequestBody(PART, false)];
    request_limit_behind_a_response_whose_body_waits with LIMIT:
        "request_body: return 1\nresponse_body: return 1",
        [
            Request(CHUNKED, false), Response(STREAMED, false), ResponseBody("one", false),
            RequestBody(PART, false), RequestBody(PART, false),
        ];
    request_limit_in_one_part_behind_a_response_that_has_begun with LIMIT:
        "request_body: return 1",
        [Request(CHUNKED, false), Response(STREAMED, false), RequestBody(LARGE, false)];
    request_is_not_read_while_headers_wait with LIMIT:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body: body 0 0 99
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody(PART, false), RequestBody(PART, false), RequestBody("one", false),
            RequestBody("", true),
            Answer(EMPTY, "", NONE), Response(EMPTY, true),
        ];
    request_is_refused_behind_headers_that_wait_for_a_call with LIMIT:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 3
         request_body: body 0 0 99; return 1
         http_call_response: effective 2; resume 0
         response_headers: pairs 2",
        [
            Request(CHUNKED, false), RequestBody(PART, false), RequestBody(PART, false), RequestBody("one", false),
            RequestBody("", true),
        ];
    request_is_refused_behind_headers_that_waited with LIMIT:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 3
         request_body: body 0 0 99; return 1
         http_call_response: effective 2; resume 0
         response_headers: pairs 2",
        [
            Request(CHUNKED, false), RequestBody(PART, false), Answer(EMPTY, "", NONE), RequestBody(PART, false),
            RequestBody("one", false),
        ];
    request_is_not_read_past_the_watermark with LIMIT:
        "request_body: body 0 0 99; return 2
         request_body#2: body 0 0 99; call service :method=GET,:path=/call,:authority=service - - 1000; return 2
         request_body#3: body 0 0 99; return 0
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody(PART, false), RequestBody(PART, false), RequestBody("one", false),
            RequestBody("", true),
            Answer(EMPTY, "", NONE), Response(EMPTY, true),
        ];
    request_watermark_and_then_buffer:
        "request_body: body 0 0 99; return 2
         request_body#2: body 0 0 99; return 1
         request_body#3: body 0 0 99; return 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("six", false),
            RequestBody("", true),
            Response(EMPTY, true),
        ];
    response_limit with LIMIT:
        "response_body: body 1 0 99; return 1",
        [Request(GET, true), Response(STREAMED, false), ResponseBody(PART, false), ResponseBody(PART, false)];
    response_limit_in_one_part with LIMIT:
        "response_body: body 1 0 9; return 1",
        [Request(GET, true), Response(STREAMED, false), ResponseBody(LARGE, false)];
    response_limit_while_headers_wait with LIMIT:
        "response_headers: return 3",
        [Request(GET, true), Response(STREAMED, false), ResponseBody(PART, false), ResponseBody(PART, false)];
    response_is_kept_past_the_limit_behind_headers_that_waited with LIMIT:
        "response_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         response_body: body 1 0 99; return 1
         http_call_response: effective 2; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody(PART, false), ResponseBody(PART, false),
            ResponseBody("one", false),
            ResponseBody("", true), Answer(EMPTY, "", NONE),
        ];
    response_is_not_read_past_the_watermark with LIMIT:
        "response_body: body 1 0 99; return 2
         response_body#2: body 1 0 99; call service :method=GET,:path=/call,:authority=service - - 1000; return 2
         response_body#3: body 1 0 99; return 0
         http_call_response: effective 2; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody(PART, false), ResponseBody(PART, false),
            ResponseBody("one", false),
            ResponseBody("", true), Answer(EMPTY, "", NONE),
        ];
    metrics_of_another_vm:
        "request_headers: metric 1 g; metric 0 c; metric 0 other; read 4; read 8; read 5; increment 4 10; read 4; \
         record 5 1
         response_headers: read 4; read 5; metric 0 c; read 12",
        [Request(GET, true), Response(EMPTY, true)];
    call_times_out:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 50; return 1
         http_call_response: answer; pairs 6; body 4 0 99; effective 2; resume 0",
        [Request(GET, true), TimeOut, Response(EMPTY, true)];
    grpc_to_nobody:
        "request_headers: grpc nowhere service method text 1000; grpc unknown service method text 1000; return 1
         grpc_close: answer; effective 2; resume 0",
        [Request(GET, true), Unreachable, Response(EMPTY, true)];
    trap: "request_headers: trap", [Request(GET, true), Again, Request(GET, true)];
    trap_in_a_body:
        "request_body: trap",
        [Request(CHUNKED, false), RequestBody("one", false), Again, Request(GET, true)];
    trap_in_a_response: "response_headers: trap", [Request(GET, true), Response(EMPTY, true)];
    trap_in_a_response_body:
        "response_body: trap",
        [Request(GET, true), Response(STREAMED, false), ResponseBody("one", false)];
    trap_open with OPEN: "request_headers: trap", [Request(GET, true)];
    trap_open_and_another with OPEN:
        "request_headers: trap",
        [Request(GET, true), Again, Request(GET, true), Response(EMPTY, true)];
    trap_reload with RELOAD:
        "request_body: trap",
        [Request(CHUNKED, false), RequestBody("one", false), Again, Request(GET, true), Response(EMPTY, true)];
    trap_reload_too_soon with RELOAD:
        "request_body: trap",
        [
            Request(CHUNKED, false), RequestBody("one", false), Again, Request(CHUNKED, false),
            RequestBody("one", false), Again, Request(GET, true),
        ];
    watermark_buffer_and_go_on:
        "request_body: return 2
         request_body#2: return 1
         request_body#3: write 0 0 3 new; return 2
         request_body#4: body 0 0 99; return 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("six", false),
            RequestBody("", true),
            Response(EMPTY, true),
        ];
    grpc_without_a_name:
        "request_headers: grpc nowhere - method text 1000; grpc nowhere service - text 1000; return 1
         grpc_close#2: effective 2; resume 0",
        [Request(GET, true), Unreachable, Unreachable, Response(EMPTY, true)];
    repeats_that_come:
        "request_headers: pairs 0; get 0 cookie; get 0 via; get 0 host; get 0 :authority\nresponse_headers: pairs 2",
        [Request(REPEATS, true), Response(REPEATS_BACK, true)];
    repeats_of_a_request:
        "request_headers: add 0 user-agent 1; add 0 user-agent 2; add 0 via 1; add 0 via 2; add 0 x-forwarded-for 1; \
         add 0 x-forwarded-for 2; add 0 x-request-id 1; \
         add 0 x-request-id 2; add 0 cookie 1; add 0 cookie 2; add 0 content-type 1; add 0 content-type 2; \
         add 0 accept 1; add 0 accept 2; \
         add 0 accept-encoding 1; add 0 accept-encoding 2; add 0 accept-language 1; add 0 accept-language 2; \
         add 0 authorization 1; add 0 authorization 2; \
         add 0 cache-control 1; add 0 cache-control 2; add 0 referer 1; add 0 referer 2; add 0 origin 1; \
         add 0 origin 2; add 0 te 1; add 0 te 2; \
         add 0 grpc-timeout 1; add 0 grpc-timeout 2; add 0 if-none-match 1; add 0 if-none-match 2; add 0 if-range 1; \
         add 0 if-range 2; add 0 range 1; \
         add 0 range 2; add 0 expect 1; add 0 expect 2; add 0 x-envoy-retry-on 1; add 0 x-envoy-retry-on 2; \
         add 0 x-custom 1; add 0 x-custom 2; \
         add 0 content-encoding 1; add 0 content-encoding 2; add 0 pragma 1; add 0 pragma 2; \
         add 0 x-forwarded-proto 1; add 0 x-forwarded-proto 2; \
         add 0 x-real-ip 1; add 0 x-real-ip 2; add 0 grpc-accept-encoding 1; add 0 grpc-accept-encoding 2; \
         add 0 upgrade 1; add 0 upgrade 2; \
         add 0 access-control-request-method 1; add 0 access-control-request-method 2; add 0 traceparent 1; \
         add 0 traceparent 2; add 0 server 1; add 0 server 2; \
         add 0 vary 1; add 0 vary 2; add 0 etag 1; add 0 etag 2; add 0 host 1; add 0 host 2; pairs 0; size 0; \
         replace 0 via 3; replace 0 host other; pairs 0; \
         remove 0 host; pairs 0; reply 200 - - - -1; return 1",
        [Request(GET, true)];
    repeats_of_a_response:
        "response_headers: add 2 content-type 1; add 2 content-type 2; add 2 server 1; add 2 server 2; add 2 via 1; \
         add 2 via 2; add 2 vary 1; add 2 vary 2; add 2 set-cookie 1; \
         add 2 set-cookie 2; add 2 etag 1; add 2 etag 2; add 2 cache-control 1; add 2 cache-control 2; \
         add 2 location 1; add 2 location 2; \
         add 2 content-encoding 1; add 2 content-encoding 2; add 2 grpc-status 1; add 2 grpc-status 2; \
         add 2 grpc-message 1; add 2 grpc-message 2; \
         add 2 x-custom 1; add 2 x-custom 2; add 2 expires 1; add 2 expires 2; add 2 age 1; add 2 age 2; \
         add 2 last-modified 1; add 2 last-modified 2; \
         add 2 access-control-allow-origin 1; add 2 access-control-allow-origin 2; add 2 www-authenticate 1; \
         add 2 www-authenticate 2; add 2 upgrade 1; \
         add 2 upgrade 2; add 2 x-request-id 1; add 2 x-request-id 2; add 2 proxy-status 1; add 2 proxy-status 2; \
         add 2 link 1; add 2 link 2; add 2 user-agent 1; \
         add 2 user-agent 2; add 2 accept 1; add 2 accept 2; add 2 x-forwarded-for 1; add 2 x-forwarded-for 2; \
         pairs 2; size 2; replace 2 via 3; pairs 2; reply 200 - - - -1; return 1",
        [Request(GET, true), Response(EMPTY, true)];
    repeats_in_trailers:
        "response_trailers: add 3 grpc-status 1; add 3 grpc-status 2; add 3 grpc-message 1; add 3 grpc-message 2; \
         add 3 via 1; add 3 via 2; add 3 x-custom 1; add 3 x-custom 2; pairs 3; set 3 a=b",
        [Request(GET, true), Response(STREAMED, false), ResponseBody("two", false), ResponseTrailers(TRAILERS)];
    repeats_of_pseudo_headers:
        "request_headers: add 0 :path /2; add 0 :method PUT; add 0 :authority b; add 0 :scheme https; pairs 0; \
         reply 200 - - - -1; return 1",
        [Request(GET, true)];
    repeats_that_are_set:
        "request_headers: set 0 :method=PUT,:path=/set,:authority=set,:scheme=http,via=1,via=2,cookie=a,cookie=b,x=1,\
         x=2; pairs 0; \
         reply 200 - - vary=a,vary=b,via=1,via=2,set-cookie=a,set-cookie=b,server=s,server=t -1; return 1
         response_headers: pairs 2; set 2 :status=200,via=1,via=2,x=1,x=2; pairs 2",
        [Request(GET, true)];
    http_closed_as_a_connection:
        "request_headers: close 2; close 3; return 0
         response_headers: close 2",
        [Request(GET, true), Response(EMPTY, true)];
    response_reset: "response_headers: close 1", [Request(GET, true), Response(EMPTY, true)];
    tcp_closed_as_http:
        "downstream_data: close 0; close 1",
        [Connect, FromClient("one"), FromClient("two"), FromUpstream("three"), CloseClient];
    tcp_answered:
        "downstream_data: reply 403 - no - -1",
        [Connect, FromClient("one"), FromClient("two"), FromUpstream("three"), CloseClient];
    tcp_answers_of_nothing:
        "downstream_data: return 2
         downstream_data#2: body 2 0 99; return 3
         downstream_data#3: body 2 0 99; return 9
         downstream_data#4: body 2 0 99; return 0",
        [
            Connect, FromClient("one"), FromClient("two"), FromClient("three"), FromClient("four"),
            FromUpstream("three"), CloseClient,
        ];
    ticks_that_answer:
        "configure: tick 20
         tick: tick 0; reply 403 - no - -1; close 0; close 1; close 2; close 3; resume 0; resume 2",
        [Tick];
    data_answers_of_nothing:
        "request_body: body 0 0 99; return 4
         request_body#2: body 0 0 99; return 77
         response_body: body 1 0 99; return 4",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestBody("six", false),
            RequestBody("", true),
            Response(STREAMED, false), ResponseBody("three", false), ResponseBody("four", false),
            ResponseBody("", true),
        ];
    header_answers_of_nothing: "request_headers: return 77", [Request(GET, true)];
    grpc_call_closed:
        "request_headers: grpc grpc Service Method hello 1000; finish 5; finish 5; cancel 5; finish 9; finish 4; \
         answer; return 0
         grpc_close: answer",
        [Request(GET, true), Response(EMPTY, true)];
    grpc_stream_closed:
        "request_headers: stream grpc Service Method -; send 6 hello 0; finish 6; finish 6; send 6 late 0; return 1
         grpc_receive_initial_metadata: pairs 4
         grpc_receive: body 5 0 99
         grpc_close: answer; finish 6; effective 2; resume 0",
        [Request(GET, true), GrpcAnswer("message"), Response(EMPTY, true)];
    grpc_call_times_out:
        "request_headers: grpc grpc Service Method hello 50; return 1\ngrpc_close: answer; effective 2; resume 0",
        [Request(GET, true), TimeOut, Response(EMPTY, true)];
    reply_to_grpc:
        "request_headers: reply 403 - 100%-denied a=1 7; return 1
         response_headers: pairs 2; add 2 grpc-message more
         response_body: body 1 0 9",
        [Request(GRPC, false)];
    reply_to_grpc_without_status:
        "request_headers: reply 403 - denied content-type=text/x -1; return 1
         response_headers: pairs 2",
        [Request(GRPC, false)];
    reply_to_grpc_without_body:
        "request_headers: reply 200 - - - 0; return 1
         response_headers: pairs 2",
        [Request(GRPC, false)];
    reply_to_grpc_of_a_status_without_twin:
        "request_headers: reply 418 - - - -1; return 1
         response_headers: pairs 2",
        [Request(GRPC, false)];
    reply_to_grpc_in_response_headers:
        "response_headers: reply 503 - busy - -1; return 0",
        [Request(GRPC, false), RequestBody("", true), Response(EMPTY, true)];
    reply_to_head:
        "request_headers: reply 403 - denied - -1; return 1
         response_headers: pairs 2
         response_body: body 1 0 9",
        [Request(HEAD, true)];
    reply_with_a_grpc_status:
        "request_headers: reply 403 - denied - 7; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_with_headers_of_a_body:
        "request_headers: reply 403 - - content-length=5,content-type=a/b -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_with_a_body_and_its_headers:
        "request_headers: reply 403 - body content-length=77,content-type=a/b,:status=500 -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    logs_and_time:
        "request_headers: log 5 critical; log 6 six; log 4294967295 most; log 0 trace; time",
        [Request(GET, true), Response(EMPTY, true)];
    queue_ready:
        "request_headers: register ready; enqueue last one; enqueue last two
         queue_ready: dequeue last; dequeue last; dequeue last
         queue_ready#2: dequeue last
         response_headers: enqueue last three",
        [Request(GET, true), Response(STREAMED, false), ResponseBody("two", false), ResponseBody("", true)];
    done_of_a_stream: "done: done; return 0\nlog: done", [Request(GET, true), Response(EMPTY, true)];
}
