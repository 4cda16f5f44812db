//! Streams that carry another protocol.

use super::Way::{self, Request, Response};
use super::build::on;
use super::traffic::{TUNNELLED, UPGRADED};
use super::{Moment, Setting};

const fn upgrade(callback: &'static str) -> Moment {
    on(callback, UPGRADED).with(Setting::Tunnel)
}

const fn tunnel(callback: &'static str) -> Moment {
    on(callback, TUNNELLED).with(Setting::Tunnel)
}

/// The second part of bytes, while the first is held by this line.
const fn second(moment: Moment, line: &'static str, way: Way) -> Moment {
    moment.lines(line).run("#2").stops_until_tick(way)
}

/// These moments, in the order of the table.
pub(super) const MOMENTS: &[Moment] = &[
    upgrade("request_headers").holds("nothing (an upgrade)").passes(),
    upgrade("request_headers").holds("request headers (an upgrade)").stops_until_tick(Request),
    upgrade("request_headers").holds("a reply (an upgrade)").replied(),
    upgrade("request_body").run("#1").holds("nothing (an upgrade)").passes(),
    second(upgrade("request_body"), "request_body#1: return 1", Request).holds("request body (an upgrade)"),
    upgrade("response_headers").holds("nothing (an upgrade)").passes(),
    upgrade("response_headers").holds("response headers (an upgrade)").stops_until_tick(Response),
    upgrade("response_body").run("#1").holds("nothing (an upgrade)").passes(),
    second(upgrade("response_body"), "response_body#1: return 1", Response).holds("response body (an upgrade)"),
    upgrade("log").holds("nothing (an upgrade)"),
    tunnel("request_headers").holds("nothing (CONNECT)").passes(),
    tunnel("request_headers").holds("request headers (CONNECT)").stops_until_tick(Request),
    second(tunnel("request_body"), "request_body#1: return 1", Request).holds("request body (CONNECT)"),
    tunnel("response_headers").holds("response headers (CONNECT)").stops_until_tick(Response),
    second(tunnel("response_body"), "response_body#1: return 1", Response).holds("response body (CONNECT)"),
];
