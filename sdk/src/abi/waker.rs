//! Wakers that are numbers: making, copying and dropping one takes no memory, so it cannot fail.

use core::ptr;
use core::task::{RawWaker, RawWakerVTable, Waker};

static NUMBER: RawWakerVTable = RawWakerVTable::new(copy, wake, wake, drop);

/// Returns a waker that passes its number to [`task::wake`](crate::task::wake), on the thread that
/// it is called on.
pub(crate) fn waker(number: u32) -> Waker {
    // SAFETY: the functions of the table require nothing: the pointer is a number, and nothing is
    // behind it. They touch no state but that of their own thread, so they may be called on any
    // thread.
    unsafe { Waker::from_raw(raw(ptr::without_provenance(number as usize))) }
}

const fn raw(number: *const ()) -> RawWaker {
    RawWaker::new(number, &NUMBER)
}

fn copy(number: *const ()) -> RawWaker {
    raw(number)
}

fn wake(number: *const ()) {
    if let Ok(number) = u32::try_from(number.addr()) {
        crate::task::wake(number);
    }
}

fn drop(_: *const ()) {}
