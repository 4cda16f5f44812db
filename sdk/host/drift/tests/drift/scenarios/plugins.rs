//! Several plugins of one VM.

use super::*;

const EACH: &str = "configure: tick 150; property plugin_root_id; keep mine 1
    tick: tick 0; property plugin_root_id; property mine
    request_headers: property plugin_root_id; property mine; keep mine 2; property mine; metric 0 of-plugins; \
    add 0 x-plugin 1
    log: property plugin_root_id; property mine";
const SECOND: Setup = Setup { others: &[("second", EACH)], ..Setup::DEFAULT };
const CALLS: Setup = Setup {
    others: &[(
        "second",
        "request_headers: call service :method=GET,:path=/2,:authority=service - - 1000; return 1
         http_call_response: answer; property plugin_root_id; effective 4; property plugin_root_id; \
         add 0 x-of second; resume 0",
    )],
    ..Setup::DEFAULT
};
const TRAPS: Setup = Setup { others: &[("second", "request_headers: trap")], ..Setup::DEFAULT };
const OPENS: Setup = Setup { failure: "FAIL_OPEN", ..TRAPS };

scenarios! {
    plugins_of_a_vm with SECOND:
        "configure: tick 20; property plugin_root_id; keep mine 1
         tick: tick 0; property plugin_root_id; property mine
         request_headers: property plugin_root_id; property mine; keep mine 1; metric 0 of-plugins",
        [
            Tick, Of(1), Tick, Request(GET, true), Response(EMPTY, true), Of(0),
            Request(POST, false), RequestBody("hello", false),
            RequestBody("", true), Response(EMPTY, true),
        ];
    calls_of_the_second_plugin with CALLS:
        "request_headers: call service :method=GET,:path=/1,:authority=service - - 1000; return 1
         http_call_response: answer; property plugin_root_id; effective 3; property plugin_root_id; add 0 x-of first; \
         resume 0",
        [
            Request(GET, true), Answer(EMPTY, "", NONE), Response(EMPTY, true),
            Of(1), Request(GET, true), Answer(EMPTY, "", NONE), Response(EMPTY, true),
        ];
    trap_of_the_second_plugin with TRAPS:
        "", [Request(GET, true), Response(EMPTY, true), Of(1), Request(GET, true), Of(0), Request(GET, true)];
    trap_of_the_second_plugin_open with OPENS:
        "", [Of(1), Request(GET, true), Of(0), Request(GET, true), Response(EMPTY, true)];
}
