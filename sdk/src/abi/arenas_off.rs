//! The twin of `arenas.rs` without the feature `request-arena`. It does nothing.

pub(crate) struct Slot;

#[inline(always)]
pub(crate) const fn trim() -> bool {
    false
}

#[inline(always)]
pub(crate) const fn clear() {}

impl Slot {
    pub(crate) const fn new() -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "the twin uses it")]
    pub(crate) fn within<R>(&self, callback: impl FnOnce() -> R) -> R {
        callback()
    }
}
