//! The callbacks of connections.

use super::traffic::{HANGUP, TALK, TALK_CALLED, TALK_TICKED};
use super::{Kind, Moment, Setting};

moments! {
    Tcp "context_create", "nothing (TCP)", "context_create: CALL", TALK;
    Tcp "new_connection", "nothing", "new_connection: CALL; return 0", TALK;
    Tcp "new_connection", "the connection", "
        new_connection: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 2", TALK;
    Tcp "downstream_data", "nothing", "downstream_data#1: CALL; return 0", TALK;
    Tcp "downstream_data", "downstream data", "
        downstream_data#1: return 1
        downstream_data#2: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 2", TALK;
    Tcp "upstream_data", "nothing", "upstream_data#1: CALL; return 0", TALK;
    Tcp "upstream_data", "upstream data", "
        upstream_data#1: return 1
        upstream_data#2: CALL; return 0", TALK;
    Tcp "upstream_data", "downstream data", "
        downstream_data#1: return 1
        upstream_data#1: CALL; tick 30
        tick: tick 0; effective 2; release 2", TALK;
    Tcp "downstream_connection_close", "nothing", "downstream_connection_close: CALL", TALK;
    Tcp "downstream_connection_close", "downstream data", "
        downstream_data: return 1
        downstream_connection_close: CALL", TALK;
    Tcp "upstream_connection_close", "nothing", "upstream_connection_close: CALL", HANGUP;
    Tcp "upstream_connection_close", "upstream data", "
        upstream_data: return 1
        upstream_connection_close: CALL", HANGUP;
    Tcp "done", "nothing (TCP)", "done: CALL; return 1", TALK;
    Tcp "log", "nothing (TCP)", "log: CALL", TALK;
    Tcp "delete", "nothing (TCP)", "delete: CALL", TALK;
    Tcp "http_call_response", "nothing (TCP)", "
        downstream_data#1: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 0
        http_call_response#1: effective 2; CALL", TALK_CALLED;
    Tcp "http_call_response", "downstream data", "
        downstream_data#1: call SERVICE :method=GET,:path=/,:authority=s - - 1000; return 1
        http_call_response#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 2", TALK_CALLED;
    Tcp "tick", "nothing (TCP)", "
        downstream_data#1: tick 20; return 0
        tick#1: tick 0; effective 2; CALL", TALK_TICKED;
    Tcp "tick", "downstream data", "
        downstream_data#1: tick 20; return 1
        tick#1: effective 2; CALL; tick 30
        tick: tick 0; effective 2; release 2", TALK_TICKED;
}
