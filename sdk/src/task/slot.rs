//! The slot for a value that a task waits for.

use core::cell::{Cell, RefCell};
use core::task::{Context, Poll, Waker};

use crate::abi::Shared;
use crate::error::Result;

/// A slot for a value that a future waits for.
pub(crate) struct Slot<T> {
    value: Cell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Slot<T> {
    pub(super) fn new() -> Result<Shared<Self>> {
        Ok(Shared::try_new(Self { value: Cell::new(None), waker: RefCell::new(None) })?)
    }

    /// Stores the value, and wakes the future that waits.
    pub(crate) fn fill(&self, value: T) {
        self.value.set(Some(value));
        if let Some(waker) = self.waker.try_borrow_mut().ok().and_then(|mut waker| waker.take()) {
            waker.wake();
        }
    }

    /// Takes the value, or stores the waker if there is no value yet.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<T> {
        if let Some(value) = self.value.take() {
            return Poll::Ready(value);
        }
        if let Ok(mut waker) = self.waker.try_borrow_mut() {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}
