//! The header of a gap, and the view of a heap's gaps for a report.

/// Enough for all of a 32-bit memory; where there is more, the last list has the rest.
pub(super) const BINS: usize = 400;

/// The header of a gap. The last word of the gap is its size too.
#[repr(C)]
pub(super) struct Gap {
    pub(super) next: *mut Gap,
    /// Null for the first of its list.
    pub(super) before: *mut Gap,
    pub(super) bin: usize,
    pub(super) size: usize,
}

/// The gaps of a heap, as they are while it is borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Gaps<'a> {
    pub(super) bins: &'a [*mut Gap; BINS],
    pub(super) open: *mut Gap,
    pub(super) room: usize,
    /// Bytes of all pieces of memory that the heap has acquired.
    pub(crate) size: usize,
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
