//! Regions: free lists that know which stream a small block is of.
//!
//! While a region is entered, blocks of up to 128 bytes are counted for it: a block names its
//! region in the heap's tag, which has the room, and a free takes it off the count, wherever that
//! happens. So how many blocks outlive their stream is known at any time, and nothing else follows
//! from it: this is an ordinary global allocator, sound for code that knows nothing of regions. A
//! region that is idle holds four bytes, a block that escapes holds itself.
//!
//! Where a block lies is the [free lists'](crate::Freelist) to choose. Two kinds of regions that
//! put the blocks of a stream side by side were measured, and lost:
//!
//! * Chunks of 1 KiB that belong to a stream: 42 times std's pages for 10,000 streams of one block
//!   each, 31 times for blocks that escape, as a hole in a chunk waits for the whole chunk.
//! * One window of 1 KiB that is cut for whoever is entered, and becomes ordinary blocks and gaps
//!   when another region needs it: no hole waits, but fresh blocks never fill the gaps that others
//!   left. Ordinary Rust code with 64 and 256 streams took 18 and 55 pages where std and the free
//!   lists take 10 and 31; and a free costs more than a push, as the window must know what lives in
//!   it.
//!
//! Neither was faster than the lists, whose blocks are hot: the last one freed is the next one
//! handed out.

pub(crate) mod records;

use core::alloc::Layout;
use core::mem::replace;
use core::num::NonZeroUsize;
use core::ptr::NonNull;

use crate::freelist::class;
use crate::heap::{BLOCK, GAP_AFTER, tag, whole};
use crate::report::Shape;
use crate::source::Source;
use crate::strategy::{Strategy, Usage, relocate};
use crate::{Freelist, freelist};
use records::{NONE, Records};

/// The largest block that is counted for its region, in bytes.
const COUNTED_MOST: usize = crate::region::LARGEST;

/// The bit of a tag that says that the block is counted for a region, whose number stands above it.
const COUNTED: usize = 4;
const NUMBER: u32 = 3;

const _: () = assert!(COUNTED & (BLOCK | GAP_AFTER) == 0 && COUNTED < 1 << NUMBER);

/// Returns whether a layout's blocks are counted in a region. Only tags of such blocks name one.
#[inline]
const fn counted(layout: Layout) -> bool {
    layout.size() <= COUNTED_MOST && layout.align() <= freelist::ALIGN
}

/// Free lists, and regions in front of them.
///
/// **Cost:** a pair of small blocks in a region is one of the free lists, a tag that is written and
/// one that is cleared, and a count up and down. An open region holds four bytes.
pub struct Arena<S> {
    /// The region that is entered.
    current: u32,
    records: Records,
    lists: Freelist<S>,
}

impl<S: Source> Arena<S> {
    /// Creates an arena without regions over a source.
    pub const fn new(source: S) -> Self {
        Self { current: NONE, records: Records::new(), lists: Freelist::new(source) }
    }

    /// Gives back what the lists keep; true if anything went.
    pub fn trim(&mut self) -> bool {
        self.lists.trim()
    }

    /// A small block for the entered region.
    ///
    /// # Safety
    ///
    /// As for [`Strategy::allocate`], the layout is a small one, and a region is entered.
    #[inline(never)]
    unsafe fn allocate_counted(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { self.lists.allocate(layout) };
        if !block.is_null() {
            let mark = (self.current as usize) << NUMBER | COUNTED;
            // SAFETY: a small block is one of the heap's, of this size, and ends with its tag,
            // which names no region while the block is in a list or fresh.
            unsafe { *tag(block.wrapping_add(whole(layout.size()))) |= mark };
            self.records.add(self.current);
        }
        block
    }

    /// Takes back a block that names a region.
    ///
    /// # Safety
    ///
    /// As for [`Strategy::release`], and the layout is a small one.
    #[inline(never)]
    unsafe fn release_counted(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the block, which is live until here, ends with its tag.
        let word = unsafe { &mut *tag(block.wrapping_add(whole(layout.size()))) };
        let region = (*word >> NUMBER) as u32;
        *word &= BLOCK | GAP_AFTER;
        self.records.sub(region, &mut self.lists);
        // SAFETY: as the caller promises, and the block is one of the lists'.
        unsafe { self.lists.release(block, layout) };
    }
}

// SAFETY: every block is the free lists'; beside it only bits of its tag are written that the heap
// leaves to whoever has the block.
unsafe impl<S: Source> Strategy for Arena<S> {
    const INLINE: bool = freelist::INLINE;

    #[inline]
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        if self.current != NONE && counted(layout) {
            // SAFETY: as the caller promises.
            return unsafe { self.allocate_counted(layout) };
        }
        // SAFETY: as the caller promises.
        unsafe { self.lists.allocate(layout) }
    }

    #[inline]
    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: a small block is one of the heap's, of this size, and ends with its tag.
        if counted(layout) && unsafe { *tag(block.wrapping_add(whole(layout.size()))) } & COUNTED != 0 {
            // SAFETY: as the caller promises.
            return unsafe { self.release_counted(block, layout) };
        }
        // SAFETY: as the caller promises, and the block is one of the lists'.
        unsafe { self.lists.release(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the alignment is that of a layout, and the caller promises that the rounded size
        // is at most `isize::MAX`.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class::small(layout), class::small(new)) {
            (true, true) if whole(layout.size()) == whole(size) && counted(layout) == counted(new) => block,
            // SAFETY: as the caller promises; neither is small, so no tag of them names a region.
            (false, false) => unsafe { self.lists.resize(block, layout, size) },
            // SAFETY: as the caller promises.
            _ => unsafe { relocate(self, block, layout, size) },
        }
    }

    fn usage(&self) -> Usage {
        Usage { retained: self.records.retained(), ..self.lists.usage() }
    }

    fn shape(&self) -> Option<Shape<'_>> {
        self.lists.shape().map(|shape| Shape { records: Some(&self.records), ..shape })
    }

    fn limit(&mut self, pages: usize) {
        self.lists.limit(pages);
    }

    fn open_region(&mut self) -> Option<NonNull<u8>> {
        self.records.open(&mut self.lists).and_then(key)
    }

    #[inline]
    unsafe fn enter_region(&mut self, region: Option<NonNull<u8>>) -> Option<NonNull<u8>> {
        key(replace(&mut self.current, region.map_or(NONE, number)))
    }

    unsafe fn close_region(&mut self, region: NonNull<u8>) {
        self.records.close(number(region), &mut self.lists);
    }
}

/// A region's number in the form of a handle: an address that nobody reads.
#[inline]
fn key(number: u32) -> Option<NonNull<u8>> {
    const { assert!(NONE == 0) };
    NonZeroUsize::new(number as usize).map(NonNull::without_provenance)
}

/// The number of a region.
#[inline]
fn number(key: NonNull<u8>) -> u32 {
    key.addr().get() as u32
}
