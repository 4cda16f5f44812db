//! A call that a task awaits, and the slot for its response.

use core::cell::{Cell, RefCell};
use core::task::{Context, Poll, Waker};

use super::{Polled, polled};
use crate::abi::Shared;
use crate::callout::{Answered, CallToken, Kind, Pending, keep};
use crate::error::Result;
use sluicegate_alloc::region::outside;

/// A slot for a value that a future waits for.
pub(crate) struct Slot<T> {
    value: Cell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Slot<T> {
    pub(super) fn new() -> Result<Shared<Self>> {
        Shared::try_new(Self { value: Cell::new(None), waker: RefCell::new(None) })
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

/// A call that a task awaits. The first poll sends the call. If the future is dropped before its
/// end, the call is given up.
pub(crate) struct Call<T: 'static> {
    sent: Option<(Shared<Slot<T>>, Pending)>,
}

impl<T: 'static> Call<T> {
    pub(crate) const NEW: Self = Self { sent: None };

    /// Sends the call at the first poll, and then waits for the value that `read` makes of the
    /// response.
    pub(crate) fn poll(
        &mut self,
        context: &Context<'_>,
        kind: Kind,
        send: impl FnOnce(u32) -> Result<CallToken>,
        read: fn(Answered<'_>) -> Option<T>,
    ) -> Poll<Result<T>> {
        if self.sent.is_none() {
            match Self::send(kind, send, read) {
                Ok(call) => self.sent = Some(call),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match &self.sent {
            Some((slot, _)) => slot.poll(context).map(Ok),
            None => Poll::Pending,
        }
    }

    fn send(
        kind: Kind,
        send: impl FnOnce(u32) -> Result<CallToken>,
        read: fn(Answered<'_>) -> Option<T>,
    ) -> Result<(Shared<Slot<T>>, Pending)> {
        let Polled { context, .. } = polled()?;
        let slot = outside(Slot::new)?;
        let filled = slot.clone();
        let pending = keep(context, kind, send, move |_, answered| {
            if let Some(value) = read(answered) {
                filled.fill(value);
            }
            Ok(())
        })?;
        Ok((slot, pending))
    }
}

impl<T: 'static> Drop for Call<T> {
    fn drop(&mut self) {
        if let Some((_, pending)) = &self.sent {
            // It makes no difference if the response has come before.
            let _ = pending.cancel();
        }
    }
}
