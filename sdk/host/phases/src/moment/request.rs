//! The callbacks for a request.

use super::Way::{Request, Response};
use super::build::on;
use super::traffic::{BARE, EARLY, ENDED, WHOLE};
use super::{Moment, Setting};

/// These moments, in the order of the table.
pub(super) const MOMENTS: &[Moment] = &[
    on("context_create", WHOLE),
    on("request_headers", WHOLE).passes(),
    on("request_headers", WHOLE).holds("request headers").stops_until_tick(Request),
    on("request_headers", WHOLE).holds("a reply").replied(),
    on("request_headers", BARE).holds("nothing (no body)").passes(),
    on("request_headers", BARE).holds("request headers (no body)").stops_until_tick(Request),
    on("request_headers", BARE).holds("a reply (no body)").replied(),
    on("request_body", WHOLE).run("#1").passes(),
    on("request_body", WHOLE)
        .with(Setting::Shown)
        .lines(
            "request_headers: return 1
            request_body#2: return 1
            request_trailers: tick 30; return 1",
        )
        .run("#1")
        .holds("request headers")
        .stops()
        .releases(Request),
    on("request_body", WHOLE)
        .lines(
            "request_body#1: return 1
            request_trailers: tick 30; return 1",
        )
        .run("#2")
        .holds("request body")
        .stops()
        .releases(Request),
    on("request_body", EARLY)
        .lines(
            "response_headers: return 1
            request_trailers: tick 30",
        )
        .run("#2")
        .holds("response headers")
        .passes()
        .releases(Response),
    on("request_body", WHOLE).run("#1").holds("a reply").replied(),
    on("request_body", ENDED).run("#3").holds("nothing (the last part)").passes(),
    on("request_body", ENDED)
        .lines("request_body: return 1")
        .run("#3")
        .holds("request body (the last part)")
        .stops_until_tick(Request),
    on("request_body", ENDED).run("#3").holds("a reply (the last part)").replied(),
    on("request_trailers", WHOLE).passes(),
    on("request_trailers", WHOLE)
        .with(Setting::Shown)
        .lines(
            "request_headers: return 1
            request_body: return 1",
        )
        .holds("request headers")
        .stops_until_tick(Request),
    on("request_trailers", WHOLE).lines("request_body: return 1").holds("request body").stops_until_tick(Request),
    on("request_trailers", WHOLE).holds("request trailers").stops_until_tick(Request),
    on("request_trailers", WHOLE).holds("a reply").replied(),
];
