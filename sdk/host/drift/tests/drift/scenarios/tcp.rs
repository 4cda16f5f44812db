//! Connections.

use super::*;

scenarios! {
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
}
