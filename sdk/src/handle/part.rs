//! The common trait of a body and a connection's data, and the cursor that reads both as they grow.

use super::{Body, ConnectionData};
use crate::abi::{HostBytes, StreamType};
use crate::context::{DataAction, FilterStatus};
use crate::error::Result;

/// A [`Body`](crate::Body), or the [data](crate::ConnectionData) of a connection: a part that is on
/// its way, or all bytes that are kept so far. The methods of the same names on those types have
/// longer docs.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::Part;
///
/// /// Reads the start of a body, or of a connection's data.
/// fn is_json(part: &impl Part) -> Result<bool> {
///     Ok(part.read(0, 1)?.starts_with(b"{"))
/// }
/// # sluicegate_host::example::body(|body| is_json(body).map(|_| DataAction::Continue));
/// ```
pub trait Part: sealed::Sealed {
    /// The status that the callback of such a part returns.
    type Status;

    /// The status that lets the part go on.
    const GO: Self::Status;

    /// The status that keeps the part in the proxy, where [`IS_KEPT`](Self::IS_KEPT) says that the
    /// proxy can.
    const KEEP: Self::Status;

    /// `true` if trailers may follow, so that the proxy keeps a part for the bytes that are left.
    const IS_KEPT: bool;

    /// Returns the number of bytes.
    fn size(&self) -> usize;

    /// Returns whether no more bytes come.
    fn end_of_stream(&self) -> bool;

    /// Returns at most `size` bytes from `start` on.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    fn read(&self, start: usize, size: usize) -> Result<HostBytes>;

    /// Replaces all bytes.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    fn replace(&mut self, bytes: &[u8]) -> Result<()>;
}

mod sealed {
    use crate::abi::StreamType;

    pub trait Sealed {
        /// Returns whether the filter sees the end of a body that ends with trailers.
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
part!(ConnectionData, FilterStatus, StopIteration, false, |_data| true);

/// A cursor that reads a body, or a connection's data, as it grows from callback to callback, each
/// byte once. The filter keeps the cursor from one part to the next.
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
    /// Returns the number of bytes that were read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Returns the new bytes. Returns no bytes if there are none.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory. Then the next read begins at the
    /// same place.
    ///
    /// # Cost
    ///
    /// One host call and one block of the size of the new bytes. Nothing if there are none.
    pub fn read(&mut self, part: &impl Part) -> Result<HostBytes> {
        let Some(new) = part.size().checked_sub(self.position).filter(|new| *new > 0) else {
            return Ok(HostBytes::EMPTY);
        };
        let bytes = part.read(self.position, new)?;
        self.position += bytes.len();
        Ok(bytes)
    }

    /// Moves the cursor to the first byte, for use after the parts before were let go on.
    pub const fn reset(&mut self) {
        self.position = 0;
    }
}
