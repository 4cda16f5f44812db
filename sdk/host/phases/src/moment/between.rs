//! The callbacks that come whenever they like, and those with which a plugin begins.

use super::Way::{self, Request, Response};
use super::build::{first, on, tick};
use super::traffic::{DIRECT, TICKED, TICKED_BACK, WHOLE};
use super::{Moment, Setting, Step};

/// The first tick, while a message is held that these lines hold, up to the next tick.
const fn held(holds: &'static str, way: Way, steps: &'static [Step], lines: &'static str) -> Moment {
    first("tick", steps, lines).on_stream().holds(holds).held_until_tick(way)
}

/// An item of a queue that a callback put there.
const fn queue(steps: &'static [Step], lines: &'static str) -> Moment {
    first("queue_ready", steps, lines)
}

/// The line of a callback that puts an item into a queue.
macro_rules! enqueues {
    ($callback:literal) => {
        concat!($callback, ": register CELLS; enqueue last item")
    };
    ($callback:literal, $status:literal) => {
        concat!(enqueues!($callback), "; return ", $status)
    };
}

/// These moments, in the order of the table.
pub(super) const MOMENTS: &[Moment] = &[
    first("tick", TICKED, "request_headers: tick 20").before("tick 0").holds("the plugin"),
    tick(TICKED, "request_headers: tick 20").holds("nothing (the request on its way)"),
    tick(WHOLE, "response_body#1: tick 20").holds("nothing (the response on its way)"),
    held("request headers", Request, TICKED, "request_headers: tick 20; return 1"),
    held(
        "request body",
        Request,
        TICKED,
        "request_body: return 1
        request_trailers: tick 20; return 1",
    ),
    held("response headers", Response, TICKED_BACK, "response_headers: tick 20; return 1"),
    held(
        "response body",
        Response,
        TICKED_BACK,
        "response_body: return 1
        response_trailers: tick 20; return 1",
    ),
    held(
        "a reply that is held",
        Response,
        TICKED,
        "request_headers: tick 20; reply 403 - denied - -1; return 1
        response_headers: return 1",
    ),
    queue(TICKED, enqueues!("request_headers")).holds("the plugin"),
    queue(TICKED, enqueues!("request_headers")).on_stream().holds("nothing (the request on its way)"),
    queue(TICKED, enqueues!("request_headers", 1)).on_stream().holds("request headers").held_until_tick(Request),
    queue(TICKED_BACK, enqueues!("response_headers", 1))
        .on_stream()
        .holds("response headers")
        .held_until_tick(Response),
    on("request_headers", DIRECT)
        .with(Setting::Direct)
        .holds("request headers (a direct response)")
        .stops_until_tick(Request),
    held("request headers (a direct response)", Request, DIRECT, "request_headers: tick 20; return 1")
        .with(Setting::Direct),
    on("vm_start", WHOLE).holds("the plugin").stops(),
    on("configure", WHOLE).holds("the plugin").stops(),
];
