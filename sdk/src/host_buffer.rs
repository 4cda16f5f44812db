//! The buffers of the host: bodies, data, configurations and the bytes of responses.

use crate::abi::{BufferType, HostBytes, Refused, Status, StreamType, call};
use crate::error::{Error, Result};

/// The largest size to ask a buffer for. Hosts add the size to the start, as 32-bit numbers.
pub(crate) const WHOLE: usize = i32::MAX as usize;

/// Reads a part of a buffer. A buffer that the host does not have is empty.
pub(crate) fn read(buffer: BufferType, start: usize, size: usize) -> Result<HostBytes> {
    match call::buffer(buffer, start, size.min(WHOLE)) {
        Err(Refused::Status(Status::NotFound)) => Ok(HostBytes::EMPTY),
        other => other.map_err(|refused| Error::host("proxy_get_buffer_bytes", buffer, refused)),
    }
}

/// Replaces `size` bytes of a buffer from `start` on.
pub(crate) fn write(buffer: BufferType, start: usize, size: usize, bytes: &[u8]) -> Result<()> {
    call::set_buffer(buffer, start, size, bytes).map_err(|status| Error::host("proxy_set_buffer_bytes", buffer, status))
}

/// Returns the buffer of the body in this direction.
pub(crate) const fn buffer_of(direction: StreamType) -> BufferType {
    match direction {
        StreamType::HttpRequest => BufferType::HttpRequestBody,
        _ => BufferType::HttpResponseBody,
    }
}
