//! Host calls on the context that the host takes to be the current one.

use crate::abi::{BufferType, StreamType, call};
use crate::error::{Error, Result, Subject};
use crate::host_buffer::write;
use crate::stream_state;

/// Closes a direction of the stream that host calls act on.
///
/// # Errors
///
/// Fails without a host call if the stream has ended, or if the callback that runs has replied to
/// it or resumed its response. Fails if the host refuses.
pub(crate) fn close(direction: StreamType) -> Result<()> {
    stream_state::current(|state| {
        if let Some(state) = state {
            state.may_close(direction)?;
        }
        call::close_stream(direction).map_err(|status| Error::host("proxy_close_stream", direction, status))?;
        if let Some(state) = state {
            state.closed(direction);
        }
        Ok(())
    })
}

/// Resumes a direction of the stream that host calls act on, which callbacks paused.
///
/// # Errors
///
/// Fails without a host call if there is no stream, if the stream has ended, or if the filter does
/// not hold the direction. Fails if the host refuses.
pub(crate) fn resume(direction: StreamType) -> Result<()> {
    stream_state::current(|state| match state {
        Some(state) => state.resume(direction),
        None => Err(Error::stream(direction, "there is no stream")),
    })
}

/// Tells the host which context the next host calls act on.
pub(crate) fn set_effective_context(context: u32) -> Result<()> {
    call::set_effective_context(context)
        .map_err(|status| Error::host("proxy_set_effective_context", Subject::Context(context), status))
}

/// Replaces `size` bytes of a buffer from `start` on, in the callback for the trailers.
///
/// # Errors
///
/// Fails without a host call if the proxy takes no bytes of the body at the trailers. Fails if the
/// host refuses.
pub(crate) fn write_at_trailers(buffer: BufferType, start: usize, size: usize, bytes: &[u8]) -> Result<()> {
    stream_state::may_write_at_trailers(buffer.direction())?;
    write(buffer, start, size, bytes)
}
