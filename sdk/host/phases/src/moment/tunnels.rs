//! Streams that carry another protocol.

use super::traffic::{TUNNELLED, UPGRADED};
use super::{Kind, Moment, Setting};

moments! {
    Http "request_headers", "nothing (an upgrade)", Tunnel "request_headers: CALL; return 0", UPGRADED;
    Http "request_headers", "request headers (an upgrade)", Tunnel "
        request_headers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", UPGRADED;
    Http "request_headers", "a reply (an upgrade)", Tunnel "
        request_headers: reply 403 - denied - -1; CALL; return 1", UPGRADED;
    Http "request_body", "nothing (an upgrade)", Tunnel "request_body#1: CALL; return 0", UPGRADED;
    Http "request_body", "request body (an upgrade)", Tunnel "
        request_body#1: return 1
        request_body#2: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", UPGRADED;
    Http "response_headers", "nothing (an upgrade)", Tunnel "response_headers: CALL; return 0", UPGRADED;
    Http "response_headers", "response headers (an upgrade)", Tunnel "
        response_headers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 1", UPGRADED;
    Http "response_body", "nothing (an upgrade)", Tunnel "response_body#1: CALL; return 0", UPGRADED;
    Http "response_body", "response body (an upgrade)", Tunnel "
        response_body#1: return 1
        response_body#2: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 1", UPGRADED;
    Http "log", "nothing (an upgrade)", Tunnel "log: CALL", UPGRADED;
    Http "request_headers", "nothing (CONNECT)", Tunnel "request_headers: CALL; return 0", TUNNELLED;
    Http "request_headers", "request headers (CONNECT)", Tunnel "
        request_headers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", TUNNELLED;
    Http "request_body", "request body (CONNECT)", Tunnel "
        request_body#1: return 1
        request_body#2: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 0", TUNNELLED;
    Http "response_headers", "response headers (CONNECT)", Tunnel "
        response_headers: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 1", TUNNELLED;
    Http "response_body", "response body (CONNECT)", Tunnel "
        response_body#1: return 1
        response_body#2: CALL; tick 30; return 1
        tick: tick 0; effective 2; release 1", TUNNELLED;
}
