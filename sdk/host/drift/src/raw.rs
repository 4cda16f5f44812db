//! The host functions with safe types, and the exports.
#![allow(unsafe_code, reason = "the filter speaks the raw ABI, so that what it logs is the host's and not an SDK's")]

use std::ptr;

use crate::{create, trace};

/// Declares imports. Each returns a status.
macro_rules! host {
    ($(fn $name:ident($($arg:ident: $ty:ty),*);)*) => {
        #[link(wasm_import_module = "env")]
        unsafe extern "C" {
            $(fn $name($($arg: $ty),*) -> u32;)*
        }
    };
}

pub(crate) use host;

host! {
    fn proxy_log(level: u32, at: *const u8, size: usize);
    fn proxy_get_current_time_nanoseconds(time: *mut u64);
    fn proxy_set_tick_period_milliseconds(period: u32);
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, at: *mut *mut u8, size: *mut usize);
    fn proxy_get_buffer_status(buffer: u32, size: *mut u32, flags: *mut u32);
    fn proxy_set_buffer_bytes(buffer: u32, start: usize, size: usize, at: *const u8, len: usize);
    fn proxy_get_header_map_size(map: u32, size: *mut u32);
    fn proxy_get_header_map_pairs(map: u32, at: *mut *mut u8, size: *mut usize);
    fn proxy_set_header_map_pairs(map: u32, at: *const u8, size: usize);
    fn proxy_get_header_map_value(map: u32, name: *const u8, len: usize, at: *mut *mut u8, size: *mut usize);
    fn proxy_add_header_map_value(map: u32, name: *const u8, len: usize, at: *const u8, size: usize);
    fn proxy_replace_header_map_value(map: u32, name: *const u8, len: usize, at: *const u8, size: usize);
    fn proxy_remove_header_map_value(map: u32, name: *const u8, len: usize);
    fn proxy_get_property(path: *const u8, len: usize, at: *mut *mut u8, size: *mut usize);
    fn proxy_set_property(path: *const u8, len: usize, at: *const u8, size: usize);
    fn proxy_send_local_response(
        code: u32, details: *const u8, details_size: usize, body: *const u8, body_size: usize, headers: *const u8, size: usize, grpc: i32
    );
    fn proxy_http_call(
        cluster: *const u8, cluster_size: usize, headers: *const u8, headers_size: usize, body: *const u8, body_size: usize,
        trailers: *const u8, trailers_size: usize, timeout: u32, token: *mut u32
    );
    fn proxy_grpc_call(
        cluster: *const u8, cluster_size: usize, service: *const u8, service_size: usize, method: *const u8, method_size: usize,
        metadata: *const u8, metadata_size: usize, message: *const u8, message_size: usize, timeout: u32, token: *mut u32
    );
    fn proxy_grpc_stream(
        cluster: *const u8, cluster_size: usize, service: *const u8, service_size: usize, method: *const u8, method_size: usize, metadata: *const u8, metadata_size: usize,
        token: *mut u32
    );
    fn proxy_grpc_send(token: u32, at: *const u8, size: usize, end: u32);
    fn proxy_grpc_close(token: u32);
    fn proxy_grpc_cancel(token: u32);
    fn proxy_get_status(code: *mut u32, at: *mut *mut u8, size: *mut usize);
    fn proxy_get_shared_data(key: *const u8, len: usize, at: *mut *mut u8, size: *mut usize, cas: *mut u32);
    fn proxy_set_shared_data(key: *const u8, len: usize, at: *const u8, size: usize, cas: u32);
    fn proxy_register_shared_queue(name: *const u8, len: usize, queue: *mut u32);
    fn proxy_resolve_shared_queue(vm: *const u8, vm_len: usize, name: *const u8, len: usize, queue: *mut u32);
    fn proxy_enqueue_shared_queue(queue: u32, at: *const u8, size: usize);
    fn proxy_dequeue_shared_queue(queue: u32, at: *mut *mut u8, size: *mut usize);
    fn proxy_define_metric(kind: u32, name: *const u8, len: usize, metric: *mut u32);
    fn proxy_increment_metric(metric: u32, offset: i64);
    fn proxy_record_metric(metric: u32, value: u64);
    fn proxy_get_metric(metric: u32, value: *mut u64);
    fn proxy_set_effective_context(context: u32);
    fn proxy_done();
    fn proxy_call_foreign_function(
        name: *const u8, len: usize, arguments: *const u8, size: usize, at: *mut *mut u8, answer: *mut usize
    );
}

unsafe extern "C" {
    /// Calls wasi-libc's constructors.
    fn __wasm_call_ctors();
}

/// Runs a host call that hands over a block, and takes the block.
pub(crate) fn handed_over(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> (u32, Vec<u8>) {
    let (mut at, mut size) = (ptr::null_mut(), 0);
    let status = call(&raw mut at, &raw mut size);
    if status != 0 || at.is_null() || size == 0 {
        return (status, Vec::new());
    }
    // SAFETY: the host returned OK, so the block is one of `proxy_on_memory_allocate`, which has
    // this length and capacity.
    (status, unsafe { Vec::from_raw_parts(at, size, size) })
}

pub(crate) fn written<N: Default>(call: impl FnOnce(*mut N) -> u32) -> (u32, N) {
    let mut number = N::default();
    let status = call(&raw mut number);
    (status, number)
}

/// Logs a line at any level, also at one that does not exist.
pub(crate) fn log_at(level: u32, text: &[u8]) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_log(level, text.as_ptr(), text.len()) }
}

pub(crate) fn log(text: &str) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_log(2, text.as_ptr(), text.len()) };
}

pub(crate) fn tick(period: u32) -> u32 {
    // SAFETY: there are no addresses.
    unsafe { proxy_set_tick_period_milliseconds(period) }
}

pub(crate) fn set_buffer(buffer: u32, start: usize, size: usize, bytes: &[u8]) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_set_buffer_bytes(buffer, start, size, bytes.as_ptr(), bytes.len()) }
}

pub(crate) fn set_pairs(map: u32, pairs: &[u8]) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_set_header_map_pairs(map, pairs.as_ptr(), pairs.len()) }
}

pub(crate) fn add(map: u32, name: &[u8], value: &[u8]) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) }
}

pub(crate) fn replace(map: u32, name: &[u8], value: &[u8]) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) }
}

pub(crate) fn remove(map: u32, name: &[u8]) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) }
}

pub(crate) fn set_property(path: &[u8], value: &[u8]) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) }
}

pub(crate) fn reply(code: u32, details: &[u8], body: &[u8], headers: &[u8], grpc: i32) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe {
        proxy_send_local_response(
            code,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc,
        )
    }
}

pub(crate) fn grpc_send(token: u32, message: &[u8], end: u32) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_grpc_send(token, message.as_ptr(), message.len(), end) }
}

pub(crate) fn grpc_close(token: u32) -> u32 {
    // SAFETY: there are no addresses.
    unsafe { proxy_grpc_close(token) }
}

pub(crate) fn time() -> (u32, u64) {
    // SAFETY: the address is of a variable.
    written(|time| unsafe { proxy_get_current_time_nanoseconds(time) })
}

pub(crate) fn grpc_cancel(token: u32) -> u32 {
    // SAFETY: there are no addresses.
    unsafe { proxy_grpc_cancel(token) }
}

pub(crate) fn share(key: &[u8], value: &[u8], cas: u32) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) }
}

pub(crate) fn enqueue(queue: u32, item: &[u8]) -> u32 {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    unsafe { proxy_enqueue_shared_queue(queue, item.as_ptr(), item.len()) }
}

pub(crate) fn increment(metric: u32, offset: i64) -> u32 {
    // SAFETY: there are no addresses.
    unsafe { proxy_increment_metric(metric, offset) }
}

pub(crate) fn record(metric: u32, value: u64) -> u32 {
    // SAFETY: there are no addresses.
    unsafe { proxy_record_metric(metric, value) }
}

pub(crate) fn effective(context: u32) -> u32 {
    // SAFETY: there are no addresses.
    unsafe { proxy_set_effective_context(context) }
}

pub(crate) fn done() -> u32 {
    // SAFETY: there are no addresses.
    unsafe { proxy_done() }
}

pub(crate) fn buffer(buffer: u32, start: usize, max: usize) -> (u32, Vec<u8>) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    handed_over(|at, size| unsafe { proxy_get_buffer_bytes(buffer, start, max, at, size) })
}

pub(crate) fn pairs(map: u32) -> (u32, Vec<u8>) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    handed_over(|at, size| unsafe { proxy_get_header_map_pairs(map, at, size) })
}

pub(crate) fn value(map: u32, name: &[u8]) -> (u32, Vec<u8>) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    handed_over(|at, size| unsafe { proxy_get_header_map_value(map, name.as_ptr(), name.len(), at, size) })
}

pub(crate) fn property(path: &[u8]) -> (u32, Vec<u8>) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    handed_over(|at, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), at, size) })
}

pub(crate) fn dequeue(queue: u32) -> (u32, Vec<u8>) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    handed_over(|at, size| unsafe { proxy_dequeue_shared_queue(queue, at, size) })
}

pub(crate) fn foreign(name: &[u8], arguments: &[u8]) -> (u32, Vec<u8>) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    handed_over(|at, size| unsafe {
        proxy_call_foreign_function(name.as_ptr(), name.len(), arguments.as_ptr(), arguments.len(), at, size)
    })
}

pub(crate) fn map_size(map: u32) -> (u32, u32) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    written(|number| unsafe { proxy_get_header_map_size(map, number) })
}

pub(crate) fn call(cluster: &[u8], headers: &[u8], body: &[u8], trailers: &[u8], timeout: u32) -> (u32, u32) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    written(|number| unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout,
            number,
        )
    })
}

pub(crate) fn grpc(cluster: &[u8], service: &[u8], method: &[u8], message: &[u8], timeout: u32) -> (u32, u32) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    written(|number| unsafe {
        proxy_grpc_call(
            cluster.as_ptr(),
            cluster.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            ptr::null(),
            0,
            message.as_ptr(),
            message.len(),
            timeout,
            number,
        )
    })
}

pub(crate) fn grpc_stream(cluster: &[u8], service: &[u8], method: &[u8], metadata: &[u8]) -> (u32, u32) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    written(|number| unsafe {
        proxy_grpc_stream(
            cluster.as_ptr(),
            cluster.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            number,
        )
    })
}

pub(crate) fn register(name: &[u8]) -> (u32, u32) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    written(|number| unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), number) })
}

pub(crate) fn resolve(vm: &[u8], name: &[u8]) -> (u32, u32) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    written(|number| unsafe { proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), number) })
}

pub(crate) fn define(kind: u32, name: &[u8]) -> (u32, u32) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    written(|number| unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), number) })
}

pub(crate) fn metric(metric: u32) -> (u32, u64) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    written(|number| unsafe { proxy_get_metric(metric, number) })
}

pub(crate) fn buffer_size(buffer: u32) -> (u32, u32) {
    let mut flags = 0;
    // SAFETY: both addresses are of variables.
    written(|size| unsafe { proxy_get_buffer_status(buffer, size, &raw mut flags) })
}

/// Returns the status of the last call to another service, and its text.
pub(crate) fn status() -> (u32, u32, Vec<u8>) {
    let mut code = 0;
    // SAFETY: the addresses are of variables.
    let (status, text) = handed_over(|at, size| unsafe { proxy_get_status(&raw mut code, at, size) });
    (status, code, text)
}

/// Returns a value of the shared data, and the number of its last write.
pub(crate) fn shared(key: &[u8]) -> (u32, Vec<u8>, u32) {
    let mut cas = 0;
    // SAFETY: the addresses are of a live slice and of variables.
    let read = |at, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), at, size, &raw mut cas) };
    let (status, value) = handed_over(read);
    (status, value, cas)
}

/// Encodes pairs as the ABI does.
pub(crate) fn encode(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let number = |number: usize| (number as u32).to_le_bytes();
    let mut bytes = number(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(part);
        bytes.push(0);
    }
    bytes
}

/// Decodes the pairs of a block, as far as it holds any.
pub(crate) fn decode(block: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let number = |at: usize| {
        block.get(at..at + 4).map_or(0, |bytes| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let count = number(0);
    let mut at = 4 + 8 * count;
    let mut part = |len: usize| {
        let part = block.get(at..at + len).unwrap_or_default().to_vec();
        at += len + 1;
        part
    };
    (0..count).map(|pair| (part(number(4 + 8 * pair)), part(number(8 + 8 * pair)))).collect()
}

/// Starts the reactor.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _initialize() {
    // SAFETY: the host calls `_initialize` once, before any other export.
    unsafe { __wasm_call_ctors() }
}

/// Allocates a block for the host. The block's length and capacity are `size`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::into_raw(vec![0; size].into_boxed_slice()).cast()
}

/// Begins a context's trace.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    create(context, parent);
    trace(context, "context_create", &[parent], 0);
}

/// Exports a traced callback. Without a script the callback returns the last argument, if there is
/// one.
macro_rules! callback {
    ($name:ident, $short:literal, ($($argument:ident),*)) => {
        /// A callback that is traced.
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $name(context: u32, $($argument: u32),*) {
            trace(context, $short, &[$($argument),*], 0);
        }
    };
    ($name:ident, $short:literal, ($($argument:ident),*), $otherwise:literal) => {
        /// A callback that is traced.
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $name(context: u32, $($argument: u32),*) -> u32 {
            trace(context, $short, &[$($argument),*], $otherwise)
        }
    };
}

pub(crate) use callback;

callback!(proxy_on_vm_start, "vm_start", (size), 1);
callback!(proxy_on_configure, "configure", (size), 1);
callback!(proxy_on_tick, "tick", ());
callback!(proxy_on_done, "done", (), 1);
callback!(proxy_on_log, "log", ());
callback!(proxy_on_delete, "delete", ());
callback!(proxy_on_new_connection, "new_connection", (), 0);
callback!(proxy_on_downstream_data, "downstream_data", (size, end), 0);
callback!(proxy_on_upstream_data, "upstream_data", (size, end), 0);
callback!(proxy_on_downstream_connection_close, "downstream_connection_close", (peer));
callback!(proxy_on_upstream_connection_close, "upstream_connection_close", (peer));
callback!(proxy_on_request_body, "request_body", (size, end), 0);
callback!(proxy_on_response_body, "response_body", (size, end), 0);
callback!(proxy_on_request_metadata, "request_metadata", (elements), 0);
callback!(proxy_on_response_metadata, "response_metadata", (elements), 0);
callback!(proxy_on_request_trailers, "request_trailers", (trailers), 0);
callback!(proxy_on_response_trailers, "response_trailers", (trailers), 0);
callback!(proxy_on_http_call_response, "http_call_response", (token, headers, body, trailers));
callback!(proxy_on_grpc_receive_initial_metadata, "grpc_receive_initial_metadata", (token, elements));
callback!(proxy_on_grpc_receive, "grpc_receive", (token, size));
callback!(proxy_on_grpc_receive_trailing_metadata, "grpc_receive_trailing_metadata", (token, elements));
callback!(proxy_on_grpc_close, "grpc_close", (token, code));
callback!(proxy_on_queue_ready, "queue_ready", (queue));
