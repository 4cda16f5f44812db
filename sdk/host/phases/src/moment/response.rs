//! The callbacks for a response.

use super::traffic::{BARE, EARLY, ENDED, WHOLE};
use super::{Kind, Moment, Setting};

moments! {
    Http "response_headers", "nothing", "response_headers: CALL; return 0", WHOLE;
    Http "response_headers", "response headers", "
        response_headers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 1", WHOLE;
    Http "response_headers", "request body", "
        request_body: return 1
        response_headers: CALL; return 0", EARLY;
    Http "response_headers", "a reply", "response_headers: reply 403 - denied - -1; CALL; return 1", WHOLE;
    Http "response_headers", "a reply of an earlier callback", "
        request_headers: reply 403 - denied - -1; return 1
        response_headers: CALL; return 0", WHOLE;
    Http "response_headers", "nothing (no body)", "response_headers: CALL; return 0", BARE;
    Http "response_headers", "response headers (no body)", "
        response_headers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 1", BARE;
    Http "response_headers", "a reply (no body)", "
        response_headers: reply 403 - denied - -1; CALL; return 1", BARE;
    Http "response_body", "nothing", "response_body#1: CALL; return 0", WHOLE;
    Http "response_body", "response headers", Shown "
        response_headers: return 1
        response_body#1: CALL; return 1
        response_body#2: return 1
        response_trailers: tick 30; return 1
        tick: tick 0; effective 2; release 1", WHOLE;
    Http "response_body", "response body", "
        response_body#1: return 1
        response_body#2: CALL; return 1
        response_trailers: tick 30; return 1
        tick: tick 0; effective 2; release 1", WHOLE;
    Http "response_body", "request body", "
        request_body: return 1
        response_body#1: CALL; return 0", EARLY;
    Http "response_body", "a reply", "response_body#1: reply 403 - denied - -1; CALL; return 1", WHOLE;
    Http "response_body", "a reply of an earlier callback", "
        request_headers: reply 403 - denied - -1; return 1
        response_headers: remove 2 content-length
        response_body#1: CALL; return 0", WHOLE;
    Http "response_body", "nothing (the last part)", "response_body#3: CALL; return 0", ENDED;
    Http "response_body", "response body (the last part)", "
        response_body: return 1
        response_body#3: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 1", ENDED;
    Http "response_body", "a reply (the last part)", "
        response_body#3: reply 403 - denied - -1; CALL; return 1", ENDED;
    Http "response_trailers", "nothing", "response_trailers: CALL; return 0", WHOLE;
    Http "response_trailers", "response headers", Shown "
        response_headers: return 1
        response_body: return 1
        response_trailers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 1", WHOLE;
    Http "response_trailers", "response body", "
        response_body: return 1
        response_trailers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 1", WHOLE;
    Http "response_trailers", "response trailers", "
        response_trailers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 1", WHOLE;
    Http "response_trailers", "a reply", "response_trailers: reply 403 - denied - -1; CALL; return 1", WHOLE;
}
