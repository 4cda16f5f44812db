//! Calls and streams over gRPC whose events come to a callback: the context that opened them ends
//! them when it is deleted.

use super::{CallToken, Kind, take, waiting};
use crate::abi::{Status, call};
use crate::dispatch::Table;
use crate::error::{Error, Result};
use sluicegate_alloc::region::outside;

/// A call or stream. Dropped before it is over, it is cancelled.
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
    /// By the numbers of the contexts, and then of the calls.
    static OPEN: Table<Table<Open>> = Table::new();
}

/// Notes what a context opened. If the SDK is out of memory, it is cancelled at once.
pub(crate) fn opened(context: u32, token: CallToken) -> Result<CallToken> {
    let noted = outside(|| {
        OPEN.with(|open| {
            if open.get(context).is_none() {
                open.insert(context, Table::new())?;
            }
            let of_context = open.get(context).ok_or(Error::out_of_memory(0))?;
            // A host that gives a number twice: it is noted.
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

/// Forgets what is over.
pub(crate) fn closed(context: u32, token: u32) {
    if let Some(of_context) = OPEN.with(|open| open.get(context)) {
        outside(|| of_context.remove(token));
    }
}

/// Cancels what a context that is deleted has open: it would stay open until the other side ends
/// it.
pub(crate) fn forget_open(context: u32) {
    // Dropped when the table is borrowed no more.
    let gone = outside(|| OPEN.with(|open| open.remove(context)));
    drop(gone);
}

/// Forgets everything.
pub(super) fn clear() {
    OPEN.with(Table::clear);
}
