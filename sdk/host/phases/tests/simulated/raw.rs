//! A filter that follows a script and speaks the raw ABI, so that no SDK stands between the script
//! and the simulated host.
#![allow(unsafe_code, reason = "the host functions are raw")]

use std::ptr::{null, null_mut};

use sluicegate::Exports;
use sluicegate::abi;

use crate::script;

/// The callbacks whose result is a status.
macro_rules! exports {
    ($($name:ident($($argument:ident),*) is $callback:literal $(-> $status:ident)?;)*) => {
        /// The filter.
        pub(crate) static EXPORTS: Exports = Exports {
            $($name: Some(|context, $($argument),*| {
                $(let _ = $argument;)*
                let status = follow(context, $callback);
                exports!(@ $($status)? status)
            }),)*
            ..Exports::none(|| {}, || {})
        };
    };
    (@ status $status:ident) => { $status };
    (@ $status:ident) => {{
        let _ = $status;
    }};
}

exports! {
    proxy_on_context_create(parent) is "context_create";
    proxy_on_vm_start(size) is "vm_start" -> status;
    proxy_on_configure(size) is "configure" -> status;
    proxy_on_tick() is "tick";
    proxy_on_queue_ready(queue) is "queue_ready";
    proxy_on_request_headers(headers, last) is "request_headers" -> status;
    proxy_on_request_body(size, last) is "request_body" -> status;
    proxy_on_request_metadata(elements) is "request_metadata" -> status;
    proxy_on_request_trailers(trailers) is "request_trailers" -> status;
    proxy_on_response_headers(headers, last) is "response_headers" -> status;
    proxy_on_response_body(size, last) is "response_body" -> status;
    proxy_on_response_metadata(elements) is "response_metadata" -> status;
    proxy_on_response_trailers(trailers) is "response_trailers" -> status;
    proxy_on_http_call_response(token, headers, size, trailers) is "http_call_response";
    proxy_on_grpc_receive_initial_metadata(token, elements) is "grpc_receive_initial_metadata";
    proxy_on_grpc_receive(token, size) is "grpc_receive";
    proxy_on_grpc_receive_trailing_metadata(token, elements) is "grpc_receive_trailing_metadata";
    proxy_on_grpc_close(token, status) is "grpc_close";
    proxy_on_new_connection() is "new_connection" -> status;
    proxy_on_downstream_data(size, last) is "downstream_data" -> status;
    proxy_on_upstream_data(size, last) is "upstream_data" -> status;
    proxy_on_downstream_connection_close(peer) is "downstream_connection_close";
    proxy_on_upstream_connection_close(peer) is "upstream_connection_close";
    proxy_on_log() is "log";
    proxy_on_done() is "done" -> status;
    proxy_on_delete() is "delete";
}

/// Does what the script says; the status of the callback.
fn follow(context: u32, callback: &str) -> u32 {
    let mut status = u32::from(matches!(callback, "vm_start" | "configure" | "done"));
    for step in script::steps(context, callback).steps {
        let words: Vec<_> = step.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(0);
        match words[0] {
            "return" => status = number(1),
            "tick" => script::tick(number(1) != 0),
            _ => perform(words[0], &words),
        }
    }
    status
}

/// Makes a host call, whose addresses are of live texts and variables.
macro_rules! call {
    ($name:ident($($argument:expr),*)) => {
        // SAFETY: each address with a size is of a live text of this size, and each other one of a
        // live variable.
        unsafe { abi::$name($($argument),*) }
    };
}

/// Makes a host call whose answer nobody reads.
fn perform(word: &str, words: &[&str]) {
    let number = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let cluster = if words.get(1) == Some(&"nobody") { "nobody" } else { "service" };
    let (mut token, mut queue, mut block, mut size) = (0, 0, null_mut(), 0);
    let text = |text: &'static str| (text.as_ptr(), text.len());
    let (service, method, cells) = (text(cluster), text("method"), text("cells"));
    let target = pairs(&[(":method", "GET"), (":path", "/"), (":authority", "s")]);
    let (none, headers) = ((null(), 0_usize), (target.as_ptr(), target.len()));
    let _status = match word {
        "effective" => call!(proxy_set_effective_context(number)),
        "resume" => call!(proxy_continue_stream(number)),
        "close" => call!(proxy_close_stream(number)),
        "reply" => {
            call!(proxy_send_local_response(number, none.0, none.1, service.0, service.1, none.0, none.1, -1))
        }
        "call" => call!(proxy_http_call(
            service.0,
            service.1,
            headers.0,
            headers.1,
            none.0,
            none.1,
            none.0,
            none.1,
            1000,
            &raw mut token
        )),
        "stream" => call!(proxy_grpc_stream(
            service.0,
            service.1,
            service.0,
            service.1,
            method.0,
            method.1,
            none.0,
            none.1,
            &raw mut token
        )),
        "register" => call!(proxy_register_shared_queue(cells.0, cells.1, &raw mut queue)),
        "enqueue" => {
            call!(proxy_register_shared_queue(cells.0, cells.1, &raw mut queue));
            call!(proxy_enqueue_shared_queue(queue, cells.0, cells.1))
        }
        "add" => call!(proxy_add_header_map_value(number, cells.0, cells.1, cells.0, cells.1)),
        "replace" => call!(proxy_replace_header_map_value(number, cells.0, cells.1, cells.0, cells.1)),
        "remove" => call!(proxy_remove_header_map_value(number, cells.0, cells.1)),
        "set" => call!(proxy_set_header_map_pairs(number, headers.0, headers.1)),
        "size" => call!(proxy_get_header_map_size(number, &raw mut size)),
        "pairs" => call!(proxy_get_header_map_pairs(number, &raw mut block, &raw mut size)),
        "get" => call!(proxy_get_header_map_value(number, cells.0, cells.1, &raw mut block, &raw mut size)),
        // The content and its number do not matter.
        "send" => 0,
        other => panic!("no step is called {other}"),
    };
}

/// Pairs as the ABI has them.
fn pairs(pairs: &[(&str, &str)]) -> Vec<u8> {
    let number = |size: usize| u32::try_from(size).expect("a small size").to_le_bytes();
    let sizes = pairs.iter().flat_map(|(name, value)| [number(name.len()), number(value.len())]);
    let mut bytes: Vec<u8> = [number(pairs.len())].into_iter().chain(sizes).flatten().collect();
    for (name, value) in pairs {
        bytes.extend([name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
    }
    bytes
}
