//! Bytes that are written where nothing is left of a body, and bodies with trailers that waited for
//! the headers.

use super::*;

scenarios! {
    what_is_written_into_the_empty_end_of_a_resumed_request_is_lost:
        "request_body: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body#2: write 0 1000 0 ADD; return 0
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), Answer(EMPTY, "", NONE), RequestBody("", true),
            Response(EMPTY, true),
        ];
    what_is_written_before_the_trailers_of_a_resumed_request_is_lost:
        "request_body: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_trailers: write 0 1000 0 ADD; return 0
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), Answer(EMPTY, "", NONE),
            RequestTrailers(TRAILERS), Response(EMPTY, true),
        ];
    what_is_written_into_the_empty_end_of_a_resumed_request_goes_on_by_a_resume:
        "request_body: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body#2: write 0 1000 0 ADD; resume 0; return 1
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), Answer(EMPTY, "", NONE), RequestBody("", true),
            Response(EMPTY, true),
        ];
    what_is_written_before_the_trailers_of_a_resumed_request_goes_on_by_a_resume:
        "request_body: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_trailers: write 0 1000 0 ADD; resume 0; return 1
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), Answer(EMPTY, "", NONE),
            RequestTrailers(TRAILERS), Response(EMPTY, true),
        ];
    what_is_written_before_the_trailers_of_a_kept_request_goes_on:
        "request_body: return 1
         request_trailers: write 0 1000 0 ADD",
        [Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS), Response(EMPTY, true)];
    a_request_with_trailers_that_waited_is_lost_if_it_is_kept:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body: return 1
         request_trailers: body 0 0 99; write 0 1000 0 ADD
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS),
            Answer(EMPTY, "", NONE), Response(EMPTY, true),
        ];
    a_request_with_trailers_that_waited_goes_on:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_trailers: body 0 0 99
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS),
            Answer(EMPTY, "", NONE), Response(EMPTY, true),
        ];
    a_request_with_trailers_that_waited_is_shown_again_by_a_resume:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body: return 1
         request_body#2: body 0 0 99
         request_trailers: write 0 1000 0 ADD; resume 0; return 1
         request_trailers#2: return 0
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS),
            Answer(EMPTY, "", NONE), Response(EMPTY, true),
        ];
    a_request_with_trailers_that_waited_goes_on_from_a_call:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body: return 1
         request_trailers: write 0 1000 0 ADD; call service :method=GET,:path=/,:authority=service - - 1000; return 1
         http_call_response: effective 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS),
            Answer(EMPTY, "", NONE), Answer(EMPTY, "", NONE), Response(EMPTY, true),
        ];
    what_is_written_into_the_empty_end_of_a_resumed_response_is_lost:
        "response_body: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         response_body#2: write 1 1000 0 ADD; return 0
         http_call_response: effective 2; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody("one", false), Answer(EMPTY, "", NONE),
            ResponseBody("", true),
        ];
    what_is_written_before_the_trailers_of_a_resumed_response_is_lost:
        "response_body: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         response_trailers: write 1 1000 0 ADD; return 0
         http_call_response: effective 2; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody("one", false), Answer(EMPTY, "", NONE),
            ResponseTrailers(TRAILERS),
        ];
    what_is_written_into_the_empty_end_of_a_resumed_response_goes_on_by_a_resume:
        "response_body: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         response_body#2: write 1 1000 0 ADD; resume 1; return 1
         http_call_response: effective 2; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody("one", false), Answer(EMPTY, "", NONE),
            ResponseBody("", true),
        ];
    what_is_written_before_the_trailers_of_a_resumed_response_goes_on_by_a_resume:
        "response_body: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         response_trailers: write 1 1000 0 ADD; resume 1; return 1
         http_call_response: effective 2; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody("one", false), Answer(EMPTY, "", NONE),
            ResponseTrailers(TRAILERS),
        ];
    what_is_written_before_the_trailers_of_a_kept_response_goes_on:
        "response_body: return 1
         response_trailers: write 1 1000 0 ADD",
        [Request(GET, true), Response(STREAMED, false), ResponseBody("one", false), ResponseTrailers(TRAILERS)];
    a_response_with_trailers_that_waited_is_lost_if_it_is_kept:
        "response_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         response_body: return 1
         response_trailers: body 1 0 99; write 1 1000 0 ADD
         http_call_response: effective 2; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody("one", false),
            ResponseTrailers(TRAILERS), Answer(EMPTY, "", NONE),
        ];
    a_response_with_trailers_that_waited_goes_on:
        "response_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         response_trailers: body 1 0 99
         http_call_response: effective 2; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody("one", false),
            ResponseTrailers(TRAILERS), Answer(EMPTY, "", NONE),
        ];
    a_response_with_trailers_that_waited_is_shown_again_by_a_resume:
        "response_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         response_body: return 1
         response_body#2: body 1 0 99
         response_trailers: write 1 1000 0 ADD; resume 1; return 1
         response_trailers#2: return 0
         http_call_response: effective 2; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody("one", false),
            ResponseTrailers(TRAILERS), Answer(EMPTY, "", NONE),
        ];
    a_response_with_trailers_that_waited_goes_on_from_a_call:
        "response_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         response_body: return 1
         response_trailers: write 1 1000 0 ADD; call service :method=GET,:path=/,:authority=service - - 1000; return 1
         http_call_response: effective 2; resume 1",
        [
            Request(GET, true), Response(STREAMED, false), ResponseBody("one", false),
            ResponseTrailers(TRAILERS), Answer(EMPTY, "", NONE), Answer(EMPTY, "", NONE),
        ];
}
