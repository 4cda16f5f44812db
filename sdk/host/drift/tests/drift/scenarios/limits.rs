//! Bodies and data over the proxy's limit.

use super::*;

scenarios! {
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
}
