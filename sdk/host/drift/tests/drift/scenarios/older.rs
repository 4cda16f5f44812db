//! Filters of the older versions of the ABI.

use super::*;
use crate::Abi;

const V0_1_0: Setup = Setup { abi: Abi::V0_1_0, ..Setup::DEFAULT };
const V0_2_0: Setup = Setup { abi: Abi::V0_2_0, ..Setup::DEFAULT };

/// Those that come once more in each older version.
const AGAIN: &[&str] = &["get_without_body", "header_edits", "reply_in_request_headers"];

/// Returns these scenarios for each older version.
pub(super) fn again() -> &'static [Scenario] {
    let older = |abi: Abi| {
        AGAIN.iter().map(move |name| {
            let scenario = all().find(|scenario| scenario.name == *name).expect("a scenario of this name");
            let name = format!("{name}-{}", abi.feature()).leak();
            Scenario { name, setup: Setup { abi, ..scenario.setup }, ..*scenario }
        })
    };
    older(Abi::V0_1_0).chain(older(Abi::V0_2_0)).collect::<Vec<_>>().leak()
}

scenarios! {
    configuration_and_route_of_0_1_0 with V0_1_0:
        "context_create: configuration; body 6 0 99
         vm_start: configuration; body 6 0 99; body 7 0 99
         configure: configuration; body 7 0 99; body 6 0 99
         request_headers: configuration; body 7 0 99; reroute; resume 2; close 0; level",
        [Request(GET, true), Response(EMPTY, true)];
    configuration_and_route_of_0_2_0 with V0_2_0:
        "context_create: configuration; body 6 0 99
         vm_start: configuration; body 6 0 99; body 7 0 99
         configure: configuration; body 7 0 99; body 6 0 99
         request_headers: configuration; body 7 0 99; reroute; level",
        [Request(GET, true), Response(EMPTY, true)];
    configuration_and_route_of_0_2_1:
        "context_create: configuration; body 6 0 99
         vm_start: configuration; body 6 0 99; body 7 0 99
         configure: configuration; body 7 0 99; body 6 0 99
         request_headers: configuration; body 7 0 99; reroute; level",
        [Request(GET, true), Response(EMPTY, true)];
    request_resumed_in_0_1_0 with V0_1_0:
        "request_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         http_call_response: effective 2; resume 0
         response_headers: call service :method=GET,:path=/call,:authority=service - - 1000; return 1
         http_call_response#2: effective 2; resume 1",
        [Request(GET, true), Answer(EMPTY, "", NONE), Response(EMPTY, true), Answer(EMPTY, "", NONE)];
}
