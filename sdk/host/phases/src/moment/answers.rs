//! The callbacks that bring the answers of called services.

use super::traffic::{CALLED, CALLED_BACK, STREAMED, STREAMED_BACK};
use super::{Kind, Moment, Setting};

moments! {
    Http "http_call_response", "the plugin", "
        request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 0
        http_call_response#1: CALL", CALLED;
    Http "http_call_response", "nothing", "
        request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 0
        http_call_response#1: effective 2; CALL", CALLED;
    Http "http_call_response", "request headers", "
        request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1
        http_call_response#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 0", CALLED;
    Http "http_call_response", "request trailers", "
        request_trailers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1
        http_call_response#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 0", CALLED;
    Http "http_call_response", "response headers", "
        response_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1
        http_call_response#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 1", CALLED_BACK;
    Http "http_call_response", "response body", "
        response_body#1: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1
        response_body#2: return 1
        response_trailers: return 1
        http_call_response#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 1", CALLED_BACK;
    Http "http_call_response", "a reply", "
        request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1
        http_call_response#1: effective 2; reply 403 - denied - -1; CALL", CALLED;
    Http "http_call_response", "a reply that is held", "
        request_headers: call SERVICE :method=GET,:path=/,:authority=s - - 1000; reply 403 - denied - -1; return 1
        response_headers: return 1
        http_call_response#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 1", CALLED;
    Http "grpc_receive_initial_metadata", "the plugin", "
        request_headers: stream GRPC Service Method -; send 6 hello 1; return 0
        grpc_receive_initial_metadata#1: CALL", STREAMED;
    Http "grpc_receive_initial_metadata", "request headers", "
        request_headers: stream GRPC Service Method -; send 6 hello 1; return 1
        grpc_receive_initial_metadata#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 0", STREAMED;
    Http "grpc_receive", "the plugin", "
        request_headers: stream GRPC Service Method -; send 6 hello 1; return 0
        grpc_receive#1: CALL", STREAMED;
    Http "grpc_receive", "nothing", "
        request_headers: stream GRPC Service Method -; send 6 hello 1; return 0
        grpc_receive#1: effective 2; CALL", STREAMED;
    Http "grpc_receive", "request headers", "
        request_headers: stream GRPC Service Method -; send 6 hello 1; return 1
        grpc_receive#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 0", STREAMED;
    Http "grpc_receive", "response headers", "
        response_headers: stream GRPC Service Method -; send 6 hello 1; return 1
        grpc_receive#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 1", STREAMED_BACK;
    Http "grpc_receive_trailing_metadata", "the plugin", "
        request_headers: stream GRPC Service Method -; send 6 hello 1; return 0
        grpc_receive_trailing_metadata#1: CALL", STREAMED;
    Http "grpc_receive_trailing_metadata", "request headers", "
        request_headers: stream GRPC Service Method -; send 6 hello 1; return 1
        grpc_receive_trailing_metadata#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 0", STREAMED;
    Http "grpc_close", "the plugin", "
        request_headers: stream GRPC Service Method -; send 6 hello 1; return 0
        grpc_close#1: CALL", STREAMED;
    Http "grpc_close", "nothing", "
        request_headers: stream GRPC Service Method -; send 6 hello 1; return 0
        grpc_close#1: effective 2; CALL", STREAMED;
    Http "grpc_close", "request headers", "
        request_headers: stream GRPC Service Method -; send 6 hello 1; return 1
        grpc_close#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 0", STREAMED;
    Http "grpc_close", "response headers", "
        response_headers: stream GRPC Service Method -; send 6 hello 1; return 1
        grpc_close#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 1", STREAMED_BACK;
}
