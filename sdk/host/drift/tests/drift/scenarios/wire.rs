//! Bytes that filters put on the wire and that no peer should get, and Envoy's treatment of them.

use super::*;
use crate::Harm;

const GARBLES: Setup = Setup { harm: Harm::Garbles, ..Setup::DEFAULT };

const VIA: Pairs = &[("via", "r0")];
const VARIES: Pairs = &[(":status", "200"), ("content-length", "0"), ("vary", "")];

scenarios! {
    empty_values_of_joined_names:
        "request_headers: add 0 via -; pairs 0; add 0 via r1; add 0 accept -; add 0 accept -; add 0 accept v2; \
         add 0 x-custom -; add 0 x-custom 2; pairs 0
         response_headers: add 2 vary -; pairs 2; add 2 vary v2; add 2 via -; add 2 via -; add 2 x-custom -; pairs 2; \
         set 2 :status=200,vary=,vary=a,vary=,via=1,via=; pairs 2",
        [Request(VIA, true), Response(VARIES, true)];
    empty_values_of_joined_names_in_trailers:
        "response_trailers: add 3 grpc-message -; add 3 grpc-message text; add 3 via -; add 3 via 2; pairs 3",
        [Request(GET, true), Response(STREAMED, false), ResponseBody("two", false), ResponseTrailers(TRAILERS)];
    code_of_an_edited_status:
        "response_headers: replace 2 :status 201; property response.code
         response_body: property response.code
         log: property response.code; get 2 :status",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    code_of_an_edited_status_of_a_reply:
        "request_headers: property response.code; reply 403 - denied - -1; return 1
         response_headers: property response.code; replace 2 :status 201; property response.code
         response_body: property response.code\nlog: property response.code; get 2 :status",
        [Request(GET, true)];
    request_without_path:
        "request_headers: remove 0 :path
         response_headers: pairs 2
         response_body: body 1 0 99
         log: property response.code",
        [Request(GET, true)];
    request_without_method:
        "request_headers: remove 0 :method
         response_headers: pairs 2
         response_body: body 1 0 99
         log: property response.code",
        [Request(GET, true)];
    request_without_authority:
        "request_headers: remove 0 :authority
         response_headers: pairs 2
         response_body: body 1 0 99",
        [Request(GET, true), Response(EMPTY, true)];
    request_without_scheme:
        "request_headers: remove 0 :scheme
         response_headers: pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    request_without_headers:
        "request_headers: set 0 -
         response_headers: pairs 2
         response_body: body 1 0 99",
        [Request(GET, true)];
    request_of_other_headers:
        "request_headers: set 0 x-only=1
         response_headers: pairs 2
         response_body: body 1 0 99",
        [Request(GET, true)];
    request_of_an_empty_method:
        "request_headers: replace 0 :method -
         response_headers: pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    request_of_an_empty_path: "request_headers: replace 0 :path -\nresponse_headers: pairs 2", [Request(GET, true)];
    request_of_an_odd_path:
        "request_headers: replace 0 :path no-slash%01
         response_headers: pairs 2",
        [Request(GET, true)];
    request_without_path_of_a_body:
        "request_headers: remove 0 :path\nresponse_headers: pairs 2", [Request(CHUNKED, false)];
    response_without_status:
        "response_headers: remove 2 :status; pairs 2
         response_body: body 1 0 99
         log: pairs 2; property response.code",
        [Request(GET, true), Response(EMPTY, true)];
    response_without_status_and_with_a_body:
        "response_headers: remove 2 :status\nresponse_body: body 1 0 99\nlog: pairs 2",
        [Request(GET, true), Response(OK, false)];
    response_without_headers: "response_headers: set 2 -; pairs 2", [Request(GET, true), Response(EMPTY, true)];
    response_of_other_headers: "response_headers: set 2 x-only=1; pairs 2", [Request(GET, true), Response(EMPTY, true)];
    response_of_letters:
        "response_headers: replace 2 :status abc; pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    response_of_zero with GARBLES: "response_headers: replace 2 :status 0", [Request(GET, true), Response(EMPTY, true)];
    response_of_two_digits with GARBLES:
        "response_headers: replace 2 :status 99",
        [Request(GET, true), Response(EMPTY, true)];
    response_of_six_hundred: "response_headers: replace 2 :status 600", [Request(GET, true), Response(EMPTY, true)];
    response_of_four_digits with GARBLES:
        "response_headers: replace 2 :status 1000",
        [Request(GET, true), Response(EMPTY, true)];
    response_of_many_digits:
        "response_headers: replace 2 :status 99999999999999999999",
        [Request(GET, true), Response(EMPTY, true)];
    response_of_an_empty_status: "response_headers: replace 2 :status -", [Request(GET, true), Response(EMPTY, true)];
    response_of_two_statuses:
        "response_headers: add 2 :status 201; pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    reply_without_status_in_the_end:
        "request_headers: reply 403 - denied - -1; return 1
         response_headers: remove 2 :status",
        [Request(GET, true)];
    reply_again_in_response_headers:
        "request_headers: reply 401 - first a=1 -1; return 1
         response_headers: pairs 2; reply 402 - second b=2 -1; pairs 2; return 1
         response_headers#2: pairs 2
         response_body: body 1 0 99
         log: pairs 2; property response.code",
        [Request(GET, true)];
    reply_again_in_response_headers_and_go_on:
        "request_headers: reply 401 - first a=1 -1; return 1
         response_headers: reply 402 - second b=2 -1; return 0
         response_body: body 1 0 99",
        [Request(GET, true)];
    reply_again_in_response_body:
        "request_headers: reply 401 - first a=1 -1; return 1
         response_body: body 1 0 99; reply 402 - second b=2 -1; body 1 0 99; return 1",
        [Request(GET, true)];
    reply_again_in_response_body_and_go_on:
        "request_headers: reply 401 - first a=1 -1; return 1
         response_body: reply 402 - second b=2 -1; return 0",
        [Request(GET, true)];
    reply_again_from_a_call:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         http_call_response: effective 2; reply 401 - first - -1\nresponse_headers: reply 402 - second - -1; return 0",
        [Request(GET, true), Answer(EMPTY, "", NONE)];
    reply_in_response_headers_and_body:
        "response_headers: reply 401 - first a=1 -1; return 0\nresponse_body: reply 402 - second b=2 -1; return 0",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    reply_and_resume:
        "request_headers: reply 401 - first - -1; resume 0; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_and_resume_and_go_on:
        "request_headers: reply 401 - first - -1; resume 0; return 0
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_and_resume_from_a_call:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         http_call_response: effective 2; reply 401 - no - -1; resume 0; pairs 0",
        [Request(GET, true), Answer(EMPTY, "", NONE)];
    resume_and_reply_from_a_call:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body: body 0 0 99; return 1
         http_call_response: effective 2; resume 0; reply 401 - no - -1",
        [Request(CHUNKED, false), RequestBody("one", false), RequestBody("", true), Answer(EMPTY, "", NONE)];
    resume_and_reply_from_a_call_before_trailers:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body: body 0 0 99; return 1\nrequest_trailers: pairs 1; return 1
         http_call_response: effective 2; resume 0; reply 401 - no - -1",
        [Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS), Answer(EMPTY, "", NONE)];
    resume_of_a_body_and_reply_from_a_call:
        "request_body: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         request_body#2: return 1
         http_call_response: effective 2; resume 0; reply 401 - no - -1",
        [Request(CHUNKED, false), RequestBody("one", false), RequestBody("", true), Answer(EMPTY, "", NONE)];
    reply_and_body_edit_and_go_on:
        "request_body: reply 401 - first - -1; write 0 0 9 new; return 0",
        [Request(CHUNKED, false), RequestBody("one", false)];
    call_to_a_cluster_without_hosts:
        "request_headers: call nobody :method=GET,:path=/call,:authority=service - - 1000; answer; \
         call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         http_call_response: answer; pairs 6; effective 2; resume 0",
        [Request(GET, true), Answer(EMPTY, "", NONE), Response(EMPTY, true)];
    grpc_to_a_cluster_without_hosts:
        "request_headers: grpc nobody Service Method hello 1000; answer; cancel 5; \
         grpc grpc Service Method hello 1000; return 1
         grpc_receive_initial_metadata: pairs 4\ngrpc_receive_trailing_metadata: pairs 5
         grpc_receive: effective 2; resume 0\ngrpc_close: answer",
        [Request(GET, true), GrpcAnswer("message"), Response(EMPTY, true)];
    call_without_hosts_in_a_tick:
        "configure: tick 20
         tick: tick 0; call nobody :method=GET,:path=/call,:authority=service - - 1000; \
         grpc nobody Service Method hello 1000",
        [Tick];
    body_passes_by_trailers:
        "request_body: body 0 0 99; return 1
         request_trailers: return 0
         response_body: return 1
         response_trailers: body 1 0 99; return 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestBody("two", false), RequestTrailers(TRAILERS),
            Response(STREAMED, false), ResponseBody("three", false), ResponseBody("four", false),
            ResponseTrailers(TRAILERS),
        ];
    body_held_by_trailers:
        "request_body: return 1
         request_trailers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         http_call_response: effective 2; body 0 0 99; pairs 1; write 0 0 99 new; add 1 x-more 2; resume 0",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS), Answer(EMPTY, "", NONE),
            Response(EMPTY, true),
        ];
    body_dropped_and_trailers:
        "request_body: return 3\nrequest_trailers: body 0 0 99; write 0 0 99 new; return 0",
        [Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS), Response(EMPTY, true)];
    body_watermark_and_trailers:
        "request_body: return 2\nrequest_trailers: body 0 0 99; write 0 0 99 new; return 0",
        [Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS), Response(EMPTY, true)];
    body_gone_and_written_in_trailers:
        "request_trailers: body 0 0 99; write 0 0 99 new; return 0\nresponse_trailers: body 1 0 9; write 1 0 9 new",
        [
            Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS),
            Response(STREAMED, false), ResponseBody("three", false), ResponseTrailers(TRAILERS),
        ];
    no_body_and_trailers:
        "request_body: return 1\nrequest_trailers: body 0 0 99; write 0 0 99 new; return 0",
        [Request(CHUNKED, false), RequestTrailers(TRAILERS), Response(EMPTY, true)];
    crlf_request_value:
        "request_headers: add 0 x-a 1%0d%0ax-b:2; pairs 0
         response_headers: pairs 2
         response_body: body 1 0 199",
        [Request(GET, true)];
    crlf_request_replace:
        "request_headers: replace 0 x-mixed 1%0d%0ax-b:2; pairs 0
         response_headers: pairs 2
         response_body: body 1 0 199",
        [Request(GET, true)];
    crlf_request_name:
        "request_headers: add 0 x-a%0d%0ax-b 1; pairs 0
         response_headers: pairs 2
         response_body: body 1 0 199",
        [Request(GET, true)];
    lf_request_value:
        "request_headers: add 0 x-a 1%0ax-b:2
         response_headers: pairs 2
         response_body: body 1 0 199",
        [Request(GET, true)];
    nul_request_value:
        "request_headers: add 0 x-a 1%002
         response_headers: pairs 2
         response_body: body 1 0 199",
        [Request(GET, true)];
    space_request_name:
        "request_headers: add 0 x%20a 1
         response_headers: pairs 2
         response_body: body 1 0 199",
        [Request(GET, true)];
    empty_request_name with GARBLES:
        "request_headers: add 0 - 1; pairs 0
         response_headers: pairs 2
         response_body: body 1 0 199",
        [Request(GET, true), Response(EMPTY, true)];
    crlf_path:
        "request_headers: replace 0 :path /a%0d%0ax-b:2
         response_headers: pairs 2
         response_body: body 1 0 199",
        [Request(GET, true)];
    crlf_method:
        "request_headers: replace 0 :method GET%0d%0ax-b:2
         response_headers: pairs 2
         response_body: body 1 0 199",
        [Request(GET, true)];
    crlf_authority:
        "request_headers: replace 0 :authority a%0d%0ax-b:2
         response_headers: pairs 2
         response_body: body 1 0 199",
        [Request(GET, true)];
    crlf_response_value with GARBLES:
        "response_headers: add 2 x-a 1%0d%0ax-b:2; pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    crlf_response_name with GARBLES:
        "response_headers: add 2 x-a%0d%0ax-b 1; pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    lf_response_value with GARBLES:
        "response_headers: add 2 x-a 1%0ax-b:2; pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    nul_response_value with GARBLES:
        "response_headers: add 2 x-a 1%002; pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    empty_response_name with GARBLES:
        "response_headers: add 2 - 1; pairs 2",
        [Request(GET, true), Response(EMPTY, true)];
    crlf_status: "response_headers: replace 2 :status 200%0d%0ax-b:2", [Request(GET, true), Response(EMPTY, true)];
    crlf_reply_value with GARBLES:
        "request_headers: reply 302 - - location=a%0d%0ax-b:2 -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    crlf_reply_name with GARBLES: "request_headers: reply 302 - - x-a%0d%0ax-b=2 -1; return 1", [Request(GET, true)];
    crlf_trailer with GARBLES:
        "response_trailers: add 3 x-a 1%0d%0ax-b:2",
        [Request(GET, true), Response(STREAMED, false), ResponseBody("two", false), ResponseTrailers(TRAILERS)];
    crlf_request_trailer with GARBLES:
        "request_trailers: add 1 x-a 1%0d%0ax-b:2",
        [Request(CHUNKED, false), RequestBody("one", false), RequestTrailers(TRAILERS), Response(EMPTY, true)];
    crlf_call: "request_headers: call service :method=GET,:path=/call,:authority=service,x-a=1%0d%0ax-b:2 - - 1000
         http_call_response: answer; pairs 6; body 4 0 199", [Request(GET, true), Response(EMPTY, true)];
    crlf_set with GARBLES:
        "response_headers: set 2 :status=200,x-a=1%0d%0ax-b:2",
        [Request(GET, true), Response(EMPTY, true)];
    reply_204_body with GARBLES:
        "request_headers: reply 204 - body - -1; return 1
         response_headers: pairs 2
         response_body: body 1 0 9",
        [Request(GET, true)];
    reply_304_body with GARBLES:
        "request_headers: reply 304 - body - -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_205_body: "request_headers: reply 205 - body - -1; return 1\nresponse_headers: pairs 2", [Request(GET, true)];
    reply_100 with GARBLES:
        "request_headers: reply 100 - body - -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_101 with GARBLES:
        "request_headers: reply 101 - - - -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_199 with GARBLES:
        "request_headers: reply 199 - - - -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_0 with GARBLES:
        "request_headers: reply 0 - body - -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_99 with GARBLES:
        "request_headers: reply 99 - body - -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_600: "request_headers: reply 600 - body - -1; return 1\nresponse_headers: pairs 2", [Request(GET, true)];
    reply_999: "request_headers: reply 999 - body - -1; return 1\nresponse_headers: pairs 2", [Request(GET, true)];
    reply_1000 with GARBLES:
        "request_headers: reply 1000 - body - -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_70000 with GARBLES:
        "request_headers: reply 70000 - body - -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    status_204_of_a_body with GARBLES:
        "response_headers: replace 2 :status 204",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    status_304_of_a_body with GARBLES:
        "response_headers: replace 2 :status 304",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    status_100_of_a_body with GARBLES:
        "response_headers: replace 2 :status 100",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    call_without_method:
        "request_headers: call service :path=/call,:authority=service - - 1000; answer
         http_call_response: answer",
        [Request(GET, true), Response(EMPTY, true)];
    call_without_path:
        "request_headers: call service :method=GET,:authority=service - - 1000; answer
         http_call_response: answer",
        [Request(GET, true), Response(EMPTY, true)];
    call_without_authority:
        "request_headers: call service :method=GET,:path=/call - - 1000; answer
         http_call_response: answer",
        [Request(GET, true), Response(EMPTY, true)];
    call_with_a_host:
        "request_headers: call service :method=GET,:path=/call,host=service - - 1000; return 1
         http_call_response: pairs 6; effective 2; resume 0",
        [Request(GET, true), Answer(EMPTY, "", NONE), Response(EMPTY, true)];
    call_of_an_empty_authority:
        "request_headers: call service :method=GET,:path=/call,:authority= - - 1000; return 1
         http_call_response: pairs 6; effective 2; resume 0",
        [Request(GET, true), Answer(EMPTY, "", NONE), Response(EMPTY, true)];
    call_with_scheme_and_more:
        "request_headers: call service :method=GET,:path=/call,:authority=service,:scheme=https,x-a=1,x-a=2 - - 1000; \
         return 1
         http_call_response: pairs 6; effective 2; resume 0",
        [Request(GET, true), Answer(EMPTY, "", NONE), Response(EMPTY, true)];
    reply_of_a_status_in_letters:
        "request_headers: reply 200 - body :status=abc -1; return 1
         response_headers: pairs 2; property response.code",
        [Request(GET, true)];
    reply_of_another_status_without_body:
        "request_headers: reply 200 - body :status=204 -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_of_another_status_out_of_range:
        "request_headers: reply 200 - body :status=99 -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_of_another_length:
        "request_headers: reply 200 - body content-length=1 -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_of_another_framing:
        "request_headers: reply 200 - body transfer-encoding=chunked -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_of_a_path:
        "request_headers: reply 200 - body :path=/a,:method=PUT -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_204_of_a_length with GARBLES:
        "request_headers: reply 204 - body content-length=4 -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_304_of_a_length:
        "request_headers: reply 304 - - content-length=4 -1; return 1
         response_headers: pairs 2",
        [Request(GET, true)];
    reply_204_of_the_response with GARBLES:
        "response_headers: reply 204 - body - -1; return 0",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
}
