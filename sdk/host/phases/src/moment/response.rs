//! The callbacks for a response.

use super::Way::Response;
use super::build::on;
use super::traffic::{BARE, EARLY, ENDED, REPLIED, WHOLE};
use super::{Moment, Setting};

/// These moments, in the order of the table.
pub(super) const MOMENTS: &[Moment] = &[
    on("response_headers", WHOLE).passes(),
    on("response_headers", WHOLE).holds("response headers").stops_until_tick(Response),
    on("response_headers", EARLY).lines("request_body: return 1").holds("request body").passes(),
    on("response_headers", WHOLE).holds("a reply").replied(),
    on("response_headers", WHOLE).lines(REPLIED).holds("a reply of an earlier callback").passes(),
    on("response_headers", BARE).holds("nothing (no body)").passes(),
    on("response_headers", BARE).holds("response headers (no body)").stops_until_tick(Response),
    on("response_headers", BARE).holds("a reply (no body)").replied(),
    on("response_body", WHOLE).run("#1").passes(),
    on("response_body", WHOLE)
        .with(Setting::Shown)
        .lines(
            "response_headers: return 1
            response_body#2: return 1
            response_trailers: tick 30; return 1",
        )
        .run("#1")
        .holds("response headers")
        .stops()
        .releases(Response),
    on("response_body", WHOLE)
        .lines(
            "response_body#1: return 1
            response_trailers: tick 30; return 1",
        )
        .run("#2")
        .holds("response body")
        .stops()
        .releases(Response),
    on("response_body", EARLY).lines("request_body: return 1").run("#1").holds("request body").passes(),
    on("response_body", WHOLE).run("#1").holds("a reply").replied(),
    on("response_body", WHOLE)
        .lines(
            "request_headers: reply 403 - denied - -1; return 1
            response_headers: remove 2 content-length",
        )
        .run("#1")
        .holds("a reply of an earlier callback")
        .passes(),
    on("response_body", ENDED).run("#3").holds("nothing (the last part)").passes(),
    on("response_body", ENDED)
        .lines("response_body: return 1")
        .run("#3")
        .holds("response body (the last part)")
        .stops_until_tick(Response),
    on("response_body", ENDED).run("#3").holds("a reply (the last part)").replied(),
    on("response_trailers", WHOLE).passes(),
    on("response_trailers", WHOLE)
        .with(Setting::Shown)
        .lines(
            "response_headers: return 1
            response_body: return 1",
        )
        .holds("response headers")
        .stops_until_tick(Response),
    on("response_trailers", WHOLE).lines("response_body: return 1").holds("response body").stops_until_tick(Response),
    on("response_trailers", WHOLE).holds("response trailers").stops_until_tick(Response),
    on("response_trailers", WHOLE).holds("a reply").replied(),
];
