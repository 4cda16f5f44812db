//! A filter that follows a script and speaks the raw ABI, so that no SDK stands between the script and the simulated host.
#![allow(unsafe_code, reason = "the host functions are raw")]

use std::ptr::null;

use sluicegate::abi::{self, Exports};

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
    (@ $status:ident) => { drop($status) };
}

exports! {
    proxy_on_context_create(parent) is "context_create";
    proxy_on_vm_start(size) is "vm_start" -> status;
    proxy_on_configure(size) is "configure" -> status;
    proxy_on_tick() is "tick";
    proxy_on_queue_ready(queue) is "queue_ready";
    proxy_on_request_headers(headers, last) is "request_headers" -> status;
    proxy_on_request_body(size, last) is "request_body" -> status;
    proxy_on_request_trailers(trailers) is "request_trailers" -> status;
    proxy_on_response_headers(headers, last) is "response_headers" -> status;
    proxy_on_response_body(size, last) is "response_body" -> status;
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
            _ => perform(words[0], number(1)),
        }
    }
    status
}

/// Makes a host call whose answer nobody reads.
fn perform(word: &str, number: u32) {
    let (mut token, mut queue) = (0, 0);
    let text = |text: &'static str| (text.as_ptr(), text.len());
    let (service, headers) = (text("service"), pairs(&[(":method", "GET"), (":path", "/"), (":authority", "s")]));
    // SAFETY: the addresses are of live texts and variables, with their sizes.
    let _ = unsafe {
        match word {
            "effective" => abi::proxy_set_effective_context(number),
            "resume" => abi::proxy_continue_stream(number),
            "close" => abi::proxy_close_stream(number),
            "reply" => {
                let body = text("denied");
                abi::proxy_send_local_response(number, null(), 0, body.0, body.1, null(), 0, -1)
            }
            "call" => abi::proxy_http_call(
                service.0,
                service.1,
                headers.as_ptr(),
                headers.len(),
                null(),
                0,
                null(),
                0,
                1000,
                &raw mut token,
            ),
            "stream" => {
                let (cluster, service, method) = (text("grpc"), text("Service"), text("Method"));
                abi::proxy_grpc_stream(
                    cluster.0,
                    cluster.1,
                    service.0,
                    service.1,
                    method.0,
                    method.1,
                    null(),
                    0,
                    &raw mut token,
                )
            }
            // What is sent does not matter, nor by which number.
            "send" => 0,
            "register" => {
                let (name, item) = (text("cells"), text("item"));
                let status = abi::proxy_register_shared_queue(name.0, name.1, &raw mut queue);
                status + abi::proxy_enqueue_shared_queue(queue, item.0, item.1)
            }
            "enqueue" => 0,
            "remove" => {
                let name = text("content-length");
                abi::proxy_remove_header_map_value(number, name.0, name.1)
            }
            other => panic!("no step is called {other}"),
        }
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
