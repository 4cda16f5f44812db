//! Wakers that are numbers: making, copying and dropping one takes no memory, so it cannot fail.

use core::marker::PhantomData;
use core::ptr;
use core::task::{RawWaker, RawWakerVTable, Waker};

/// A type that wakes tasks by their numbers.
pub(crate) trait Wake {
    /// Wakes the task of this number, on the thread that this is called on.
    fn wake(number: u32);
}

/// The functions of a waker that passes its number to `W`.
struct Number<W>(PhantomData<W>);

impl<W: Wake> Number<W> {
    const TABLE: &'static RawWakerVTable = &RawWakerVTable::new(copy::<W>, wake::<W>, wake::<W>, drop);
}

/// Returns a waker that passes its number to [`Wake::wake`].
pub(crate) fn waker<W: Wake>(number: u32) -> Waker {
    // SAFETY: the functions of the table require nothing: the pointer is a number, and nothing is
    // behind it. They touch no state but that of their own thread, so they may be called on any
    // thread.
    unsafe { Waker::from_raw(raw::<W>(ptr::without_provenance(number as usize))) }
}

const fn raw<W: Wake>(number: *const ()) -> RawWaker {
    RawWaker::new(number, Number::<W>::TABLE)
}

fn copy<W: Wake>(number: *const ()) -> RawWaker {
    raw::<W>(number)
}

fn wake<W: Wake>(number: *const ()) {
    if let Ok(number) = u32::try_from(number.addr()) {
        W::wake(number);
    }
}

fn drop(_: *const ()) {}
