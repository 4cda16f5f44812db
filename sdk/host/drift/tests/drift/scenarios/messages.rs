//! Messages that pass, wait and go on, and edits of their headers.

use super::*;

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
    response_edits:
        "response_headers: remove 2 content-length; replace 2 x-a 1\nresponse_body: write 1 0 4 longer-than-before",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    header_answers_of_nothing: "request_headers: return 77", [Request(GET, true)];
}
