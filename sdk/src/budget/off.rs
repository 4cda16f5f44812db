//! The twin of the budgets when the feature is off. It does nothing and costs nothing.

#![allow(clippy::inline_always, reason = "a twin that is nothing is to leave nothing")]
#![allow(clippy::unused_self, reason = "as the twin uses it")]

mod event;

pub(crate) use event::Event;

use crate::error::Result;

/// The account of a stream.
pub(crate) struct Account;

impl Account {
    pub(crate) const fn open() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn within<R>(&self, callback: impl FnOnce() -> R) -> R {
        callback()
    }
}

/// The charge for a block that the host asked for.
pub(crate) struct Charge;

impl Charge {
    pub(crate) const NONE: Self = Self;

    #[inline(always)]
    pub(crate) const fn take(_: usize) -> Self {
        Self
    }
}

#[inline(always)]
pub(crate) const fn fits(_: usize) -> bool {
    true
}

#[inline(always)]
pub(crate) fn unlimited<R>(call: impl FnOnce() -> R) -> R {
    call()
}

#[inline(always)]
pub(crate) fn guard<A>(_: Event, callback: impl FnOnce() -> Result<A>) -> Result<A> {
    callback()
}

#[inline(always)]
pub(crate) const fn resumed(_: crate::abi::StreamType) {}

#[inline(always)]
pub(crate) const fn configure(_: u32, _: usize) -> bool {
    true
}
