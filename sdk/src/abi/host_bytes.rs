//! The owner of a block that the host handed over.

#[cfg(test)]
use alloc::boxed::Box;
use core::mem::{self, ManuallyDrop};
use core::ops::Deref;
use core::ptr::NonNull;

use super::block::{Block, free};
use super::routed;
use crate::budget::Charge;

/// Bytes that the host handed over. The value owns the block that the host allocated in the guest,
/// and frees it when dropped.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::HostBytes;
///
/// fn is_json(body: &HostBytes) -> bool {
///     body.starts_with(b"{") // it is a slice of bytes
/// }
/// # sluicegate_host::example::response(|response| response.body().map(|body| assert!(is_json(&body))));
/// ```
///
/// # Cost
///
/// The host copies the bytes once, into this block. Nothing is copied again. The block may be that
/// of the value before, and is then up to four times as large as its contents, but at most 8 KiB.
#[doc(alias = "Bytes")]
pub struct HostBytes {
    start: NonNull<u8>,
    /// The capacity of the [`Block`].
    capacity: usize,
    /// The number of bytes that the host wrote, which is never more than `capacity`.
    len: usize,
    /// The charge in the budgets.
    charge: Charge,
}

impl HostBytes {
    /// No bytes and no block.
    pub(crate) const EMPTY: Self = Self { start: NonNull::dangling(), capacity: 0, len: 0, charge: Charge::NONE };

    /// Returns the first `len` bytes of a block that the host wrote. The block must have `len`
    /// bytes.
    #[inline]
    pub(super) fn of(Block { start, capacity }: Block, len: usize) -> Self {
        Self { start, capacity, len, charge: Charge::take(routed::size(capacity)) }
    }

    /// Moves the block to another value.
    #[inline]
    pub(super) fn moved(self) -> Self {
        let mut before = ManuallyDrop::new(self);
        let charge = mem::replace(&mut before.charge, Charge::NONE);
        Self { start: before.start, capacity: before.capacity, len: before.len, charge }
    }

    /// Returns bytes of the guest itself, which the value owns and frees when dropped.
    #[cfg(test)]
    pub(crate) fn own(bytes: Box<[u8]>) -> Self {
        let len = bytes.len();
        if len == 0 {
            return Self::EMPTY;
        }
        // A boxed slice of bytes has the layout of a block: its length, and no alignment.
        Self { start: NonNull::from(Box::leak(bytes)).cast(), capacity: len, len, charge: Charge::NONE }
    }
}

impl Deref for HostBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes = NonNull::slice_from_raw_parts(self.start, self.len);
        // SAFETY: the block is owned and at least `len` bytes long (`Claim::finish` compared them),
        // or there is none and `len` is 0. Its bytes are the host's, or zero natively. Nobody
        // writes while `self` is borrowed: the host is done with the block.
        unsafe { bytes.as_ref() }
    }
}

impl AsRef<[u8]> for HostBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for HostBytes {
    #[inline]
    fn drop(&mut self) {
        free(Block { start: self.start, capacity: self.capacity });
    }
}

impl core::fmt::Debug for HostBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&crate::ByteStr::new(self), f)
    }
}
