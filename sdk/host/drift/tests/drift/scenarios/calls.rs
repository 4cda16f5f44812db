//! Calls to other services, over HTTP and gRPC.

use super::*;

scenarios! {
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
    call_times_out:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 50; return 1
         http_call_response: answer; pairs 6; body 4 0 99; effective 2; resume 0",
        [Request(GET, true), TimeOut, Response(EMPTY, true)];
    grpc_to_nobody:
        "request_headers: grpc nowhere service method text 1000; grpc unknown service method text 1000; return 1
         grpc_close: answer; effective 2; resume 0",
        [Request(GET, true), Unreachable, Response(EMPTY, true)];
    grpc_without_a_name:
        "request_headers: grpc nowhere - method text 1000; grpc nowhere service - text 1000; return 1
         grpc_close#2: effective 2; resume 0",
        [Request(GET, true), Unreachable, Unreachable, Response(EMPTY, true)];
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
}
