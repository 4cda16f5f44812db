//! The callbacks for a request.

use super::traffic::{BARE, EARLY, ENDED, WHOLE};
use super::{Kind, Moment, Setting};

moments! {
    Http "context_create", "nothing", "context_create: CALL", WHOLE;
    Http "request_headers", "nothing", "request_headers: CALL; return 0", WHOLE;
    Http "request_headers", "request headers", "
        request_headers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", WHOLE;
    Http "request_headers", "a reply", "request_headers: reply 403 - denied - -1; CALL; return 1", WHOLE;
    Http "request_headers", "nothing (no body)", "request_headers: CALL; return 0", BARE;
    Http "request_headers", "request headers (no body)", "
        request_headers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", BARE;
    Http "request_headers", "a reply (no body)", "
        request_headers: reply 403 - denied - -1; CALL; return 1", BARE;
    Http "request_body", "nothing", "request_body#1: CALL; return 0", WHOLE;
    Http "request_body", "request headers", Shown "
        request_headers: return 1
        request_body#1: CALL; return 1
        request_body#2: return 1
        request_trailers: tick 30; return 1
        tick: tick 0; effective 2; release 0", WHOLE;
    Http "request_body", "request body", "
        request_body#1: return 1
        request_body#2: CALL; return 1
        request_trailers: tick 30; return 1
        tick: tick 0; effective 2; release 0", WHOLE;
    Http "request_body", "response headers", "
        response_headers: return 1
        request_body#2: CALL; return 0
        request_trailers: tick 30
        tick: tick 0; effective 2; release 1", EARLY;
    Http "request_body", "a reply", "request_body#1: reply 403 - denied - -1; CALL; return 1", WHOLE;
    Http "request_body", "nothing (the last part)", "request_body#3: CALL; return 0", ENDED;
    Http "request_body", "request body (the last part)", "
        request_body: return 1
        request_body#3: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", ENDED;
    Http "request_body", "a reply (the last part)", "
        request_body#3: reply 403 - denied - -1; CALL; return 1", ENDED;
    Http "request_trailers", "nothing", "request_trailers: CALL; return 0", WHOLE;
    Http "request_trailers", "request headers", Shown "
        request_headers: return 1
        request_body: return 1
        request_trailers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", WHOLE;
    Http "request_trailers", "request body", "
        request_body: return 1
        request_trailers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", WHOLE;
    Http "request_trailers", "request trailers", "
        request_trailers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", WHOLE;
    Http "request_trailers", "a reply", "request_trailers: reply 403 - denied - -1; CALL; return 1", WHOLE;
}
