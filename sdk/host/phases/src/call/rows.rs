//! The rows of the table.

use super::Call;
use super::Effect::*;

macro_rules! calls {
    ($($name:literal, $steps:literal, $effect:expr;)*) => {
        /// All calls, in the order of the table.
        pub const CALLS: &[Call] = &[$(Call { name: $name, steps: $steps, effect: $effect }),*];
    };
}

calls! {
    "continue_stream request", "resume 0", GoesOn;
    "continue_stream request twice", "resume 0; resume 0", GoesOn;
    "continue_stream response", "resume 1", GoesOn;
    "continue_stream response twice", "resume 1; resume 1", GoesOn;
    "continue_stream downstream", "resume 2", GoesOn;
    "continue_stream upstream", "resume 3", GoesOn;
    "close_stream request", "close 0", Ends;
    "close_stream response", "close 1", Ends;
    "close_stream downstream", "close 2", Ends;
    "close_stream upstream", "close 3", Ends;
    "send_local_response", "reply 418 - replied x-cell=yes -1", Client("HTTP/1.1 418");
    "send_local_response twice",
        "reply 418 - replied x-cell=yes -1; reply 429 - again x-cell=yes -1", Client("replied");
    "send_local_response and continue_stream request",
        "reply 418 - replied x-cell=yes -1; resume 0", Client("HTTP/1.1 418");
    "send_local_response and continue_stream response",
        "reply 418 - replied x-cell=yes -1; resume 1", Client("HTTP/1.1 418");
    "send_local_response and close_stream request", "reply 418 - replied x-cell=yes -1; close 0", Status;
    "close_stream request and send_local_response",
        "close 0; reply 418 - replied x-cell=yes -1", Client("HTTP/1.1 418");
    "continue_stream request and continue_stream response", "resume 0; resume 1", GoesOn;
    "continue_stream response and continue_stream request", "resume 1; resume 0", GoesOn;
    "continue_stream request and send_local_response",
        "resume 0; reply 418 - replied x-cell=yes -1", Client("HTTP/1.1 418");
    "continue_stream response and send_local_response",
        "resume 1; reply 418 - replied x-cell=yes -1", Client("HTTP/1.1 418");
    "continue_stream request and close_stream request", "resume 0; close 0", Ends;
    "continue_stream response and close_stream request", "resume 1; close 0", Ends;
    "add_header_map_value request headers", "add 0 x-cell yes", Upstream("x-cell: yes");
    "replace_header_map_value request headers", "replace 0 x-cell yes", Upstream("x-cell: yes");
    "remove_header_map_value request headers", "remove 0 x-gone", NotUpstream("x-gone");
    "set_header_map_pairs request headers",
        "set 0 :method=POST,:path=/cell,:authority=host,:scheme=http,transfer-encoding=chunked,x-cell=yes",
        Upstream("x-cell: yes");
    "add_header_map_value request trailers", "add 1 x-cell yes", Upstream("x-cell: yes");
    "replace_header_map_value request trailers", "replace 1 x-cell yes", Upstream("x-cell: yes");
    "remove_header_map_value request trailers", "remove 1 x-trailer", NotUpstream("x-trailer");
    "set_header_map_pairs request trailers", "set 1 x-cell=yes", Upstream("x-cell: yes");
    "add_header_map_value response headers", "add 2 x-cell yes", Client("x-cell: yes");
    "replace_header_map_value response headers", "replace 2 x-cell yes", Client("x-cell: yes");
    "remove_header_map_value response headers", "remove 2 x-gone", NotClient("x-gone");
    "set_header_map_pairs response headers",
        "set 2 :status=200,transfer-encoding=chunked,x-cell=yes", Client("x-cell: yes");
    "add_header_map_value response trailers", "add 3 x-cell yes", Client("x-cell: yes");
    "replace_header_map_value response trailers", "replace 3 x-cell yes", Client("x-cell: yes");
    "remove_header_map_value response trailers", "remove 3 x-trailer", NotClient("x-trailer");
    "set_header_map_pairs response trailers", "set 3 x-cell=yes", Client("x-cell: yes");
    "add_header_map_value gRPC initial metadata", "add 4 x-cell yes", Status;
    "add_header_map_value gRPC trailing metadata", "add 5 x-cell yes", Status;
    "add_header_map_value call response headers", "add 6 x-cell yes", Status;
    "add_header_map_value call response trailers", "add 7 x-cell yes", Status;
    "set_buffer_bytes request body", "write 0 0 0 cell", Upstream("cell");
    "set_buffer_bytes response body", "write 1 0 0 cell", Client("cell");
    "set_buffer_bytes downstream data", "write 2 0 0 cell", Upstream("cell");
    "set_buffer_bytes upstream data", "write 3 0 0 cell", Client("cell");
    "set_buffer_bytes call response body", "write 4 0 0 cell", Status;
    "set_buffer_bytes plugin configuration", "write 7 0 0 cell", Status;
    "http_call", "call SERVICE :method=GET,:path=/cell,:authority=cell - - 60000", Service("GET /cell");
    "grpc_call", "grpc GRPC Cell Method hello 60000", Service("/Cell/Method");
    "grpc_stream", "stream GRPC Cell Method -; send 6 hello 1", Service("/Cell/Method");
    "http_call and grpc_stream without a host",
        "call nobody :method=GET,:path=/cell,:authority=cell - - 60000; stream nobody Cell Method -", Serves;
    "grpc_send", "send 6 more 0", Status;
    "grpc_close", "finish 6", Status;
    "grpc_cancel", "cancel 6", Status;
    "set_property", "keep cell yes; property cell", Returns("yes");
    "set_tick_period_milliseconds", "tick 5", Logs("1 tick ");
    "register_shared_queue", "register CELL", Status;
    "enqueue_shared_queue", "register CELL; enqueue last item", Logs("1 queue_ready ");
    "done", "done", Status;
    "set_effective_context plugin", "effective 1", Status;
    "set_effective_context stream", "effective 2", Status;
    "call_foreign_function clear_route_cache", "foreign clear_route_cache -", Status;
    "call_foreign_function compress", "foreign compress text", Status;
    "get_header_map_pairs request headers", "pairs 0", Returns("=");
    "get_header_map_pairs request trailers", "pairs 1", Returns("=");
    "get_header_map_pairs response headers", "pairs 2", Returns("=");
    "get_header_map_pairs response trailers", "pairs 3", Returns("=");
    "get_header_map_pairs gRPC initial metadata", "pairs 4", Returns("=");
    "get_header_map_pairs gRPC trailing metadata", "pairs 5", Returns("=");
    "get_header_map_pairs call response headers", "pairs 6", Returns("=");
    "get_header_map_pairs call response trailers", "pairs 7", Returns("=");
    "get_header_map_value request headers", "get 0 :method", Returns("POST");
    "get_header_map_value request trailers", "get 1 x-trailer", Returns("one");
    "get_header_map_value response headers", "get 2 :status", Returns(" ");
    "get_header_map_value response trailers", "get 3 x-trailer", Returns("two");
    "get_header_map_value call response headers", "get 6 :status", Returns("200");
    "get_header_map_size request headers", "size 0", Returns(" ");
    "get_header_map_size request trailers", "size 1", Returns(" ");
    "get_header_map_size response headers", "size 2", Returns(" ");
    "get_header_map_size response trailers", "size 3", Returns(" ");
    "get_header_map_size call response headers", "size 6", Returns(" ");
    "get_buffer_bytes request body", "body 0 0 99", Returns("o");
    "get_buffer_bytes response body", "body 1 0 99", Returns("e");
    "get_buffer_bytes downstream data", "body 2 0 99", Returns("e");
    "get_buffer_bytes upstream data", "body 3 0 99", Returns("o");
    "get_buffer_bytes call response body", "body 4 0 99", Returns("answer");
    "get_buffer_bytes gRPC message", "body 5 0 99", Returns("answer");
    "get_buffer_bytes plugin configuration", "body 7 0 99", Returns("@");
    "get_buffer_status request body", "status-of 0", Returns(" ");
    "get_buffer_status response body", "status-of 1", Returns(" ");
    "get_buffer_status call response body", "status-of 4", Returns(" ");
    "get_property of the request", "property request.method", Returns("POST");
    "get_property of the response", "property response.code", Returns(" ");
    "get_property of the connection", "property connection.id", Returns(" ");
    "get_property of the plugin", "property plugin_name", Returns("cell");
    "get_status", "answer", Returns(" ");
    "set_shared_data", "share CELL yes 0; shared CELL", Returns("yes");
    "define_metric", "metric 0 cell", Returns(" ");
    "increment_metric", "metric 0 cell; increment 4 1; read 4", Returns(" ");
    "log", "log 2 line", Returns("");
    "get_log_level", "level", Returns("2");
    "get_current_time_nanoseconds", "time", Returns("true");
}
