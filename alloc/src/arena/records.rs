//! The records of regions. A record is a word that counts the blocks of a region.

use core::alloc::Layout;
use core::ptr::null_mut;
use core::slice::from_raw_parts;

use crate::Freelist;
use crate::source::Source;
use crate::strategy::Strategy;

/// The number that stands for no region. Its record is the head of the list of free records.
pub(super) const NONE: u32 = 0;

/// A record in use is twice the number of blocks, plus one if the region is closed. A free record
/// is the number of the next free one.
const CLOSED: u32 = 1;
const BLOCK: u32 = 2;

/// The number of records for which there is room at first.
const FEW: u32 = 16;

// SAFETY: the table is a block of the free lists beside it, and moves together with them (`Arena`
// holds both).
unsafe impl Send for Records {}

/// A table of records. Its block is from the lists, and goes back to them with the last record.
pub(crate) struct Records {
    table: *mut u32,
    /// The number of records for which the table has room, the number that was ever used, and the
    /// number in use.
    room: u32,
    used: u32,
    regions: u32,
    /// The number of live blocks of closed regions.
    retained: usize,
}

fn layout(records: u32) -> Option<Layout> {
    Layout::array::<u32>(records as usize).ok()
}

impl Records {
    pub(super) const fn new() -> Self {
        Self { table: null_mut(), room: 0, used: 0, regions: 0, retained: 0 }
    }

    /// Returns the number of live blocks that outlived their region.
    pub(super) const fn retained(&self) -> usize {
        self.retained
    }

    /// Opens a region, and returns its number. Returns `None` if there is no memory.
    pub(super) fn open<S: Source>(&mut self, lists: &mut Freelist<S>) -> Option<u32> {
        if self.used == self.room {
            let head = if self.room == 0 { NONE } else { *self.at(NONE) };
            if head == NONE {
                self.grow(lists)?;
            }
        }
        let free = *self.at(NONE);
        let region = if free == NONE {
            self.used += 1;
            self.used - 1
        } else {
            *self.at(NONE) = *self.at(free);
            free
        };
        *self.at(region) = 0;
        self.regions += 1;
        Some(region)
    }

    /// Doubles the table's room.
    #[cold]
    fn grow<S: Source>(&mut self, lists: &mut Freelist<S>) -> Option<()> {
        let room = self.room.checked_mul(2)?.max(FEW);
        let new = layout(room)?;
        let table = if self.table.is_null() {
            // SAFETY: the size is not zero.
            unsafe { lists.allocate(new) }
        } else {
            // SAFETY: the table is a block of the lists with this layout; the new size is not zero.
            unsafe { lists.resize(self.table.cast(), layout(self.room)?, new.size()) }
        };
        if table.is_null() {
            return None;
        }
        if self.room == 0 {
            // SAFETY: the table has room for records, and is ours.
            unsafe { table.cast::<u32>().write(NONE) };
            self.used = 1;
        }
        (self.table, self.room) = (table.cast(), room);
        Some(())
    }

    /// Counts a block for a region.
    #[inline]
    pub(super) fn add(&mut self, region: u32) {
        *self.at(region) += BLOCK;
    }

    /// Removes a block from a region's count.
    #[inline]
    pub(super) fn sub<S: Source>(&mut self, region: u32, lists: &mut Freelist<S>) {
        let record = self.at(region);
        *record -= BLOCK;
        if *record & CLOSED != 0 {
            self.unpin(region, lists);
        }
    }

    /// Handles the free of a block of a closed region.
    #[cold]
    #[inline(never)]
    fn unpin<S: Source>(&mut self, region: u32, lists: &mut Freelist<S>) {
        self.retained -= 1;
        if *self.at(region) < BLOCK {
            self.forget(region, lists);
        }
    }

    /// Closes a region. Its number is used again once the region has no blocks.
    pub(super) fn close<S: Source>(&mut self, region: u32, lists: &mut Freelist<S>) {
        let record = self.at(region);
        let blocks = *record / BLOCK;
        *record |= CLOSED;
        self.retained += blocks as usize;
        if blocks == 0 {
            self.forget(region, lists);
        }
    }

    fn forget<S: Source>(&mut self, region: u32, lists: &mut Freelist<S>) {
        *self.at(region) = *self.at(NONE);
        *self.at(NONE) = region;
        self.regions -= 1;
        if self.regions == 0
            && let Some(layout) = layout(self.room)
        {
            // SAFETY: the table is a block of the lists with this layout, and no record is in use.
            unsafe { lists.release(self.table.cast(), layout) };
            *self = Self::new();
        }
    }

    /// Returns the records up to the last one that was ever used, for a report.
    pub(super) const fn table(&self) -> &[u32] {
        if self.table.is_null() {
            return &[];
        }
        // SAFETY: the table is ours and has room for more records; these were all written.
        unsafe { from_raw_parts(self.table, self.used as usize) }
    }

    #[inline]
    fn at(&mut self, region: u32) -> &mut u32 {
        // SAFETY: numbers of regions are below `used`, and records are asked for only when there is
        // a table, which is ours.
        unsafe { &mut *self.table.wrapping_add(region as usize) }
    }
}

/// Calls `region` with each region of the records in use: its number, its blocks, and whether it
/// is closed. It stops when `region` returns `false`. Returns whether all regions were passed. They
/// were not if more than `most` records are free.
///
/// A free record looks like one in use. So the free records are marked first, by a walk over
/// their list. There are fewer marks than regions, so this happens for one group of regions
/// after another.
pub(crate) fn each(records: &[u32], most: usize, mut region: impl FnMut(u32, usize, bool) -> bool) -> bool {
    const MARKS: u32 = 512;
    let record = |number: u32| records.get(number as usize).copied().unwrap_or(NONE);
    let used = u32::try_from(records.len()).unwrap_or(u32::MAX);
    for first in (0..used).step_by((MARKS * u32::BITS) as usize) {
        let mut marks = [0_u32; MARKS as usize];
        let (mut free, mut left) = (NONE, most);
        loop {
            if let Some(word) = free.checked_sub(first).and_then(|mark| marks.get_mut((mark / u32::BITS) as usize)) {
                *word |= 1 << ((free - first) % u32::BITS);
            }
            free = record(free);
            if free == NONE {
                break;
            }
            if left == 0 {
                return false;
            }
            left -= 1;
        }
        let numbers = first..used.min(first.saturating_add(MARKS * u32::BITS));
        for (number, mark) in numbers.zip(0_u32..) {
            let is_free = marks[(mark / u32::BITS) as usize] & 1 << (mark % u32::BITS) != 0;
            let word = record(number);
            if !is_free && !region(number, (word / BLOCK) as usize, word & CLOSED != 0) {
                return false;
            }
        }
    }
    true
}
