//! The blocks of 1–64 KiB that a thread keeps.
//!
//! Bodies have every size, so the important figure is how often the list of a size has a block.
//! With sixteen classes for each doubling, as in the lists of one thread, and 1,024 requests open,
//! a thread that keeps 2 MiB misses one body in four. With four classes it misses one in twenty,
//! and with 4 MiB one in eighty.

use core::alloc::Layout;

use super::shared::Shared;
use crate::Freelist;
use crate::freelist::ALIGN;
use crate::freelist::class::{self, LARGE_MOST, SMALL_MOST};
use crate::freelist::stack::Stack;
use crate::source::Source;

/// The largest number of bytes of large blocks that a thread keeps.
const BUDGET: usize = 4 * 1024 * 1024;

/// The number of blocks that go back at once, under the lock.
const BATCH: usize = 32;

/// The number of times that the bytes of a flush must be missed until the next flush. A flush
/// itself costs as much as one of these.
const PATIENCE: usize = 2;

/// Classes for each doubling, as a power of two.
const DIVISIONS: u32 = 2;

/// The number of lists. 24 are used. The number is a power of two, so that an index is masked and
/// not checked.
const LISTS: usize = 32;

/// The classes of sizes in steps of 256 bytes: a load where the arithmetic takes a dozen
/// instructions.
const CLASSES: [u8; LARGE_MOST / STEP] = {
    let mut classes = [0; LARGE_MOST / STEP];
    let mut step = SMALL_MOST / STEP;
    while step < classes.len() {
        classes[step] = class::divided((step + 1) * STEP, DIVISIONS).0 as u8;
        step += 1;
    }
    classes
};

/// The smallest difference of two classes.
const STEP: usize = SMALL_MOST >> DIVISIONS;

/// The sizes of the classes.
const SIZES: [usize; LISTS] = {
    let mut sizes = [0; LISTS];
    let mut step = SMALL_MOST / STEP;
    while step < CLASSES.len() {
        sizes[CLASSES[step] as usize] = (step + 1) * STEP;
        step += 1;
    }
    sizes
};

/// Returns the class of a size above [`SMALL_MOST`] and up to [`LARGE_MOST`].
#[inline]
fn class_of(size: usize) -> usize {
    usize::from(CLASSES.get((size - 1) / STEP).copied().unwrap_or(0))
}

/// Returns the layout of a class's blocks.
#[inline]
const fn layout_of(class: usize) -> Layout {
    // SAFETY: 16 is a power of two, and no class is larger than 64 KiB.
    unsafe { Layout::from_size_align_unchecked(SIZES[class & (LISTS - 1)], ALIGN) }
}

/// Returns the real layout of a block that is not small: that of its class, or its own if it has no
/// class.
#[inline]
pub(super) fn backing(layout: Layout) -> Layout {
    if class::classed(layout) { layout_of(class_of(layout.size())) } else { layout }
}

/// The lists, with a budget.
pub(super) struct Large {
    lists: [Stack; LISTS],
    bytes: usize,
    /// The class from which room is made next.
    hand: usize,
    /// The bytes that may still be missed before the next flush.
    patience: usize,
}

impl Large {
    pub(super) const NEW: Self = Self { lists: [const { Stack::EMPTY }; LISTS], bytes: 0, hand: 0, patience: 0 };

    /// Returns a block of at least this many bytes, above [`SMALL_MOST`] and up to [`LARGE_MOST`],
    /// or null if there is none.
    #[inline]
    pub(super) fn pop(&mut self, size: usize) -> *mut u8 {
        let class = class_of(size);
        let block = self.lists[class & (LISTS - 1)].pop();
        if !block.is_null() {
            self.bytes -= SIZES[class & (LISTS - 1)];
        }
        block
    }

    /// Keeps a block. Returns `true` if some blocks must be evicted now.
    ///
    /// # Safety
    ///
    /// The block is one of the central lists', allocated with the [`backing`] of a cached layout of
    /// this size, and nobody uses it any more.
    #[inline]
    pub(super) unsafe fn push(&mut self, block: *mut u8, size: usize) -> bool {
        let class = class_of(size);
        // SAFETY: the block is larger than a pointer, aligned to 16, and given away, which the
        // caller promises.
        unsafe { self.lists[class & (LISTS - 1)].push(block) };
        self.bytes += SIZES[class & (LISTS - 1)];
        self.bytes > BUDGET
    }

    /// Returns whether there is any.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Gives some blocks back, so that the next freed block does not evict again. It takes one of
    /// each class in turn, so unused blocks go too.
    pub(super) fn evict<S: Source>(&mut self, shared: &Shared<S>) {
        shared.central(|central| {
            let mut blocks = 0;
            for _ in 0..LISTS * BATCH {
                self.hand = (self.hand + 1) & (LISTS - 1);
                blocks += usize::from(self.give(self.hand, central));
                if blocks == BATCH || self.bytes == 0 {
                    break;
                }
            }
        });
    }

    /// Counts the bytes that the thread did not have.
    pub(super) const fn missed(&mut self, size: usize) {
        self.patience = self.patience.saturating_sub(size);
    }

    /// Returns whether the last flush was so recent that memory should grow before another flush.
    /// Memory then grows by no more than twice the bytes of that flush.
    ///
    /// If memory is tight, a flush makes just the room that the lists take again, and leads to the
    /// next flush. With 64 requests open, one request in 30 flushed, and three bodies in five came
    /// from the heap.
    pub(super) const fn flushed(&self) -> bool {
        self.patience > 0
    }

    /// Gives some blocks back, before memory grows.
    pub(super) fn flush<S: Source>(&mut self, shared: &Shared<S>) {
        let before = self.bytes;
        if before > 0 {
            self.evict(shared);
            self.patience = (before - self.bytes) * PATIENCE;
        }
    }

    /// Gives one block of a class back. Returns `false` if there is none.
    fn give<S: Source>(&mut self, class: usize, central: &mut Freelist<S>) -> bool {
        let block = self.lists[class & (LISTS - 1)].pop();
        if block.is_null() {
            return false;
        }
        self.bytes -= SIZES[class & (LISTS - 1)];
        // SAFETY: the block was freed as one of this class (contract of `push`).
        unsafe { central.release_large(block, layout_of(class)) };
        true
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_class_that_wastes_less_than_a_quarter() {
        for size in (SMALL_MOST + 1..=LARGE_MOST).step_by(if cfg!(miri) { 501 } else { 1 }) {
            let held = backing(Layout::from_size_align(size, 8).unwrap()).size();
            assert!(held >= size && (held - size) * 4 < size, "{size} -> {held}");
            assert_eq!(class_of(held), class_of(size));
        }
    }

    #[test]
    fn a_class_is_one_of_the_central_lists_too() {
        for size in SIZES.into_iter().filter(|&size| size > 0) {
            let layout = Layout::from_size_align(size, ALIGN).unwrap();
            assert_eq!(crate::freelist::class::backing(layout), layout);
        }
    }
}
