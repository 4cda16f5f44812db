//! The twin of `routed.rs` without arenas: every block belongs to the allocator.

use core::ptr::NonNull;

#[inline(always)]
pub(super) const fn is_open() -> bool {
    false
}

#[inline(always)]
pub(super) const fn obtain(_: usize, _: usize) -> Option<(NonNull<u8>, usize)> {
    None
}

#[inline(always)]
pub(super) const fn size(capacity: usize) -> usize {
    capacity
}

/// Does nothing: no block is marked.
///
/// # Safety
///
/// There are no requirements. The twin has some.
#[inline(always)]
pub(super) const unsafe fn give_back(_: NonNull<u8>, _: usize) -> bool {
    false
}
