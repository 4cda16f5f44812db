//! Modules that trap, under each failure policy.

use super::*;

scenarios! {
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
}
