//! What one entry into the VM has asked for that changes what a later callback of the same entry
//! may ask for.
//!
//! Hosts carry out what a callback asks for after the callback has returned. All that an entry asks
//! for, by the callback and by the tasks that it woke in other contexts, waits in one list of the
//! host's.

use core::cell::Cell;

use crate::abi::depth;

/// How many streams one entry may let go on.
///
/// Envoy carries out the second resume within what follows from the first, and so on: each of them
/// takes some of its stack. At 320 the VM ends.
const MOST_RESUMES: u32 = 128;

/// The tasks run that a callback woke. Below it the resumes are counted.
const POLLING: u32 = 1 << 29;
/// The proxy was told to let a response go on, or to answer a stream.
const TOLD: u32 = 1 << 30;
/// A call has failed within its host call.
const CALL_FAILED: u32 = 1 << 31;

crate::__vm_local! {
    /// What the entry has asked for.
    static ASKED: Cell<u32> = Cell::new(0);
}

fn has(bit: u32) -> bool {
    ASKED.with(|asked| asked.get() & bit != 0)
}

fn set(bit: u32) {
    ASKED.with(|asked| asked.set(asked.get() | bit));
}

/// Notes that a callback of a context begins. Returns whether an entry begins with it: not if a
/// task is polled that another context woke, and not if the host calls back within a host call.
#[inline]
pub(crate) fn begin() -> bool {
    ASKED.with(|asked| {
        let is_first = asked.get() & POLLING == 0 && depth() <= 1;
        if is_first {
            asked.set(0);
        }
        is_first
    })
}

/// Runs the tasks that a callback woke, which ask for things behind the callback.
#[cfg(feature = "async")]
pub(crate) fn behind_callback(poll: impl FnOnce()) {
    set(POLLING);
    poll();
    ASKED.with(|asked| asked.set(0));
}

/// Returns whether the entry has told the proxy to let a response go on, or to answer a stream.
pub(super) fn has_told() -> bool {
    has(TOLD)
}

/// Notes that the entry has told the proxy so.
pub(super) fn tell() {
    set(TOLD);
}

/// Counts a resume; `false` if the entry has asked for as many as a host can carry out.
pub(super) fn may_resume() -> bool {
    ASKED.with(|asked| {
        let may = asked.get() & (POLLING - 1) < MOST_RESUMES;
        asked.set(asked.get() + u32::from(may));
        may
    })
}

/// Notes that a call has failed within its host call.
#[cold]
pub(super) fn call_failed() {
    set(CALL_FAILED);
}

/// Returns whether a call has failed within its host call, of the callback that woke the task that
/// runs.
pub(super) fn has_failed_before() -> bool {
    has(POLLING) && has(CALL_FAILED)
}
