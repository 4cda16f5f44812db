//! What a thread keeps for itself: free blocks that it takes and leaves without asking anyone.

use core::alloc::Layout;
use core::mem::replace;
use core::ptr::copy_nonoverlapping;

use super::shared::Shared;
use crate::freelist::class::{self, LARGE, SIZES, SMALL};
use crate::freelist::stack::Stack;
use crate::source::Source;

/// Bytes of large blocks that a thread keeps at most.
const BUDGET: usize = 2 * 1024 * 1024;

/// Blocks of each small class in a full magazine: what a thread takes and leaves at once. A thread keeps up to two.
const FULL: [u32; SMALL] = {
    let mut full = [0; SMALL];
    let mut class = 0;
    while class < SMALL {
        let fit = 16 * 1024 / SIZES[class] as u32;
        full[class] = if fit > 64 { 64 } else { fit };
        class += 1;
    }
    full
};

/// The free blocks of one small class in a thread.
///
/// Two lists, of which one is full or empty: so a thread that frees and allocates around a boundary does not go to the depot each time.
struct Magazine {
    active: Stack,
    /// How many more blocks the active list takes; zero for a thread that keeps none.
    room: u32,
    spare: Stack,
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
    small: [Magazine; SMALL],
    large: [Stack; LARGE],
    /// Bytes in `large`.
    bytes: usize,
    /// The large class from which room is made next.
    hand: usize,
    stage: Stage,
}

impl Magazines {
    pub(super) const NEW: Self = Self {
        small: [const { Magazine { active: Stack::EMPTY, room: 0, spare: Stack::EMPTY } }; SMALL],
        large: [const { Stack::EMPTY }; LARGE],
        bytes: 0,
        hand: 0,
        stage: Stage::New,
    };

    /// # Safety
    ///
    /// As for [`Strategy::allocate`](crate::Strategy::allocate).
    #[inline]
    pub(super) unsafe fn allocate<S: Source>(&mut self, shared: &Shared<S>, layout: Layout) -> *mut u8 {
        if class::small(layout) {
            let class = class::small_of(layout.size());
            let magazine = &mut self.small[class];
            let block = magazine.active.pop();
            if block.is_null() {
                return self.refill(shared, class);
            }
            magazine.room += 1;
            return block;
        }
        // SAFETY: as the caller promises, and the layout is none of a small class.
        unsafe { self.allocate_large(shared, layout) }
    }

    /// # Safety
    ///
    /// As for [`Strategy::release`](crate::Strategy::release): the block is from any thread's side of the same `shared`.
    #[inline]
    pub(super) unsafe fn release<S: Source>(&mut self, shared: &Shared<S>, block: *mut u8, layout: Layout) {
        if class::small(layout) {
            let class = class::small_of(layout.size());
            let magazine = &mut self.small[class];
            if magazine.room == 0 {
                // SAFETY: as the caller promises.
                return unsafe { self.overflow(shared, block, class) };
            }
            magazine.room -= 1;
            // SAFETY: a block of a small class is at least 16 bytes, aligned to 16, and given away, which the caller promises.
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
        // SAFETY: the alignment is that of a layout, and the caller promises that the rounded size is at most `isize::MAX`.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class::small(layout), class::small(new)) {
            (true, true) if class::small_of(layout.size()) == class::small_of(size) => return block,
            (false, false) => {
                if class::backing(layout).size() == class::backing(new).size() {
                    return block;
                }
                // SAFETY: as the caller promises, and neither layout is one of a small class.
                if shared.central(|central| unsafe { central.resize_large(block, layout, new) }) {
                    return block;
                }
            }
            _ => {}
        }
        // SAFETY: the size is not zero, which the caller promises.
        let moved = unsafe { self.allocate(shared, new) };
        if !moved.is_null() {
            // SAFETY: both blocks are live, so they do not overlap, and each has at least the smaller of the two sizes.
            unsafe { copy_nonoverlapping(block, moved, layout.size().min(size)) };
            // SAFETY: the block is live and of this layout, which the caller promises.
            unsafe { self.release(shared, block, layout) };
        }
        moved
    }

    /// Whether the thread may keep blocks.
    fn keeps<S: Source>(&mut self, shared: &Shared<S>) -> bool {
        if self.stage == Stage::New {
            self.stage = if (shared.arrive)() { Stage::Open } else { Stage::Closed };
        }
        self.stage == Stage::Open
    }

    /// A block of a small class whose active list is empty, after the list was filled.
    #[cold]
    #[inline(never)]
    fn refill<S: Source>(&mut self, shared: &Shared<S>, class: usize) -> *mut u8 {
        let full = FULL[class & (SMALL - 1)];
        let keeps = self.keeps(shared);
        let magazine = &mut self.small[class & (SMALL - 1)];
        let spare = replace(&mut magazine.spare, Stack::EMPTY);
        let (mut batch, mut count) = if spare.is_empty() { shared.batch(class, full) } else { (spare, full) };
        if batch.is_empty() {
            self.give_large(shared);
            (batch, count) = shared.growing(|central| central.batch(class, full));
        }
        let block = batch.pop();
        if !keeps {
            shared.leave(class, batch);
        } else if !block.is_null() {
            let magazine = &mut self.small[class & (SMALL - 1)];
            magazine.active = batch;
            magazine.room = full - count + 1;
        }
        block
    }

    /// Takes a block back for which the active list of its class has no room.
    ///
    /// # Safety
    ///
    /// The block is of this class, and nobody uses it any more.
    #[cold]
    #[inline(never)]
    unsafe fn overflow<S: Source>(&mut self, shared: &Shared<S>, block: *mut u8, class: usize) {
        let mut list = Stack::EMPTY;
        // SAFETY: a block of a small class is at least 16 bytes, aligned to 16, and given away, which the caller promises.
        unsafe { list.push(block) };
        if !self.keeps(shared) {
            return shared.leave(class, list);
        }
        let magazine = &mut self.small[class & (SMALL - 1)];
        let active = replace(&mut magazine.active, list);
        shared.leave(class, replace(&mut magazine.spare, active));
        magazine.room = FULL[class & (SMALL - 1)] - 1;
    }

    /// # Safety
    ///
    /// As for [`Strategy::allocate`](crate::Strategy::allocate), and the layout is none of a small class.
    #[inline(never)]
    unsafe fn allocate_large<S: Source>(&mut self, shared: &Shared<S>, layout: Layout) -> *mut u8 {
        if class::cached(layout) {
            let class = class::large_of(layout.size());
            let block = self.large[class].pop();
            if !block.is_null() {
                self.bytes -= class::large_layout(class).size();
                return block;
            }
        }
        // SAFETY: as the caller promises.
        let block = shared.central(|central| unsafe { central.allocate_large(layout) });
        if !block.is_null() {
            return block;
        }
        self.give_large(shared);
        // SAFETY: as the caller promises.
        shared.growing(|central| unsafe { central.allocate_large(layout) })
    }

    /// # Safety
    ///
    /// As for [`Strategy::release`](crate::Strategy::release), and the layout is none of a small class.
    #[inline(never)]
    unsafe fn release_large<S: Source>(&mut self, shared: &Shared<S>, block: *mut u8, layout: Layout) {
        if class::cached(layout) && self.keeps(shared) {
            let class = class::large_of(layout.size());
            let size = class::large_layout(class).size();
            self.bytes += size;
            // SAFETY: the block is larger than a pointer, aligned to 16, and given away, which the caller promises.
            unsafe { self.large[class].push(block) };
            if self.bytes > BUDGET {
                self.evict(shared);
            }
            return;
        }
        // SAFETY: as the caller promises.
        shared.central(|central| unsafe { central.release_large(block, layout) });
    }

    /// Gives large blocks back until they are within the budget: one of each class in turn, so what is cold goes too.
    #[cold]
    #[inline(never)]
    fn evict<S: Source>(&mut self, shared: &Shared<S>) {
        shared.central(|central| {
            while self.bytes > BUDGET {
                self.hand = (self.hand + 1) & (LARGE - 1);
                let block = self.large[self.hand].pop();
                if !block.is_null() {
                    self.bytes -= class::large_layout(self.hand).size();
                    // SAFETY: the block was freed as one of this class.
                    unsafe { central.release_large(block, class::large_layout(self.hand)) };
                }
            }
        });
    }

    /// Gives the large blocks back.
    #[cold]
    #[inline(never)]
    fn give_large<S: Source>(&mut self, shared: &Shared<S>) {
        if self.bytes == 0 {
            return;
        }
        self.bytes = 0;
        shared.central(|central| {
            for (class, free) in self.large.iter_mut().enumerate() {
                loop {
                    let block = free.pop();
                    if block.is_null() {
                        break;
                    }
                    // SAFETY: the block was freed as one of this class.
                    unsafe { central.release_large(block, class::large_layout(class)) };
                }
            }
        });
    }

    /// Gives everything back, and keeps nothing any more if the thread ends.
    pub(super) fn give<S: Source>(&mut self, shared: &Shared<S>, ends: bool) {
        self.give_large(shared);
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
