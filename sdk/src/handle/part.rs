//! What a body and a connection's data have in common, and who reads both as they grow.

use super::{Body, ConnectionData};
use crate::abi::{HostBytes, StreamType};
use crate::context::{DataAction, Flow};
use crate::error::Result;

/// A [`Body`](crate::Body), or the [data](crate::ConnectionData) of a connection: a part that is on
/// its way, or all that was held back so far. Their own methods of these names say more.
pub trait Part: sealed::Sealed {
    /// The status that the callback of such a part returns.
    type Status;

    /// Lets the part go on.
    const GO: Self::Status;

    /// Keeps the part in the proxy, where [`IS_KEPT`](Self::IS_KEPT) says that the proxy can.
    const KEEP: Self::Status;

    /// Whether trailers may follow, so that the proxy keeps a part for the sake of what is left.
    const IS_KEPT: bool;

    /// How many bytes there are.
    fn size(&self) -> usize;

    /// Returns whether there are no more to come.
    fn end_of_stream(&self) -> bool;

    /// At most `size` bytes from `start` on.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or the SDK is out of memory.
    fn read(&self, start: usize, size: usize) -> Result<HostBytes>;

    /// Replaces all of it.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    fn replace(&mut self, bytes: &[u8]) -> Result<()>;
}

mod sealed {
    use crate::abi::StreamType;

    pub trait Sealed {
        /// Returns whether somebody sees the end of the body if trailers are its end.
        fn sees_trailers(&self) -> bool;

        fn direction(&self) -> StreamType;
    }
}

macro_rules! part {
    ($name:ident, $status:ident, $keep:ident, $is_kept:literal, |$part:ident| $sees_trailers:expr) => {
        impl<D, P> sealed::Sealed for $name<'_, D, P> {
            fn sees_trailers(&self) -> bool {
                let $part = self;
                $sees_trailers
            }

            fn direction(&self) -> StreamType {
                self.buffer.direction()
            }
        }

        impl<D, P> Part for $name<'_, D, P> {
            type Status = $status;
            const GO: $status = $status::Continue;
            const KEEP: $status = $status::$keep;
            const IS_KEPT: bool = $is_kept;

            fn size(&self) -> usize {
                $name::size(self)
            }

            fn end_of_stream(&self) -> bool {
                $name::end_of_stream(self)
            }

            fn read(&self, start: usize, size: usize) -> Result<HostBytes> {
                $name::read(self, start, size)
            }

            fn replace(&mut self, bytes: &[u8]) -> Result<()> {
                $name::replace(self, bytes)
            }
        }
    };
}

part!(Body, DataAction, StopIterationAndBuffer, true, |body| body.sees_trailers);
part!(ConnectionData, Flow, StopIteration, false, |_data| true);

/// Reads a body, or a connection's data, that grows from callback to callback, each byte once: kept
/// in the filter, from one part to the next.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Count { cursor: BodyCursor }
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Count {
///     fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
///         let new = self.cursor.read(body)?; // not what was read before
///         info!("{} more, {} in all", new.len(), self.cursor.position());
///         Ok(if body.end_of_stream() { DataAction::Continue } else { DataAction::StopIterationAndBuffer })
///     }
/// }
/// # sluicegate::plugin!(http: Count);
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BodyCursor {
    position: usize,
}

impl BodyCursor {
    /// How many bytes were read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// What is new in what is held back: none if nothing is.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or the SDK is out of memory: the next read begins at the same
    /// place.
    ///
    /// # Cost
    ///
    /// One host call and one block of the size that is new; nothing if nothing is.
    pub fn read(&mut self, part: &impl Part) -> Result<HostBytes> {
        let Some(new) = part.size().checked_sub(self.position).filter(|new| *new > 0) else {
            return Ok(HostBytes::EMPTY);
        };
        let bytes = part.read(self.position, new)?;
        self.position += bytes.len();
        Ok(bytes)
    }

    /// Begins again at the first byte: after the parts before were let go on.
    pub const fn reset(&mut self) {
        self.position = 0;
    }
}
