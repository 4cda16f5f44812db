//! The failure policy of connections: the status, and the close after an error.

use super::http_policy::let_go;
use crate::abi::{StreamType, call};
use crate::context::{FilterStatus, TcpFilter};
use crate::failures;
use crate::stream_state::{STOP, State};

/// Returns the status for a callback whose context is missing or busy.
#[cold]
#[inline(never)]
pub(super) fn missing<T: TcpFilter>(state: Option<&State>) -> u32 {
    failures::count();
    if T::ON_ERROR.status().is_none() {
        return FilterStatus::Continue as u32;
    }
    match state {
        Some(state) => refuse(state),
        None => close(),
    }
    STOP
}

/// Applies the policy to a connection whose callback failed, or that could not get a response.
#[cold]
#[inline(never)]
pub(super) fn fail<T: TcpFilter>(context: u32, state: &State) {
    if T::ON_ERROR.status().is_some() {
        refuse(state);
    } else {
        let_go(context, state, [StreamType::Downstream, StreamType::Upstream]);
    }
}

/// Closes the connection after an error, if it is still open. None of its data goes on.
#[cold]
#[inline(never)]
pub(super) fn refuse(state: &State) {
    if state.may_reply().is_ok() {
        close();
        state.replied();
    }
}

/// Closes the connection. If the host refuses, nothing changes: the data stays here.
fn close() {
    let _ = call::close_stream(StreamType::Downstream);
}
