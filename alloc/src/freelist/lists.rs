//! Freed blocks, kept for the next of their class: one list for each class, and one bound for all
//! of them.
//!
//! A pair of blocks is a pop and a push. The heap takes ten times as many instructions, and touches
//! both ends of a block and what lies beside it, which is memory that nobody looked at for a while.
//! The price is memory that nobody uses, so what is kept is bounded by a share of the heap
//! ([`policy::kept`]): what finds no room goes to the heap, where it coalesces at once. So a
//! burst's frees cost what the heap's frees cost, and nothing is ever walked.

use core::ptr::null_mut;

use super::class::{self, SLOTS};
use super::stack::Stack;
use crate::heap::{Heap, UNIT};
use crate::policy;
use crate::source::Source;

/// Returns the units that may be kept in such a heap.
#[inline(never)]
fn share<S: Source>(heap: &Heap<S>) -> usize {
    policy::kept(heap.size(), heap.used()) / UNIT
}

pub(crate) struct Lists {
    free: [Stack; SLOTS],
    /// The units that may still be kept.
    room: usize,
    /// The units that may be kept: nothing before memory grows for the first time.
    most: usize,
    /// The list that made room last.
    hand: usize,
    /// Blocks that no list had since then, while the lists were full.
    misses: usize,
    /// True if the last such block made them give way.
    squeezed: bool,
}

impl Lists {
    pub(crate) const fn new() -> Self {
        Self { free: [const { Stack::EMPTY }; SLOTS], room: 0, most: 0, hand: 0, misses: 0, squeezed: false }
    }

    /// A kept block of a slot whose blocks count for so much; null if there is none.
    ///
    /// # Safety
    ///
    /// There is such a slot.
    #[inline]
    pub(crate) unsafe fn pop(&mut self, slot: usize, charge: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { self.free.get_unchecked_mut(slot) }.pop();
        if !block.is_null() {
            self.room += charge;
        }
        block
    }

    /// Keeps a block of a slot; false if there is no room.
    ///
    /// # Safety
    ///
    /// There is such a slot, its blocks count for so much, and the block is one of them: the
    /// heap's, of [`class::need`] bytes, and the lists' from here on if the answer is true.
    #[inline]
    pub(crate) unsafe fn push(&mut self, block: *mut u8, slot: usize, charge: usize) -> bool {
        if charge > self.room {
            return false;
        }
        self.room -= charge;
        // SAFETY: there is such a slot.
        let list = unsafe { self.free.get_unchecked_mut(slot) };
        // SAFETY: a block of the heap is larger than a pointer, aligned to 16, and given away,
        // which the caller promises.
        unsafe { list.push(block) };
        true
    }

    /// Returns whether a large block may be kept: small ones, which are many, need some of the
    /// room.
    pub(crate) const fn roomy(&self, charge: usize) -> bool {
        charge <= self.room / policy::ROOMY
    }

    /// Returns the units that are kept.
    pub(crate) const fn kept(&self) -> usize {
        self.most - self.room
    }

    /// Returns about how many bytes the kept blocks have, as if each had 144: how many they are is
    /// not counted.
    pub(crate) const fn kept_bytes(&self) -> usize {
        self.kept() * UNIT / 4 * 3
    }

    /// Returns whether any block is kept.
    pub(crate) const fn any(&self) -> bool {
        self.kept() > 0
    }

    /// Lets as much be kept as the heap is large; what is kept stays.
    pub(crate) fn widen<S: Source>(&mut self, heap: &Heap<S>) {
        let most = share(heap);
        if most > self.most {
            self.room += most - self.most;
            self.most = most;
        }
    }

    /// Lets no more be kept than is: memory was refused.
    pub(crate) const fn narrow(&mut self) {
        self.most -= self.room;
        self.room = 0;
    }

    /// Gives a few blocks back to the heap if more are kept than such a heap may keep, and lets no
    /// more be kept than is left.
    #[cold]
    #[inline(never)]
    pub(crate) fn shrink<S: Source>(&mut self, heap: &mut Heap<S>) {
        if self.kept() > share(heap) {
            self.evict(heap, policy::DRAINED, policy::DRAINED_LISTS);
            self.narrow();
        }
    }

    /// Returns the first slot of so many from this one on whose list holds a block; the slot after
    /// them if there is none, and at most [`SLOTS`].
    #[inline(never)]
    fn filled(&self, from: usize, lists: usize) -> usize {
        let end = (from + lists).min(SLOTS);
        let mut slot = from;
        while slot < end {
            // Most lists are empty: four at once.
            match self.free.get(slot..).and_then(<[Stack]>::first_chunk) {
                Some([a, b, c, d]) if a.is_empty() & b.is_empty() & c.is_empty() & d.is_empty() => slot += 4,
                _ if self.free.get(slot).is_some_and(|list| !list.is_empty()) => return slot,
                _ => slot += 1,
            }
        }
        end
    }

    /// A block that has at least so many bytes, of the smallest class that has one, and its bytes;
    /// null if there is none among the classes that are looked at.
    #[inline(never)]
    pub(crate) fn pop_at_least(&mut self, bytes: usize) -> (*mut u8, usize) {
        let slot = self.filled(class::at_least(bytes), policy::LARGER);
        let Some(list) = self.free.get_mut(slot) else { return (null_mut(), 0) };
        let block = list.pop();
        if block.is_null() {
            return (block, 0);
        }
        let need = class::need(slot);
        self.room += class::charge_of(need);
        (block, need)
    }

    /// Gives up to so many blocks back to the heap, after a look at up to so many lists, and
    /// returns a gap that came of it, the largest; null if none did. The lists take turns and give
    /// up to half of the blocks each, so what is not used any more goes too.
    #[inline(never)]
    pub(crate) fn evict<S: Source>(&mut self, heap: &mut Heap<S>, mut blocks: usize, mut lists: usize) -> *mut u8 {
        let (each, mut largest, mut most) = (blocks.div_ceil(2), null_mut(), 0);
        while blocks > 0 && lists > 0 {
            let from = self.hand + 1;
            let slot = self.filled(from, lists);
            lists = lists.saturating_sub(slot - from + 1);
            self.hand = slot;
            let Some(list) = self.free.get_mut(slot) else {
                self.hand = 0;
                continue;
            };
            let need = class::need(slot);
            for _ in 0..each.min(blocks) {
                let block = list.pop();
                if block.is_null() {
                    break;
                }
                blocks -= 1;
                self.room += class::charge_of(need);
                // SAFETY: the block is one of the heap's, of this size (contract of `push`).
                let gap = unsafe { heap.free(block, need) };
                // SAFETY: the gap is there since just now.
                let bytes = unsafe { heap.bytes_of(gap) };
                // A gap that takes in the largest one so far is larger than that.
                if bytes > most {
                    (largest, most) = (gap, bytes);
                }
            }
        }
        largest
    }

    /// Counts a block that no list has, and now and then has full lists give way: what they keep is
    /// not what is wanted.
    ///
    /// Blocks that find no room are no reason for it. While a burst ends, the lists keep what was
    /// freed first, which lies together; if they kept a block now and then, these would lie all
    /// over the heap.
    #[inline]
    pub(crate) fn missed<S: Source>(&mut self, heap: &mut Heap<S>) {
        self.squeezed = false;
        if self.room < self.most / 8 || self.most == 0 {
            self.misses += 1;
            if self.misses >= policy::EVERY {
                self.misses = 0;
                self.squeezed = true;
                self.squeeze(heap);
            }
        }
    }

    /// Returns whether full lists gave way for the block that no list had, the last time.
    pub(crate) const fn squeezed(&self) -> bool {
        self.squeezed
    }

    #[cold]
    #[inline(never)]
    fn squeeze<S: Source>(&mut self, heap: &mut Heap<S>) {
        // After a refusal the lists may keep more and more again, up to their share.
        let most = share(heap);
        let more = (most.saturating_sub(self.most)).min(policy::KEPT_LEAST / UNIT / 8);
        self.most += more;
        self.room += more;
        let blocks = if heap.refused() { policy::EVICTED / 2 } else { policy::EVICTED };
        self.evict(heap, blocks, policy::LOOKED_AT);
    }

    /// Returns the lists of kept blocks, by slot, for a report.
    pub(crate) const fn kept_lists(&self) -> &[Stack] {
        &self.free
    }

    /// Gives all blocks back to the heap; true if there were any.
    pub(crate) fn flush<S: Source>(&mut self, heap: &mut Heap<S>) -> bool {
        let any = self.any();
        while self.any() {
            self.evict(heap, SLOTS, SLOTS);
        }
        any
    }
}

/// Calls `block` with the address and the bytes of each kept block of the lists, until it returns
/// `false`. Returns whether all blocks were passed.
pub(crate) fn each(lists: &[Stack], mut block: impl FnMut(usize, usize) -> bool) -> bool {
    lists.iter().enumerate().skip(class::FIRST).all(|(slot, list)| list.each(|at| block(at, class::need(slot))))
}
