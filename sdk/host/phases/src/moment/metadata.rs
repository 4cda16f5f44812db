//! The callbacks for the metadata of HTTP/2.

use super::traffic::METADATA;
use super::{Kind, Moment, Setting};

moments! {
    Http "request_metadata", "nothing", Metadata "request_metadata: CALL", METADATA;
    Http "request_metadata", "request headers", Metadata "
        request_headers: return 1
        request_body: return 1
        request_metadata: CALL
        request_trailers: tick 30; return 1
        tick: tick 0; effective 2; release 0", METADATA;
    Http "request_metadata", "request body", Metadata "
        request_body: return 1
        request_metadata: CALL
        request_trailers: tick 30; return 1
        tick: tick 0; effective 2; release 0", METADATA;
    Http "request_metadata", "a reply", Metadata "request_metadata: reply 403 - denied - -1; CALL", METADATA;
    Http "response_metadata", "nothing", Metadata "response_metadata: CALL", METADATA;
    Http "response_metadata", "response headers", Metadata "
        response_headers: return 1
        response_body: return 1
        response_metadata: CALL
        response_trailers: tick 30; return 1
        tick: tick 0; effective 2; release 1", METADATA;
    Http "response_metadata", "response body", Metadata "
        response_body: return 1
        response_metadata: CALL
        response_trailers: tick 30; return 1
        tick: tick 0; effective 2; release 1", METADATA;
}
