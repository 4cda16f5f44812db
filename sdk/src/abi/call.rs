//! A safe function for each import that the crate uses: slices in, owned blocks and numbers out.

use super::block::{Claim, Handed, allocate};
use super::host_bytes::HostBytes;
use super::{BufferType, LogLevel, MapType, MetricType, Refused, Status, StreamType, imports};
use crate::budget;

/// The result of a host call that returns nothing but a status.
type Answer = Result<(), Status>;

fn answer(status: u32) -> Answer {
    count();
    // The number is compared first: otherwise the compiler would make the enum before the
    // comparison.
    if status == Status::Ok.code() { Ok(()) } else { Err(Status::from(status)) }
}

/// Returns the status as a number, 0 for success: for calls that a callback makes often.
fn code(status: u32) -> u32 {
    count();
    status
}

/// Counts a host call. Each function here calls this once, with its status or its claim.
#[cfg(not(feature = "timing"))]
pub(super) const fn count() {}

#[cfg(feature = "timing")]
pub(super) fn count() {
    HOST_CALLS.with(|calls| calls.set(calls.get() + 1));
}

#[cfg(feature = "timing")]
crate::__vm_local! {
    static HOST_CALLS: core::cell::Cell<u64> = core::cell::Cell::new(0);
}

/// Returns the number of host calls that the VM has made.
#[cfg(feature = "timing")]
pub(crate) fn host_calls() -> u64 {
    HOST_CALLS.with(core::cell::Cell::get)
}

/// Calls `proxy_log`. A filter could not act on its status.
pub(crate) fn log(level: LogLevel, message: &[u8]) {
    // SAFETY: the slice is valid for reads of its length.
    let _ = unsafe { imports::proxy_log(level as u32, message.as_ptr(), message.len()) };
    count();
}

/// Stands for `proxy_get_log_level`, which an older host does not have. A module that imports it
/// would not load there.
#[cfg(any(feature = "abi-0-2-0", feature = "abi-0-1-0"))]
pub(crate) const fn log_level() -> Result<u32, Status> {
    Err(Status::Unimplemented)
}

/// Calls `proxy_get_log_level`.
#[cfg(not(any(feature = "abi-0-2-0", feature = "abi-0-1-0")))]
pub(crate) fn log_level() -> Result<u32, Status> {
    let mut level = 0;
    // SAFETY: the place is valid for a write.
    answer(unsafe { imports::proxy_get_log_level(&raw mut level) })?;
    Ok(level)
}

/// Calls `proxy_get_current_time_nanoseconds`.
pub(crate) fn time() -> Result<u64, Status> {
    let mut time = 0;
    // SAFETY: the place is valid for a write.
    answer(unsafe { imports::proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

/// Calls `proxy_set_tick_period_milliseconds`.
pub(crate) fn set_tick_period(milliseconds: u32) -> Answer {
    // SAFETY: no pointers.
    answer(unsafe { imports::proxy_set_tick_period_milliseconds(milliseconds) })
}

/// Calls `proxy_get_configuration`, which returns the plugin's configuration while it is
/// configured, and the VM's otherwise.
#[cfg(feature = "abi-0-1-0")]
fn configuration() -> Result<HostBytes, Refused> {
    let (claim, mut handed) = (Claim::begin(), Handed::NOTHING);
    let (value, size) = (&raw mut handed.start, &raw mut handed.size);
    // SAFETY: both places are valid for writes.
    let status = unsafe { imports::proxy_get_configuration(value, size) };
    claim.finish(handed, status)
}

/// Calls `proxy_get_buffer_bytes`.
pub(crate) fn buffer(buffer: BufferType, start: usize, max_size: usize) -> Result<HostBytes, Refused> {
    // The configurations are no buffers in ABI 0.1.0. The SDK reads them whole.
    #[cfg(feature = "abi-0-1-0")]
    if matches!(buffer, BufferType::VmConfiguration | BufferType::PluginConfiguration) {
        return configuration();
    }
    let (claim, mut handed) = (Claim::begin(), Handed::NOTHING);
    let (value, size) = (&raw mut handed.start, &raw mut handed.size);
    // SAFETY: both places are valid for writes.
    let status = unsafe { imports::proxy_get_buffer_bytes(buffer as u32, start, max_size, value, size) };
    claim.finish(handed, status)
}

/// Calls `proxy_get_buffer_status`, without the flags, which no host sets.
pub(crate) fn buffer_size(buffer: BufferType) -> Result<usize, Status> {
    let (mut size, mut flags) = (0, 0);
    // SAFETY: both places are valid for writes.
    answer(unsafe { imports::proxy_get_buffer_status(buffer as u32, &raw mut size, &raw mut flags) })?;
    Ok(size)
}

/// Calls `proxy_get_header_map_size`.
pub(crate) fn map_size(map: MapType) -> Result<usize, Status> {
    let mut size = 0;
    // SAFETY: the place is valid for a write.
    answer(unsafe { imports::proxy_get_header_map_size(map as u32, &raw mut size) })?;
    Ok(size)
}

/// Calls `proxy_set_buffer_bytes`.
pub(crate) fn set_buffer(buffer: BufferType, start: usize, size: usize, value: &[u8]) -> Answer {
    // SAFETY: the slice is valid for reads of its length.
    answer(unsafe { imports::proxy_set_buffer_bytes(buffer as u32, start, size, value.as_ptr(), value.len()) })
}

/// Calls `proxy_get_header_map_pairs`.
#[inline(never)]
pub(crate) fn map(map: MapType) -> Result<HostBytes, Refused> {
    map_or(map, Ok, |odd| odd)
}

/// Calls `proxy_get_header_map_pairs` on the fast path. A well-formed block goes to `taken`, every
/// other outcome to `odd`.
#[inline]
pub(crate) fn map_or<R>(
    map: MapType,
    taken: impl FnOnce(HostBytes) -> R,
    odd: impl FnOnce(Result<HostBytes, Refused>) -> R,
) -> R {
    let (claim, mut handed) = (Claim::begin(), Handed::NOTHING);
    let (value, size) = (&raw mut handed.start, &raw mut handed.size);
    // SAFETY: both places are valid for writes.
    let status = unsafe { imports::proxy_get_header_map_pairs(map as u32, value, size) };
    claim.finish_as(handed, status, taken, odd)
}

/// Calls `proxy_get_header_map_value`.
pub(crate) fn map_value(map: MapType, name: &[u8]) -> Result<HostBytes, Refused> {
    let (claim, mut handed) = (Claim::begin(), Handed::NOTHING);
    let (value, size) = (&raw mut handed.start, &raw mut handed.size);
    // SAFETY: the slice is valid for reads of its length, and both places are valid for writes.
    let status = unsafe { imports::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), value, size) };
    let value = claim.finish(handed, status)?;
    // A host of ABI 0.1.0 returns an empty value for an absent name.
    if cfg!(feature = "abi-0-1-0") && value.is_empty() {
        return Err(Refused::Status(Status::NotFound));
    }
    Ok(value)
}

/// Calls `proxy_set_header_map_pairs`.
pub(crate) fn set_map(map: MapType, pairs: &[u8]) -> Answer {
    // SAFETY: the slice is valid for reads of its length.
    answer(unsafe { imports::proxy_set_header_map_pairs(map as u32, pairs.as_ptr(), pairs.len()) })
}

/// Calls `proxy_add_header_map_value`.
pub(crate) fn add_map_value(map: MapType, name: &[u8], value: &[u8]) -> u32 {
    let (name, name_size, value, size) = (name.as_ptr(), name.len(), value.as_ptr(), value.len());
    // SAFETY: both slices are valid for reads of their lengths.
    code(unsafe { imports::proxy_add_header_map_value(map as u32, name, name_size, value, size) })
}

/// Calls `proxy_replace_header_map_value`.
pub(crate) fn replace_map_value(map: MapType, name: &[u8], value: &[u8]) -> u32 {
    let (name, name_size, value, size) = (name.as_ptr(), name.len(), value.as_ptr(), value.len());
    // SAFETY: both slices are valid for reads of their lengths.
    code(unsafe { imports::proxy_replace_header_map_value(map as u32, name, name_size, value, size) })
}

/// Calls `proxy_remove_header_map_value`.
pub(crate) fn remove_map_value(map: MapType, name: &[u8]) -> u32 {
    // SAFETY: the slice is valid for reads of its length.
    code(unsafe { imports::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// Calls `proxy_send_local_response`.
pub(crate) fn send_local_response(
    status_code: u32,
    details: &[u8],
    body: &[u8],
    headers: &[u8],
    grpc_status: i32,
) -> Answer {
    // SAFETY: the slices are valid for reads of their lengths.
    answer(unsafe {
        imports::proxy_send_local_response(
            status_code,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}

/// Calls `proxy_http_call`.
pub(crate) fn http_call(
    upstream: &[u8],
    headers: &[u8],
    body: &[u8],
    trailers: &[u8],
    timeout_milliseconds: u32,
) -> Result<u32, Status> {
    let mut token = 0;
    // SAFETY: the slices are valid for reads of their lengths, and the place for a write.
    answer(unsafe {
        imports::proxy_http_call(
            upstream.as_ptr(),
            upstream.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_milliseconds,
            &raw mut token,
        )
    })?;
    Ok(token)
}

/// Calls `proxy_grpc_call`.
pub(crate) fn grpc_call(
    upstream: &[u8],
    service: &[u8],
    method: &[u8],
    metadata: &[u8],
    message: &[u8],
    timeout_milliseconds: u32,
) -> Result<u32, Status> {
    let mut token = 0;
    // SAFETY: the slices are valid for reads of their lengths, and the place for a write.
    answer(unsafe {
        imports::proxy_grpc_call(
            upstream.as_ptr(),
            upstream.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            message.as_ptr(),
            message.len(),
            timeout_milliseconds,
            &raw mut token,
        )
    })?;
    Ok(token)
}

/// Calls `proxy_grpc_stream`.
pub(crate) fn grpc_stream(upstream: &[u8], service: &[u8], method: &[u8], metadata: &[u8]) -> Result<u32, Status> {
    let mut token = 0;
    // SAFETY: the slices are valid for reads of their lengths, and the place for a write.
    answer(unsafe {
        imports::proxy_grpc_stream(
            upstream.as_ptr(),
            upstream.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            &raw mut token,
        )
    })?;
    Ok(token)
}

/// Calls `proxy_grpc_send`.
pub(crate) fn grpc_send(token: u32, message: &[u8], end_of_stream: bool) -> Answer {
    // SAFETY: the slice is valid for reads of its length.
    answer(unsafe { imports::proxy_grpc_send(token, message.as_ptr(), message.len(), end_of_stream.into()) })
}

/// Calls `proxy_grpc_cancel`.
pub(crate) fn grpc_cancel(token: u32) -> Answer {
    // SAFETY: no pointers.
    answer(unsafe { imports::proxy_grpc_cancel(token) })
}

/// Calls `proxy_grpc_close`.
pub(crate) fn grpc_close(token: u32) -> Answer {
    // SAFETY: no pointers.
    answer(unsafe { imports::proxy_grpc_close(token) })
}

/// Calls `proxy_get_status`.
pub(crate) fn status() -> Result<(u32, HostBytes), Refused> {
    let mut code = 0;
    let (claim, mut handed) = (Claim::begin(), Handed::NOTHING);
    let (value, size) = (&raw mut handed.start, &raw mut handed.size);
    // SAFETY: all places are valid for writes.
    let status = unsafe { imports::proxy_get_status(&raw mut code, value, size) };
    Ok((code, claim.finish(handed, status)?))
}

/// Calls `proxy_continue_request` or `proxy_continue_response`. There is no such function for
/// connections.
#[cfg(feature = "abi-0-1-0")]
pub(crate) fn continue_stream(stream: StreamType) -> Answer {
    match stream {
        // SAFETY: no pointers.
        StreamType::HttpRequest => answer(unsafe { imports::proxy_continue_request() }),
        // SAFETY: no pointers.
        StreamType::HttpResponse => answer(unsafe { imports::proxy_continue_response() }),
        StreamType::Downstream | StreamType::Upstream => Err(Status::Unimplemented),
    }
}

/// Returns `Unimplemented`: ABI 0.1.0 cannot close a stream.
#[cfg(feature = "abi-0-1-0")]
pub(crate) const fn close_stream(_: StreamType) -> Answer {
    Err(Status::Unimplemented)
}

/// Calls `proxy_clear_route_cache`.
#[cfg(feature = "abi-0-1-0")]
pub(crate) fn clear_route_cache() -> Answer {
    // SAFETY: no pointers.
    answer(unsafe { imports::proxy_clear_route_cache() })
}

/// Calls `proxy_continue_stream`.
#[cfg(not(feature = "abi-0-1-0"))]
pub(crate) fn continue_stream(stream: StreamType) -> Answer {
    // SAFETY: no pointers.
    answer(unsafe { imports::proxy_continue_stream(stream as u32) })
}

/// Calls `proxy_close_stream`.
#[cfg(not(feature = "abi-0-1-0"))]
pub(crate) fn close_stream(stream: StreamType) -> Answer {
    // SAFETY: no pointers.
    answer(unsafe { imports::proxy_close_stream(stream as u32) })
}

/// Calls `proxy_set_effective_context`.
pub(crate) fn set_effective_context(context: u32) -> Answer {
    // SAFETY: no pointers.
    answer(unsafe { imports::proxy_set_effective_context(context) })
}

/// Calls `proxy_done`.
pub(crate) fn done() -> Answer {
    // SAFETY: no pointers.
    answer(unsafe { imports::proxy_done() })
}

/// Calls `proxy_define_metric`.
pub(crate) fn define_metric(metric_type: MetricType, name: &[u8]) -> Result<u32, Status> {
    let mut metric = 0;
    // SAFETY: the slice is valid for reads of its length, and the place for a write.
    answer(unsafe { imports::proxy_define_metric(metric_type as u32, name.as_ptr(), name.len(), &raw mut metric) })?;
    Ok(metric)
}

/// Calls `proxy_increment_metric`.
pub(crate) fn increment_metric(metric: u32, offset: i64) -> Answer {
    // SAFETY: no pointers.
    answer(unsafe { imports::proxy_increment_metric(metric, offset) })
}

/// Calls `proxy_record_metric`.
pub(crate) fn record_metric(metric: u32, value: u64) -> Answer {
    // SAFETY: no pointers.
    answer(unsafe { imports::proxy_record_metric(metric, value) })
}

/// Calls `proxy_get_metric`.
pub(crate) fn metric(metric: u32) -> Result<u64, Status> {
    let mut value = 0;
    // SAFETY: the place is valid for a write.
    answer(unsafe { imports::proxy_get_metric(metric, &raw mut value) })?;
    Ok(value)
}

/// Calls `proxy_get_shared_data`, which returns the value and its CAS number.
pub(crate) fn shared_data(key: &[u8]) -> Result<(HostBytes, u32), Refused> {
    let (claim, mut handed) = (Claim::begin(), Handed::NOTHING);
    let mut cas = 0;
    let (value, size) = (&raw mut handed.start, &raw mut handed.size);
    // SAFETY: the slice is valid for reads of its length, and the three places are valid for
    // writes.
    let status = unsafe { imports::proxy_get_shared_data(key.as_ptr(), key.len(), value, size, &raw mut cas) };
    Ok((claim.finish(handed, status)?, cas))
}

/// Calls `proxy_set_shared_data`.
pub(crate) fn set_shared_data(key: &[u8], value: &[u8], cas: u32) -> Answer {
    let (key, key_size, value, size) = (key.as_ptr(), key.len(), value.as_ptr(), value.len());
    // SAFETY: both slices are valid for reads of their lengths.
    answer(unsafe { imports::proxy_set_shared_data(key, key_size, value, size, cas) })
}

/// Calls `proxy_register_shared_queue`.
pub(crate) fn register_queue(name: &[u8]) -> Result<u32, Status> {
    let mut queue = 0;
    // SAFETY: the slice is valid for reads of its length, and the place for a write.
    answer(unsafe { imports::proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) })?;
    Ok(queue)
}

/// Calls `proxy_resolve_shared_queue`.
pub(crate) fn resolve_queue(vm_id: &[u8], name: &[u8]) -> Result<u32, Status> {
    let mut queue = 0;
    let (vm_id, vm_id_size, name, size) = (vm_id.as_ptr(), vm_id.len(), name.as_ptr(), name.len());
    // SAFETY: both slices are valid for reads of their lengths, and the place for a write.
    answer(unsafe { imports::proxy_resolve_shared_queue(vm_id, vm_id_size, name, size, &raw mut queue) })?;
    Ok(queue)
}

/// Calls `proxy_enqueue_shared_queue`.
pub(crate) fn enqueue(queue: u32, item: &[u8]) -> Answer {
    // SAFETY: the slice is valid for reads of its length.
    answer(unsafe { imports::proxy_enqueue_shared_queue(queue, item.as_ptr(), item.len()) })
}

/// Calls `proxy_dequeue_shared_queue`.
pub(crate) fn dequeue(queue: u32) -> Result<HostBytes, Refused> {
    let (claim, mut handed) = (Claim::begin(), Handed::NOTHING);
    let (value, size) = (&raw mut handed.start, &raw mut handed.size);
    // SAFETY: both places are valid for writes.
    let status = unsafe { imports::proxy_dequeue_shared_queue(queue, value, size) };
    claim.finish(handed, status)
}

/// Calls `proxy_get_property`.
pub(crate) fn property(path: &[u8]) -> Result<HostBytes, Refused> {
    let (claim, mut handed) = (Claim::begin(), Handed::NOTHING);
    let (value, size) = (&raw mut handed.start, &raw mut handed.size);
    // SAFETY: the slice is valid for reads of its length, and both places are valid for writes.
    let status = unsafe { imports::proxy_get_property(path.as_ptr(), path.len(), value, size) };
    claim.finish(handed, status)
}

/// Calls `proxy_set_property`.
pub(crate) fn set_property(path: &[u8], value: &[u8]) -> Answer {
    let (path, path_size, value, size) = (path.as_ptr(), path.len(), value.as_ptr(), value.len());
    // SAFETY: both slices are valid for reads of their lengths.
    answer(unsafe { imports::proxy_set_property(path, path_size, value, size) })
}

/// Returns whether the host would get a block of this size. A block is allocated at the host's own
/// entry, and freed.
pub(crate) fn has_room(size: usize) -> bool {
    let claim = Claim::begin();
    let has_room = !allocate(size).is_null();
    drop(claim.finish(Handed::NOTHING, 0));
    has_room
}

/// Calls `proxy_call_foreign_function`.
pub(crate) fn foreign_function(name: &[u8], arguments: &[u8]) -> Result<HostBytes, Refused> {
    let (claim, mut handed) = (Claim::begin(), Handed::NOTHING);
    let (value, size) = (&raw mut handed.start, &raw mut handed.size);
    let (name, name_size, arguments, arguments_size) = (name.as_ptr(), name.len(), arguments.as_ptr(), arguments.len());
    // Envoy's functions do not check that they got a block, so no budget may refuse it.
    let status = budget::unlimited(|| {
        // SAFETY: both slices are valid for reads of their lengths, and both places are valid for
        // writes.
        unsafe { imports::proxy_call_foreign_function(name, name_size, arguments, arguments_size, value, size) }
    });
    claim.finish(handed, status)
}
