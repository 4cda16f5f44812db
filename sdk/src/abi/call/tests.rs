//! No host call that could see a header map goes out before the edits that wait: read off the source, for each import.

use super::super::Import;
use crate::__std::prelude::v1::*;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Maps {
    /// It could see a map, or ends what edits can reach: edits are written back before it.
    Sees,
    /// It knows no maps.
    Ignores,
    /// It reads or writes a map for `headers`, which knows what waits.
    Edits,
}

/// Without a default, so that a new import does not compile until someone has thought about it.
const fn maps(import: Import) -> Maps {
    match import {
        Import::proxy_get_header_map_size
        | Import::proxy_get_header_map_value
        | Import::proxy_get_property
        | Import::proxy_set_property
        | Import::proxy_continue_request
        | Import::proxy_continue_response
        | Import::proxy_clear_route_cache
        | Import::proxy_continue_stream
        | Import::proxy_close_stream
        | Import::proxy_send_local_response
        | Import::proxy_http_call
        | Import::proxy_grpc_call
        | Import::proxy_grpc_stream
        | Import::proxy_set_effective_context
        | Import::proxy_call_foreign_function => Maps::Sees,
        Import::proxy_get_header_map_pairs
        | Import::proxy_set_header_map_pairs
        | Import::proxy_add_header_map_value
        | Import::proxy_replace_header_map_value
        | Import::proxy_remove_header_map_value => Maps::Edits,
        Import::proxy_log
        | Import::proxy_get_log_level
        | Import::proxy_get_current_time_nanoseconds
        | Import::proxy_set_tick_period_milliseconds
        | Import::proxy_get_configuration
        | Import::proxy_get_buffer_bytes
        | Import::proxy_get_buffer_status
        | Import::proxy_set_buffer_bytes
        | Import::proxy_grpc_send
        | Import::proxy_grpc_cancel
        | Import::proxy_grpc_close
        | Import::proxy_get_status
        | Import::proxy_get_shared_data
        | Import::proxy_set_shared_data
        | Import::proxy_register_shared_queue
        | Import::proxy_resolve_shared_queue
        | Import::proxy_enqueue_shared_queue
        | Import::proxy_dequeue_shared_queue
        | Import::proxy_define_metric
        | Import::proxy_record_metric
        | Import::proxy_increment_metric
        | Import::proxy_get_metric
        | Import::proxy_done => Maps::Ignores,
    }
}

#[test]
fn each_import_that_could_see_a_map_is_called_after_edits_are_written_back() {
    let source = include_str!("../call.rs");
    for import in Import::ALL.iter().copied() {
        let call = format!("imports::{}(", import.name());
        let mut calls = 0;
        // From the head of a function to its last line.
        for function in source.split("\n}\n").filter(|function| function.contains(&call)) {
            calls += function.matches(&call).count();
            let before = function.split(&call).next().unwrap_or_default();
            let settles = before.contains("    settle()?;");
            assert_eq!(settles, maps(import) == Maps::Sees, "{}", import.name());
        }
        assert_eq!(calls, 1, "{}", import.name());
    }
}
