//! The callbacks after the last of a stream, of an entry of the access log and of a plugin.

use super::traffic::{LEFT, LEFT_BACK, UNLOADED, WHOLE};
use super::{Kind, Moment, Setting};

moments! {
    Http "log", "nothing", "log: CALL", WHOLE;
    Http "log", "request headers", "
        request_headers: return 1
        log: CALL", LEFT;
    Http "log", "response headers", "
        response_headers: return 1
        log: CALL", LEFT_BACK;
    Http "log", "a reply", "
        request_headers: reply 403 - denied - -1; return 1
        log: CALL", WHOLE;
    Http "done", "nothing", "done: CALL; return 1", WHOLE;
    Http "done", "request headers", "
        request_headers: return 1
        done: CALL; return 1", LEFT;
    Http "done", "response headers", "
        response_headers: return 1
        done: CALL; return 1", LEFT_BACK;
    Http "done", "a reply", "
        request_headers: reply 403 - denied - -1; return 1
        done: CALL; return 1", WHOLE;
    Http "delete", "nothing", "delete: CALL", WHOLE;
    Http "delete", "request headers", "
        request_headers: return 1
        delete: CALL", LEFT;
    Http "delete", "response headers", "
        response_headers: return 1
        delete: CALL", LEFT_BACK;
    Http "delete", "a reply", "
        request_headers: reply 403 - denied - -1; return 1
        delete: CALL", WHOLE;
    Http "log", "an entry of an access log", Logger "log@1: CALL", WHOLE;
    Http "done", "the plugin", Unloaded "done@1: CALL; return 1", UNLOADED;
    Http "delete", "the plugin", Unloaded "delete@1: CALL", UNLOADED;
}
