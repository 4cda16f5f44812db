//! Replies in place of a message, resets, and clients that leave.

use super::*;

scenarios! {
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
    http_closed_as_a_connection:
        "request_headers: close 2; close 3; return 0
         response_headers: close 2",
        [Request(GET, true), Response(EMPTY, true)];
    response_reset: "response_headers: close 1", [Request(GET, true), Response(EMPTY, true)];
    ticks_that_answer:
        "configure: tick 20
         tick: tick 0; reply 403 - no - -1; close 0; close 1; close 2; close 3; resume 0; resume 2",
        [Tick];
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
}
