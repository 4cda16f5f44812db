//! The contexts that wait for responses, by the numbers of their calls.

use core::cell::Cell;
use core::time::Duration;

use crate::abi::{LogLevel, Shared, Status};
use crate::error::{Call, Error, Result};
use crate::log;
use crate::stream_state;
use crate::table::Table;
use sluicegate_alloc::region::outside;

/// The number that the host gave a call.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Filter {
///     check: Option<CallToken>,
/// }
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Filter {
///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
///         let headers = [(":method", "GET"), (":path", "/check"), (":authority", "auth")];
///         self.check = Some(request.call(&HttpCall::new("auth").headers(&headers))?);
///         Ok(Action::Pause)
///     }
///
///     fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, response: &CallResponse) -> Result<()> {
///         if self.check == Some(response.token()) { stream.resume_request() } else { Ok(()) }
///     }
/// }
/// # sluicegate::plugin!(http: Filter);
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CallToken(pub(crate) u32);

/// The kind of a call, which decides which response is its last.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Kind {
    /// An HTTP call, which gets one response.
    Http,
    /// A gRPC call, which gets one message, or is closed.
    GrpcCall,
    /// A gRPC stream, which gets events until it is closed.
    GrpcStream,
}

/// The context that waits for a call.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) context: Cell<u32>,
    pub(crate) kind: Kind,
}

/// A value for HTTP calls and one for gRPC calls. A host may number the two kinds separately.
pub(super) struct ByKind<T> {
    pub(super) http: T,
    pub(super) grpc: T,
}

impl<T> ByKind<T> {
    pub(super) const fn of(&self, kind: Kind) -> &T {
        match kind {
            Kind::Http => &self.http,
            Kind::GrpcCall | Kind::GrpcStream => &self.grpc,
        }
    }
}

crate::__vm_local! {
    /// The contexts that wait for a response, by the numbers of the calls.
    static CALLS: ByKind<Table<Waiting>> = ByKind { http: Table::new(), grpc: Table::new() };
}

crate::__vm_local! {
    /// `true` if the module lacks the callback that brings responses. Then nothing would ever
    /// remove the entry of a call.
    static UNANSWERED: ByKind<Cell<bool>> = ByKind { http: Cell::new(false), grpc: Cell::new(false) };
}

/// Stores which callbacks the module exports: the one for HTTP responses, and those of gRPC.
#[doc(hidden)]
pub fn __answered(http: bool, grpc: bool) {
    UNANSWERED.with(|unanswered| {
        unanswered.http.set(!http);
        unanswered.grpc.set(!grpc);
    });
}

/// Room for the entry of a call, taken before the host gets the call. So no call is sent whose
/// response would find no entry. `None` if no response can come.
pub(super) struct Reserved(Option<Shared<Waiting>>);

impl Reserved {
    pub(super) fn new(context: u32, kind: Kind) -> Result<Self> {
        if UNANSWERED.with(|unanswered| unanswered.of(kind).get()) {
            return Ok(Self(None));
        }
        // Not in the region of the stream that makes the call: the table outlives the stream.
        outside(|| {
            CALLS.with(|calls| calls.of(kind).reserve())?;
            Ok(Self(Some(Shared::try_new(Waiting { context: Cell::new(context), kind })?)))
        })
    }

    /// Enters the waiting context under the number of the call.
    pub(super) fn note(self, token: u32) -> CallToken {
        if let Some(waiting) = self.0 {
            // A host that gives a number twice loses the first call. The newer context then waits
            // under the number.
            let kind = waiting.kind;
            if waiting.context.get() != NOBODY {
                stream_state::ask();
            }
            take(kind, token);
            CALLS.with(|calls| calls.of(kind).put(token, waiting));
        }
        CallToken(token)
    }
}

/// Returns the entry of a call of this kind, and keeps it in the table.
pub(crate) fn waiting(kind: Kind, token: u32) -> Option<Shared<Waiting>> {
    CALLS.with(|calls| calls.of(kind).get(token))
}

/// Returns the entry of a call of this kind, and removes it from the table.
pub(crate) fn take(kind: Kind, token: u32) -> Option<Shared<Waiting>> {
    outside(|| CALLS.with(|calls| calls.of(kind).remove(token)))
}

/// Makes the response to a call go to no context, without a log line.
pub(super) fn orphan(kind: Kind, token: u32) {
    if let Some(waiting) = waiting(kind, token) {
        waiting.context.set(NOBODY);
    }
}

/// Returns the error for a call that the host refused, and logs the cluster. The cluster is often
/// the reason, and the failure in a task has no name.
#[cold]
#[inline(never)]
pub(super) fn refused(call: &'static Call, cluster: &[u8], status: Status) -> Error {
    log::note_of(LogLevel::Warn, "the host refuses a call to the cluster", cluster);
    if status == Status::InternalFailure {
        stream_state::call_failed();
    }
    Error::named(call, cluster, status, why(status))
}

/// Returns the meaning of a host's status for a call that lacks nothing.
const fn why(status: Status) -> &'static &'static str {
    match status {
        // In Envoy the first status is that of HTTP calls, the second that of gRPC calls.
        Status::BadArgument | Status::ParseFailure | Status::NotFound => &"the proxy has no such cluster",
        Status::InternalFailure => &"the cluster has no healthy host, or there is none of this name",
        _ => &"",
    }
}

/// Forgets all calls, at the end of the VM.
pub(super) fn clear() {
    CALLS.with(|calls| {
        calls.http.clear();
        calls.grpc.clear();
    });
}

/// The number that no context has: zero is the VM. A response to it is dropped.
pub(crate) const NOBODY: u32 = 0;

/// Returns a timeout in the host's milliseconds. A timeout above zero does not become zero, which
/// means no timeout. It does not become negative, which Envoy refuses.
pub(super) fn timeout(timeout: Duration) -> u32 {
    const MOST: u32 = i32::MAX.cast_unsigned();
    let of_seconds = timeout.as_secs().saturating_mul(1000);
    let milliseconds = of_seconds.saturating_add(u64::from(timeout.subsec_nanos().div_ceil(1_000_000)));
    u32::try_from(milliseconds).unwrap_or(MOST).min(MOST)
}

/// Forgets the HTTP calls of contexts that are gone: nobody takes their responses any more. The
/// host gives up the calls of a plugin that is deleted, and brings no response that would remove
/// them. Calls over gRPC are cancelled when their context is deleted.
pub(crate) fn forget_gone(is_gone: impl Fn(u32) -> bool) {
    outside(|| CALLS.with(|calls| calls.http.remove_all(|waiting| is_gone(waiting.context.get()))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_never_cut_to_none_nor_negative() {
        let cases = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_micros(1001), 2),
            (Duration::from_millis(1000), 1000),
            (Duration::from_secs(60 * 60 * 24 * 24), 2_073_600_000),
            (Duration::from_secs(60 * 60 * 24 * 25), 2_147_483_647),
            (Duration::from_secs(60 * 60 * 24 * 50), 2_147_483_647),
            (Duration::MAX, 2_147_483_647),
        ];
        for (duration, milliseconds) in cases {
            assert_eq!(timeout(duration), milliseconds, "{duration:?}");
        }
    }

    #[test]
    fn a_number_may_be_that_of_an_http_call_and_of_a_grpc_call() {
        for (context, kind) in [(5, Kind::Http), (6, Kind::GrpcStream)] {
            Reserved::new(context, kind).unwrap().note(1);
        }
        let context = |waiting: Option<Shared<Waiting>>| waiting.map(|waiting| waiting.context.get());
        assert_eq!(context(take(Kind::Http, 1)), Some(5));
        assert_eq!(context(take(Kind::Http, 1)), None);
        assert_eq!(context(take(Kind::GrpcCall, 1)), Some(6));
    }
}
