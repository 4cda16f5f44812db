//! The growth of the heap from its source: in front of everything, or under a block that ends it.

use super::{BLOCK, Gap, Heap, TAG, UNIT, tag};
use crate::policy;
use crate::source::Source;

impl<S: Source> Heap<S> {
    /// Grows memory under a block that ends the heap, and the block with it. Returns `false` if the
    /// block lies elsewhere, and `None` if there is no memory: then there is none for a second
    /// block either.
    ///
    /// A body that grows so holds its own size: one that moves holds the old and the new size while
    /// it is copied, and the old one is a hole from then on.
    ///
    /// # Safety
    ///
    /// As for [`resize_in_place`](Self::resize_in_place), which has answered false.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn widen(&mut self, block: *mut u8, old: usize, new: usize) -> Option<bool> {
        let end = block.wrapping_add(old);
        // SAFETY: the block ends with its tag.
        let room = old + unsafe { self.gap_after(end) };
        if block.wrapping_add(room) != self.end || self.source.next() != Some(self.end.addr()) {
            return Some(false);
        }
        if !self.acquire(new - room) {
            return None;
        }
        // SAFETY: as the caller promises; if the piece did not continue the last one after all, the
        // block stays as it is.
        Some(unsafe { self.resize_in_place(block, old, new) })
    }

    /// Makes room for a block that did not fit; false if the source has no more. Where someone else
    /// grew memory between `next` and `acquire`, it may be too little: then call again.
    ///
    /// Asks for the need less the free tail, or a share of the heap if that is more
    /// ([`policy::step`]). Where the source tells where the next piece begins, the need is exact:
    /// counted with the whole alignment besides, a block of 32 KiB that is aligned to its size took
    /// two pages of an empty heap instead of one.
    ///
    /// # Safety
    ///
    /// As for [`take`](Self::take).
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn grow(&mut self, need: usize, mask: usize) -> bool {
        // Where the piece will begin, and the gap with it.
        let next = self.source.next();
        let (from, begin) = match next {
            Some(next) if next == self.end.addr() => {
                // SAFETY: the last piece ends with a tag, or with the size of the gap there.
                let word = unsafe { *tag(self.end) };
                (next, if word & BLOCK == 0 { next - word } else { next })
            }
            Some(next) => (next, begin_of(next)),
            None => (0, 3 * UNIT),
        };
        let padding = if next.is_some() { begin.wrapping_neg() & mask } else { mask };
        self.acquire(begin.wrapping_sub(from).wrapping_add(padding + need))
    }

    /// Adds a piece of at least so many bytes to the heap; false if the source has no more.
    fn acquire(&mut self, least: usize) -> bool {
        let next = self.source.next();
        // A piece that does not lie where it was foreseen loses a unit at its beginning and must
        // have another to be a gap.
        let least = least.max(2 * UNIT);
        let piece = self.source.acquire(least, least.max(policy::step(self.size)));
        self.refused = piece.is_none();
        let Some(piece) = piece else { return false };
        self.grows += 1;
        self.size += piece.len();
        let base = piece.cast::<u8>().as_ptr();
        let end = base.wrapping_add(piece.len()).map_addr(|addr| addr & !(UNIT - 1));
        let mut begin = base;
        if next != Some(base.addr()) || base != self.end {
            begin = base.map_addr(begin_of);
            // SAFETY: the word lies in the piece, which is ours alone (contract of `Source`).
            unsafe { tag(begin).write(BLOCK) };
        }
        self.end = end;
        // SAFETY: as above: the piece has two units at least, of which `begin` skips at most one,
        // and none where the piece continues the last one. So `end` is a unit or more beyond
        // `begin`.
        unsafe { tag(end).write(BLOCK) };
        // SAFETY: the piece is like a block of at least a unit that ends with its tag, and before
        // it is a tag or, if it continues the last one, what that ends with.
        unsafe { self.free(begin, end.addr() - begin.addr()) };
        // The gap that ends here is cut next, whatever else there is: so a growth that is enough is
        // never one in vain. SAFETY: the heap now ends with a gap, whose last word is its size.
        let gap = end.wrapping_sub(unsafe { *tag(end) }).cast::<Gap>();
        if gap != self.open {
            // SAFETY: the open gap is in no list.
            unsafe { self.shut() };
            // SAFETY: the gap is in a list.
            let size = unsafe { self.remove(gap) };
            // SAFETY: the gap is in no list any more, and no gap is open.
            unsafe { self.open(gap.cast(), size) };
        }
        true
    }
}

/// Where the first gap of a piece may begin: behind a word that stands for a block.
const fn begin_of(piece: usize) -> usize {
    (piece + TAG + UNIT - 1) & !(UNIT - 1)
}
