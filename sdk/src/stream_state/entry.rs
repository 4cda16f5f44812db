//! The requests of one entry into the VM that limit the requests of later callbacks of the same
//! entry.
//!
//! Hosts carry out the requests of a callback after the callback has returned. All requests of an
//! entry, by the callback and by the tasks that it woke in other contexts, wait in one list of the
//! host.

use core::cell::Cell;

use crate::abi::depth;

/// The number of resumes and of local replies that one entry may ask for.
///
/// Envoy carries out the second of them within the effects of the first, and so on. Each of them
/// takes some of the stack. At 300 the VM ends.
const MOST_RESUMES: u32 = 128;

/// The entry is for the metadata of a response. The bits below count the resumes and replies.
const OF_METADATA: u32 = 1 << 28;
/// The tasks that a callback woke are running.
const POLLING: u32 = 1 << 29;
/// The proxy was told to resume a response, or to reply to a stream.
const TOLD: u32 = 1 << 30;
/// A call has failed within its host call.
const CALL_FAILED: u32 = 1 << 31;

crate::__vm_local! {
    /// The requests of the entry.
    static ASKED: Cell<u32> = Cell::new(0);
}

fn has(bit: u32) -> bool {
    ASKED.with(|asked| asked.get() & bit != 0)
}

fn set(bit: u32) {
    ASKED.with(|asked| asked.set(asked.get() | bit));
}

/// Notes that a callback of a context begins. Returns whether an entry begins with it. None begins
/// if a task is polled that another context woke, or if the host calls back within a host call.
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

/// Runs the tasks that a callback woke, whose requests come after those of the callback.
#[cfg(feature = "async")]
pub(crate) fn behind_callback(poll: impl FnOnce()) {
    set(POLLING);
    poll();
    ASKED.with(|asked| asked.set(0));
}

/// Returns whether the entry has told the proxy to resume a response, or to reply to a stream.
pub(super) fn has_told() -> bool {
    has(TOLD)
}

/// Notes that the entry has told the proxy to resume a response, or to reply to a stream.
pub(super) fn tell() {
    set(TOLD);
}

/// Notes that the entry is for the metadata of a response.
pub(super) fn begin_metadata() {
    set(OF_METADATA);
}

/// Returns whether the entry is for the metadata of a response.
pub(super) fn is_of_metadata() -> bool {
    has(OF_METADATA)
}

/// Returns whether the entry may ask for so many more resumes and replies.
fn has_room(more: u32) -> bool {
    ASKED.with(|asked| (asked.get() & (OF_METADATA - 1)) + more <= MOST_RESUMES)
}

/// Returns whether the entry may run one more task that ends: the task may let both directions of
/// its stream go on.
#[cfg(feature = "async")]
pub(crate) fn may_poll() -> bool {
    has_room(2)
}

/// Returns whether the entry may reply to one more stream.
pub(super) fn may_reply() -> bool {
    has_room(1)
}

/// Counts a reply.
pub(super) fn count() {
    ASKED.with(|asked| asked.set(asked.get() + u32::from(has_room(1))));
}

/// Counts a resume. Returns `false` if the entry has asked for as many resumes and replies as a
/// host can carry out.
pub(super) fn may_resume() -> bool {
    let may = has_room(1);
    count();
    may
}

/// Notes that a call has failed within its host call.
#[cold]
pub(super) fn call_failed() {
    set(CALL_FAILED);
}

/// Returns whether a call has failed within its host call, in the callback that woke the running
/// task.
pub(super) fn has_failed_before() -> bool {
    has(POLLING) && has(CALL_FAILED)
}
