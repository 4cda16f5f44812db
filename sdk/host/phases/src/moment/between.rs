//! The callbacks that come whenever they like, and those with which a plugin begins.

use super::traffic::{DIRECT, TICKED, TICKED_BACK, WHOLE};
use super::{Kind, Moment, Setting};

moments! {
    Http "tick", "the plugin", "
        request_headers: tick 20
        tick#1: tick 0; CALL", TICKED;
    Http "tick", "nothing (the request on its way)", "
        request_headers: tick 20
        tick#1: tick 0; effective 2; CALL", TICKED;
    Http "tick", "nothing (the response on its way)", "
        response_body#1: tick 20
        tick#1: tick 0; effective 2; CALL", WHOLE;
    Http "tick", "request headers", "
        request_headers: tick 20; return 1
        tick#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 0", TICKED;
    Http "tick", "request body", "
        request_body: return 1
        request_trailers: tick 20; return 1
        tick#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 0", TICKED;
    Http "tick", "response headers", "
        response_headers: tick 20; return 1
        tick#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 1", TICKED_BACK;
    Http "tick", "response body", "
        response_body: return 1
        response_trailers: tick 20; return 1
        tick#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 1", TICKED_BACK;
    Http "tick", "a reply that is held", "
        request_headers: tick 20; reply 403 - denied - -1; return 1
        response_headers: return 1
        tick#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 1", TICKED;
    Http "queue_ready", "the plugin", "
        request_headers: register CELLS; enqueue last item
        queue_ready#1: CALL", TICKED;
    Http "queue_ready", "nothing (the request on its way)", "
        request_headers: register CELLS; enqueue last item
        queue_ready#1: effective 2; CALL", TICKED;
    Http "queue_ready", "request headers", "
        request_headers: register CELLS; enqueue last item; return 1
        queue_ready#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 0", TICKED;
    Http "queue_ready", "response headers", "
        response_headers: register CELLS; enqueue last item; return 1
        queue_ready#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 1", TICKED_BACK;
    Http "request_headers", "request headers (a direct response)", Direct "
        request_headers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", DIRECT;
    Http "tick", "request headers (a direct response)", Direct "
        request_headers: tick 20; return 1
        tick#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 0", DIRECT;
    Http "vm_start", "the plugin", "vm_start: CALL; return 1", WHOLE;
    Http "configure", "the plugin", "configure: CALL; return 1", WHOLE;
}
