//! The free blocks of one thread, which it takes and leaves without a lock.

use core::alloc::Layout;
use core::hint::assert_unchecked;
use core::mem::replace;
use core::ptr::{copy_nonoverlapping, null_mut};

use super::large::{Large, backing};
use super::shared::Shared;
use crate::freelist::class::{self, FIRST, SMALL_MOST};
use crate::freelist::stack::Stack;
use crate::source::Source;

/// Small classes.
pub(super) const CLASSES: usize = class::slot_of(SMALL_MOST) + 1 - FIRST;

/// The number of blocks of each small class in a full magazine, which a thread takes and leaves at
/// once. A thread keeps up to two magazines.
const FULL: [u32; CLASSES] = {
    let mut full = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        let fit = 16 * 1024 / class::small_need(FIRST + class) as u32;
        full[class] = if fit > 64 { 64 } else { fit };
        class += 1;
    }
    full
};

/// Returns the number of blocks of a full magazine of a class, which is below [`CLASSES`].
#[inline]
fn full_of(class: usize) -> u32 {
    FULL.get(class).copied().unwrap_or(1)
}

/// The free blocks of one small class in a thread.
///
/// It has two lists, of which one is full or empty. So a thread that frees and allocates around a
/// boundary does not go to the depot each time.
#[repr(align(32))]
struct Magazine {
    active: Stack,
    /// The number of blocks that the active list still accepts, or zero for a thread that keeps
    /// none. It is below zero, wrapped, only on the way to `overflow`.
    room: u32,
    spare: Stack,
}

/// Returns the class of a size up to [`SMALL_MOST`].
#[inline]
fn small_of(size: usize) -> usize {
    let class = class::slot_of(size) - FIRST;
    // SAFETY: the size is at most `SMALL_MOST`, which has the last class.
    unsafe { assert_unchecked(class < CLASSES) };
    class
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was kept yet.
    New,
    Open,
    /// The thread is ending, or its end would not be noticed: nothing may be kept.
    Closed,
}

/// A thread's side of [`Shared`], which every call must name: always the same one.
pub(super) struct Magazines {
    small: [Magazine; CLASSES],
    large: Large,
    stage: Stage,
}

impl Magazines {
    pub(super) const NEW: Self = Self {
        small: [const { Magazine { active: Stack::EMPTY, room: 0, spare: Stack::EMPTY } }; CLASSES],
        large: Large::NEW,
        stage: Stage::New,
    };

    /// # Safety
    ///
    /// As for [`Strategy::allocate`](crate::Strategy::allocate).
    #[inline]
    pub(super) unsafe fn allocate<S: Source>(&mut self, shared: &Shared<S>, layout: Layout) -> *mut u8 {
        if class::small(layout) {
            let class = small_of(layout.size());
            let magazine = &mut self.small[class];
            let block = magazine.active.pop();
            if block.is_null() {
                return self.refill(shared, class);
            }
            magazine.room += 1;
            magazine.active.fetch();
            return block;
        }
        // SAFETY: as the caller promises, and the layout is none of a small class.
        unsafe { self.allocate_large(shared, layout) }
    }

    /// # Safety
    ///
    /// As for [`Strategy::release`](crate::Strategy::release): the block is from any thread's side
    /// of the same `shared`.
    #[inline]
    pub(super) unsafe fn release<S: Source>(&mut self, shared: &Shared<S>, block: *mut u8, layout: Layout) {
        if class::small(layout) {
            let class = small_of(layout.size());
            let magazine = &mut self.small[class];
            let full;
            (magazine.room, full) = magazine.room.overflowing_sub(1);
            if full {
                // SAFETY: as the caller promises.
                return unsafe { self.overflow(shared, block, class) };
            }
            // SAFETY: a block of a small class is at least 16 bytes, aligned to 16, and given away,
            // which the caller promises.
            return unsafe { magazine.active.push(block) };
        }
        // SAFETY: as the caller promises, and the layout is none of a small class.
        unsafe { self.release_large(shared, block, layout) };
    }

    /// # Safety
    ///
    /// As for [`Strategy::resize`](crate::Strategy::resize).
    pub(super) unsafe fn resize<S: Source>(
        &mut self,
        shared: &Shared<S>,
        block: *mut u8,
        layout: Layout,
        size: usize,
    ) -> *mut u8 {
        // SAFETY: the alignment is that of a layout, and the caller promises that the rounded size
        // is at most `isize::MAX`.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class::small(layout), class::small(new)) {
            (true, true) if small_of(layout.size()) == small_of(size) => return block,
            (false, false) => {
                let (held, wanted) = (backing(layout), backing(new));
                if held.size() == wanted.size() {
                    return block;
                }
                // SAFETY: as the caller promises: the block has its backing layout, and neither is
                // one of a small class.
                if shared.central(|central| unsafe { central.resize_in_place(block, held, wanted) }) {
                    return block;
                }
            }
            _ => {}
        }
        // SAFETY: the size is not zero, which the caller promises.
        let moved = unsafe { self.allocate(shared, new) };
        if !moved.is_null() {
            // SAFETY: both blocks are live, so they do not overlap, and each has at least the
            // smaller of the two sizes.
            unsafe { copy_nonoverlapping(block, moved, layout.size().min(size)) };
            // SAFETY: the block is live and of this layout, which the caller promises.
            unsafe { self.release(shared, block, layout) };
        }
        moved
    }

    /// Returns whether the thread may keep blocks.
    fn keeps<S: Source>(&mut self, shared: &Shared<S>) -> bool {
        if self.stage == Stage::New {
            self.stage = if (shared.arrive)() { Stage::Open } else { Stage::Closed };
        }
        self.stage == Stage::Open
    }

    /// Fills the empty active list of a small class, and returns a block of it.
    #[cold]
    #[inline(never)]
    fn refill<S: Source>(&mut self, shared: &Shared<S>, class: usize) -> *mut u8 {
        let full = full_of(class);
        let keeps = self.keeps(shared);
        let Some(magazine) = self.small.get_mut(class) else { return null_mut() };
        let spare = replace(&mut magazine.spare, Stack::EMPTY);
        let (mut batch, mut count) = if spare.is_empty() {
            self.large.missed(full as usize * class::small_need(FIRST + class));
            shared.batch(class, full, self.large.flushed())
        } else {
            (spare, full)
        };
        if batch.is_empty() {
            self.large.flush(shared);
            shared.collect_some();
            (batch, count) = shared.batch(class, full, true);
        }
        let block = batch.pop();
        if !keeps {
            shared.leave(class, batch);
        } else if !block.is_null()
            && let Some(magazine) = self.small.get_mut(class)
        {
            magazine.active = batch;
            magazine.room = full - count + 1;
        }
        block
    }

    /// Takes back a block for which the active list of its class has no room.
    ///
    /// # Safety
    ///
    /// The block is of this class, and nobody uses it any more.
    #[cold]
    #[inline(never)]
    unsafe fn overflow<S: Source>(&mut self, shared: &Shared<S>, block: *mut u8, class: usize) {
        let mut list = Stack::EMPTY;
        // SAFETY: a block of a small class is at least 16 bytes, aligned to 16, and given away,
        // which the caller promises.
        unsafe { list.push(block) };
        let keeps = self.keeps(shared);
        let Some(magazine) = self.small.get_mut(class) else { return };
        if !keeps {
            magazine.room = 0;
            return shared.leave(class, list);
        }
        let active = replace(&mut magazine.active, list);
        shared.leave(class, replace(&mut magazine.spare, active));
        magazine.room = full_of(class) - 1;
    }

    /// # Safety
    ///
    /// As for [`Strategy::allocate`](crate::Strategy::allocate), and the layout is none of a small
    /// class.
    #[inline(never)]
    unsafe fn allocate_large<S: Source>(&mut self, shared: &Shared<S>, layout: Layout) -> *mut u8 {
        if class::classed(layout) {
            let block = self.large.pop(layout.size());
            if !block.is_null() {
                return block;
            }
        }
        self.obtain_large(shared, backing(layout))
    }

    /// Returns a large block that the thread does not have, of its backing layout.
    #[cold]
    #[inline(never)]
    fn obtain_large<S: Source>(&mut self, shared: &Shared<S>, layout: Layout) -> *mut u8 {
        self.large.missed(layout.size());
        let flushed = self.large.flushed();
        let block = shared.central(|central| {
            if flushed {
                // SAFETY: a backing layout is none of a small class, so its size is not zero.
                unsafe { central.allocate_large(layout) }
            } else {
                // SAFETY: as above.
                unsafe { central.find_large(layout) }
            }
        });
        if !block.is_null() {
            return block;
        }
        self.large.flush(shared);
        shared.collect_some();
        // SAFETY: as above.
        let block = shared.central(|central| unsafe { central.allocate_large(layout) });
        if !block.is_null() {
            return block;
        }
        // Memory is refused: now everything counts, a batch at a time under the lock.
        while !self.large.is_empty() {
            self.large.flush(shared);
        }
        shared.trim();
        // SAFETY: as above.
        shared.central(|central| unsafe { central.allocate_large(layout) })
    }

    /// # Safety
    ///
    /// As for [`Strategy::release`](crate::Strategy::release), and the layout is none of a small
    /// class.
    #[inline(never)]
    unsafe fn release_large<S: Source>(&mut self, shared: &Shared<S>, block: *mut u8, layout: Layout) {
        if class::classed(layout) && self.keeps(shared) {
            // SAFETY: the block was allocated with the backing of its layout, and is given away;
            // the caller promises it.
            if unsafe { self.large.push(block, layout.size()) } {
                self.large.evict(shared);
            }
            return;
        }
        // SAFETY: as the caller promises: the block has its backing layout.
        shared.central(|central| unsafe { central.release_large(block, backing(layout)) });
    }

    /// Gives everything back. If the thread ends, it keeps nothing from then on.
    pub(super) fn give<S: Source>(&mut self, shared: &Shared<S>, ends: bool) {
        while !self.large.is_empty() {
            self.large.flush(shared);
        }
        for (class, magazine) in self.small.iter_mut().enumerate() {
            shared.leave(class, replace(&mut magazine.spare, Stack::EMPTY));
            shared.leave(class, replace(&mut magazine.active, Stack::EMPTY));
            magazine.room = 0;
        }
        if ends {
            self.stage = Stage::Closed;
        }
    }
}
