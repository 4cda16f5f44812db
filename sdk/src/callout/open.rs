//! gRPC calls and streams whose events come to a callback. They end when the context that opened
//! them is deleted.

use super::waiting::{CallToken, Kind, take, waiting};
use crate::abi::{Status, call};
use crate::error::{Error, Result};
use crate::table::Table;
use sluicegate_alloc::region::outside;

/// An open call or stream. If it is dropped before it is over, it is cancelled.
struct Open {
    context: u32,
    token: u32,
}

impl Drop for Open {
    fn drop(&mut self) {
        // If the host refuses, this side is closed at the next event.
        if waiting(Kind::GrpcCall, self.token).is_some_and(|waiting| waiting.context.get() == self.context)
            && matches!(call::grpc_cancel(self.token), Ok(()) | Err(Status::NotFound))
        {
            take(Kind::GrpcCall, self.token);
        }
    }
}

crate::__vm_local! {
    /// The open calls and streams, by the numbers of their contexts and then by their own.
    static OPEN: Table<Table<Open>> = Table::new();
}

/// Enters a call or stream that a context opened. If the SDK is out of memory, the call or stream
/// is cancelled at once.
///
/// # Errors
///
/// Fails if the SDK is out of memory.
pub(crate) fn opened(context: u32, token: CallToken) -> Result<CallToken> {
    let noted = outside(|| {
        OPEN.with(|open| {
            if open.get(context).is_none() {
                open.insert(context, Table::new())?;
            }
            let of_context = open.get(context).ok_or(Error::out_of_memory(0))?;
            // A host that gives a number twice: the number is in the table already.
            if of_context.contains(token.0) {
                return Ok(true);
            }
            of_context.insert(token.0, Open { context, token: token.0 })
        })
    });
    match noted {
        Ok(_) => Ok(token),
        Err(error) => {
            let _ = token.cancel();
            Err(error)
        }
    }
}

/// Removes a call or stream that is over.
pub(crate) fn closed(context: u32, token: u32) {
    if let Some(of_context) = OPEN.with(|open| open.get(context)) {
        outside(|| of_context.remove(token));
    }
}

/// Cancels the open calls and streams of a context that is deleted. Otherwise they would stay open
/// until the other side ends them.
pub(crate) fn forget_open(context: u32) {
    // Dropped only after the table is no longer borrowed.
    let gone = outside(|| OPEN.with(|open| open.remove(context)));
    drop(gone);
}

/// Forgets all open calls and streams.
pub(super) fn clear() {
    OPEN.with(Table::clear);
}
