//! The gaps that the heap shows to a report.

use super::{BINS, Gap, Heap};

/// The gaps of a heap, as they are while it is borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Gaps<'a> {
    bins: &'a [*mut Gap; BINS],
    open: *mut Gap,
    room: usize,
    /// Bytes of all pieces of memory that the heap has acquired.
    pub(crate) size: usize,
}

impl<S> Heap<S> {
    /// Returns the gaps, to look at.
    pub(crate) const fn gaps(&self) -> Gaps<'_> {
        Gaps { bins: &self.bins, open: self.open, room: self.room, size: self.size }
    }
}

impl Gaps<'_> {
    /// Calls `gap` with the address and the bytes of each gap, until it answers false. Returns
    /// whether all were seen.
    pub(crate) fn each(&self, mut gap: impl FnMut(usize, usize) -> bool) -> bool {
        if self.room > 0 && !gap(self.open.addr(), self.room) {
            return false;
        }
        for &first in self.bins {
            let mut at = first;
            while !at.is_null() {
                // SAFETY: every gap in a list is the heap's, which is borrowed, so nobody changes
                // it meanwhile.
                let Gap { next, size, .. } = unsafe { at.read() };
                if !gap(at.addr(), size) {
                    return false;
                }
                at = next;
            }
        }
        true
    }
}
