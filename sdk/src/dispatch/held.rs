//! Headers that are held before a body that the filter judges as a whole.
//!
//! Envoy keeps the body behind held headers. For [`Action::StopIteration`] Envoy stops reading at
//! the limit of its buffer, and does not read on when the headers go on, because the filter then
//! keeps the body. The rest of a larger body would never come, and the stream would wait for a
//! timeout. For [`Action::StopAllIterationAndBuffer`] Envoy refuses the body at the limit, as it
//! does if no headers are held.
//!
//! The proxy for nginx by Kong takes the number of that status for another one, so the status is
//! for Envoy and its relatives.

use core::cell::Cell;

use crate::abi::{StreamType, call};
use crate::context::{Action, HttpFilter};
use crate::stream_state::{STOP, State};

/// Returns whether the filter judges the complete bodies of a direction, and may wait for a call, a
/// task or a closure before.
#[inline]
pub(super) const fn gathers<H: HttpFilter>(direction: StreamType) -> bool {
    let gathers = (H::COMPLETE_REQUEST && matches!(direction, StreamType::HttpRequest))
        || (H::COMPLETE_RESPONSE && matches!(direction, StreamType::HttpResponse));
    gathers && (H::CALLS || H::TASKS || H::HTTP_ANSWERS || H::GRPC_ANSWERS)
}

/// Returns the status for headers that are held before a body which is to be gathered.
///
/// If nothing is pending that could let the headers go, the filter waits for the body behind them.
/// Then the proxy must show the body, which it does only for [`Action::StopIteration`].
#[cold]
#[inline(never)]
pub(super) fn status(state: &State, direction: StreamType) -> u32 {
    if !state.awaits(direction) || state.passes_in_parts(direction) || !is_envoy() {
        return STOP;
    }
    state.hold_all();
    Action::StopAllIterationAndBuffer as u32
}

crate::__vm_local! {
    /// `true` if the host is Envoy or one of its relatives. `None` if that is not known yet.
    static IS_ENVOY: Cell<Option<bool>> = Cell::new(None);
}

/// A property that only Envoy and its relatives have: a number, which a listener always has.
const OF_ENVOY: &[u8] = b"xds\0listener_direction";

/// Returns whether the host is Envoy or one of its relatives. Asks the host once in a VM.
fn is_envoy() -> bool {
    IS_ENVOY.with(|is_envoy| {
        let known = is_envoy.get().unwrap_or_else(|| {
            // A host that returns OK for every property gives no bytes.
            call::property(OF_ENVOY).is_ok_and(|number| number.len() == size_of::<u64>())
        });
        is_envoy.set(Some(known));
        known
    })
}
