//! The cursor that reads a body, or a connection's data, as it grows.

use super::{Body, Direction};
use crate::abi::HostBytes;
use crate::error::Result;

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
    pub fn read<D: Direction, P>(&mut self, part: &Body<'_, D, P>) -> Result<HostBytes> {
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
