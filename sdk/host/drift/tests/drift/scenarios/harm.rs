//! Actions that end an Envoy, or make it send or complete a message twice. Each needs an Envoy of
//! its own.

use super::*;
use crate::Harm;

const ENDS: Setup = Setup { harm: Harm::Ends, ..Setup::DEFAULT };

scenarios! {
    reply_twice_from_the_response with ENDS:
        "response_headers: reply 401 - first a=1 -1; reply 402 - second b=2 -1; return 1",
        [Request(GET, true), Response(EMPTY, true)];
    reply_and_reset with ENDS: "request_headers: reply 401 - first - -1; close 0; return 1", [Request(GET, true)];
    response_resumed_before_it_begins with ENDS:
        "request_headers: resume 1; return 0",
        [Request(GET, true), Response(EMPTY, true)];
    response_resumed_while_the_request_waits with ENDS: "request_headers: resume 1; return 1", [Request(GET, true)];
    response_resumed_in_the_body with ENDS:
        "request_body: resume 1; return 1",
        [Request(CHUNKED, false), RequestBody("one", false)];
    response_resumed_from_a_call with ENDS:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         http_call_response: effective 2; resume 1",
        [Request(GET, true), Answer(EMPTY, "", NONE)];
    request_resumed_and_gone with ENDS:
        "request_headers: resume 0; return 0",
        [Request(GET, true), Response(EMPTY, true)];
    request_of_a_body_resumed_and_gone with ENDS:
        "request_headers: resume 0; return 0",
        [Request(CHUNKED, false), RequestBody("one", false), RequestBody("", true)];
    response_resumed_and_gone with ENDS:
        "response_headers: resume 1; return 0",
        [Request(GET, true), Response(EMPTY, true)];
    reply_in_the_log with ENDS: "log: reply 403 - late - -1", [Request(GET, true), Response(EMPTY, true)];
    reply_in_done with ENDS: "done: reply 403 - late - -1", [Request(GET, true), Response(EMPTY, true)];
    reply_in_delete with ENDS: "delete: reply 403 - late - -1", [Request(GET, true), Response(EMPTY, true)];
    grpc_to_a_name_that_is_a_message with ENDS:
        "request_headers: grpc users Service Method hello 1000",
        [Request(GET, true)];
    grpc_to_no_name with ENDS: "request_headers: grpc - Service Method hello 1000", [Request(GET, true)];
    grpc_stream_to_a_name_that_is_a_message with ENDS:
        "request_headers: stream empty Service Method -",
        [Request(GET, true)];
    response_trailers_resumed_and_gone with ENDS:
        "response_trailers: resume 1; return 0",
        [Request(GET, true), Response(STREAMED, false), ResponseBody("two", false), ResponseTrailers(TRAILERS)];
    request_trailers_resumed_and_gone with ENDS:
        "request_trailers: resume 0; return 0",
        [Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS), Response(EMPTY, true)];
    request_trailers_resumed_again with ENDS:
        "request_trailers: call service :method=GET,:path=/call,:authority=service - - 1000; return 0
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS), Answer(EMPTY, "", NONE),
            Response(EMPTY, true),
        ];
    grpc_stream_behind_a_call_that_failed with ENDS:
        "request_headers: call nobody :method=GET,:path=/call,:authority=service - - 1000; \
         stream nobody Service Method -",
        [Request(GET, true)];
    grpc_stream_behind_a_grpc_call_that_failed with ENDS:
        "request_headers: grpc nobody Service Method hello 1000; stream nobody Service Method -", [Request(GET, true)];
    grpc_stream_behind_a_grpc_stream_that_failed with ENDS:
        "request_headers: stream nobody Service Method -; stream nobody Service Method -", [Request(GET, true)];
    grpc_stream_behind_a_call_that_failed_in_a_tick with ENDS:
        "request_headers: tick 20
         tick: tick 0; call nobody :method=GET,:path=/call,:authority=service - - 1000; stream nobody Service Method -",
        [Request(GET, true), Tick];
    grpc_stream_opened_again_where_nobody_is with ENDS:
        "request_headers: stream nobody Service Method -
         grpc_close: stream nobody Service Method -",
        [Request(GET, true)];
}
