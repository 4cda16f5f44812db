//! The callbacks of connections.

use super::Moment;
use super::Way::Downstream;
use super::answers::calls;
use super::build::of_connection as on;
use super::traffic::{HANGUP, TALK, TALK_CALLED, TALK_TICKED};

/// These moments, in the order of the table.
pub(super) const MOMENTS: &[Moment] = &[
    on("context_create", TALK).holds("nothing (TCP)"),
    on("new_connection", TALK).passes(),
    on("new_connection", TALK).holds("the connection").stops_until_tick(Downstream),
    on("downstream_data", TALK).run("#1").passes(),
    on("downstream_data", TALK)
        .lines("downstream_data#1: return 1")
        .run("#2")
        .holds("downstream data")
        .stops_until_tick(Downstream),
    on("upstream_data", TALK).run("#1").passes(),
    on("upstream_data", TALK).lines("upstream_data#1: return 1").run("#2").holds("upstream data").passes(),
    on("upstream_data", TALK)
        .lines("downstream_data#1: return 1")
        .run("#1")
        .holds("downstream data")
        .held_until_tick(Downstream),
    on("downstream_connection_close", TALK),
    on("downstream_connection_close", TALK).lines("downstream_data: return 1").holds("downstream data"),
    on("upstream_connection_close", HANGUP),
    on("upstream_connection_close", HANGUP).lines("upstream_data: return 1").holds("upstream data"),
    on("done", TALK).holds("nothing (TCP)").stops(),
    on("log", TALK).holds("nothing (TCP)"),
    on("delete", TALK).holds("nothing (TCP)"),
    on("http_call_response", TALK_CALLED)
        .lines(calls!("downstream_data#1", 0))
        .run("#1")
        .on_stream()
        .holds("nothing (TCP)"),
    on("http_call_response", TALK_CALLED)
        .lines(calls!("downstream_data#1", 1))
        .run("#1")
        .on_stream()
        .holds("downstream data")
        .held_until_tick(Downstream),
    on("tick", TALK_TICKED)
        .lines("downstream_data#1: tick 20; return 0")
        .run("#1")
        .before("tick 0; effective 2")
        .holds("nothing (TCP)"),
    on("tick", TALK_TICKED)
        .lines("downstream_data#1: tick 20; return 1")
        .run("#1")
        .on_stream()
        .holds("downstream data")
        .held_until_tick(Downstream),
];
