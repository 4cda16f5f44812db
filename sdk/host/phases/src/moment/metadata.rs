//! The callbacks for the metadata of HTTP/2.

use super::Way::{self, Request, Response};
use super::build::on;
use super::traffic::METADATA;
use super::{Moment, Setting};

const fn metadata(callback: &'static str) -> Moment {
    on(callback, METADATA).with(Setting::Metadata)
}

/// A message that these lines hold before its metadata comes, and up to a tick.
const fn held(callback: &'static str, holds: &'static str, way: Way, lines: &'static str) -> Moment {
    metadata(callback).holds(holds).lines(lines).releases(way)
}

/// These moments, in the order of the table.
pub(super) const MOMENTS: &[Moment] = &[
    metadata("request_metadata"),
    held(
        "request_metadata",
        "request headers",
        Request,
        "request_headers: return 1
        request_body: return 1
        request_trailers: tick 30; return 1",
    ),
    held(
        "request_metadata",
        "request body",
        Request,
        "request_body: return 1
        request_trailers: tick 30; return 1",
    ),
    metadata("request_metadata").holds("a reply").before("reply 403 - denied - -1"),
    metadata("response_metadata"),
    held(
        "response_metadata",
        "response headers",
        Response,
        "response_headers: return 1
        response_body: return 1
        response_trailers: tick 30; return 1",
    ),
    held(
        "response_metadata",
        "response body",
        Response,
        "response_body: return 1
        response_trailers: tick 30; return 1",
    ),
];
