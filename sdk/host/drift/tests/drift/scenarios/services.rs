//! Ticks, shared data, queues, metrics, properties, foreign functions and logs.

use super::*;

scenarios! {
    ticks: "configure: tick 20\ntick: tick 0; pairs 0; get 0 a; body 0 0 9; resume 0; done", [Tick];
    shared_data:
        "request_headers: shared k; share k v 77; shared k; share k w 77; share k w 1; shared k; share k - 0; \
         shared k; share - empty 0; shared -",
        [Request(GET, true), Response(EMPTY, true)];
    queues:
        "configure: resolve - q; resolve shared_queues q; resolve - none
         request_headers: enqueue 1 item; enqueue 99 item; dequeue 99; register q2; resolve - q2; resolve queues q2; \
         resolve other q2
         response_headers: dequeue 1",
        [Request(GET, true), Response(EMPTY, true)];
    metrics:
        "request_headers: metric 0 c; metric 0 c; metric 1 g; metric 2 h; metric 3 x; increment 9999 1; read 9999; \
         record 9999 1; \
         increment 8 1; increment 8 -1; increment 8 0; read 8; read 12; increment 9 -5; read 9; record 9 7; read 9; \
         record 10 3; increment 10 3; read 10; record 8 2; read 8",
        [Request(GET, true), Response(EMPTY, true)];
    properties:
        "context_create: property plugin_root_id; property request.path
         configure: property plugin_root_id; property plugin_vm_id; property request.path; property plugin_name; \
         property nonsense; property node.id
         request_headers: property request.path; property request.url_path; property request.host; \
         property request.method; property request.scheme; \
         property request.headers.x-repeated; property request.headers.none; property request.query; \
         property response.code; property response.headers.a; \
         property request.referer; property request.useragent; property request.id; property response; \
         property request; property request.none; \
         property route_name; property cluster_name; property plugin_root_id; property listener_direction; \
         property xds.listener_direction; property filter_state; \
         keep mine 1; property mine; keep my.path 2; property my.path; property filter_state.wasm~mine
         request_body: property request.path; property request.headers.x-repeated
         response_headers: property response.code; property request.path; property request.method; \
         property response.headers.content-length; property mine
         log: property response.code; property request.path; property request.headers.x-repeated; property mine
         done: property request.path
         delete: property request.path; property mine",
        [Request(GET, true), Response(OK, false), ResponseBody("body", false), ResponseBody("", true)];
    istios_services:
        "response_headers: property xds.cluster_metadata.filter_metadata.istio.services.0.host; \
         property xds.cluster_metadata.filter_metadata.istio.services.0.name; \
         property xds.cluster_metadata.filter_metadata.istio.services.0.namespace; \
         property xds.cluster_metadata.filter_metadata.istio.services.1.namespace; \
         property xds.cluster_metadata.filter_metadata.istio.services.2.host; \
         property cluster_metadata.filter_metadata.istio.services.0.host; \
         property xds.listener_metadata.filter_metadata.istio.services.0.host",
        [Request(GET, true), Response(EMPTY, true)];
    properties_of_a_tick:
        "configure: tick 20; keep mine 1
         tick: tick 0; property plugin_root_id; property request.path; property mine; property node.id; keep mine 1",
        [Tick];
    wrong_numbers:
        "request_headers: pairs 99; size 99; get 99 a; add 99 a b; remove 99 a; set 99 a=b; body 99 0 9; \
         status-of 99; write 99 0 0 a; body 0 0 9; body 1 0 9; body 2 0 9; \
         body 4 0 9; body 5 0 9; body 6 0 9; body 7 0 9; body 8 0 9; resume 2; resume 3; resume 9; close 9; \
         effective 99; effective 1; effective 2; done; pairs 4; pairs 6; get 6 a; \
         tick 0; level; foreign nothing a; size 1; size 3; size 6; write 1 0 0 a; write 4 0 0 a; write 7 0 0 a",
        [Request(GET, true), Response(EMPTY, true)];
    foreign_functions:
        "request_headers: foreign clear_route_cache -; foreign uncompress garbage; foreign declare_property -; \
         foreign set_envoy_filter_state -",
        [Request(GET, true), Response(EMPTY, true)];
    metrics_of_another_vm:
        "request_headers: metric 1 g; metric 0 c; metric 0 other; read 4; read 8; read 5; increment 4 10; read 4; \
         record 5 1
         response_headers: read 4; read 5; metric 0 c; read 12",
        [Request(GET, true), Response(EMPTY, true)];
    logs_and_time:
        "request_headers: log 5 critical; log 6 six; log 4294967295 most; log 0 trace; time",
        [Request(GET, true), Response(EMPTY, true)];
    queue_ready:
        "request_headers: register ready; enqueue last one; enqueue last two
         queue_ready: dequeue last; dequeue last; dequeue last
         queue_ready#2: dequeue last
         response_headers: enqueue last three",
        [Request(GET, true), Response(STREAMED, false), ResponseBody("two", false), ResponseBody("", true)];
    done_of_a_stream: "done: done; return 0\nlog: done", [Request(GET, true), Response(EMPTY, true)];
}
