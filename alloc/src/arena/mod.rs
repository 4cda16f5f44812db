//! Free lists with regions: they know the stream of each small block.
//!
//! While a region is entered, blocks of up to 128 bytes are counted for it. The block's tag in the
//! heap has room for the number of the region. A free reduces the count of that region, wherever
//! the free happens. So the number of blocks that outlive their stream is known at any time. A
//! region has no other effect: this is an ordinary global allocator, and sound for code that does
//! not know regions. An idle region holds four bytes. A block that outlives its stream holds only
//! itself.
//!
//! The [free lists](crate::Freelist) choose the place of a block. Two kinds of regions that put the
//! blocks of a stream side by side were measured, and were worse:
//!
//! * Chunks of 1 KiB that belong to a stream. They took 42 times std's pages for 10,000 streams of
//!   one block each, and 31 times for blocks that outlive their stream, because a hole in a chunk
//!   is used again only with the whole chunk.
//! * One window of 1 KiB that is cut for the entered region, and becomes ordinary blocks and gaps
//!   when another region needs it. No hole has to wait, but fresh blocks never fill the gaps that
//!   others left. Ordinary Rust code with 64 and 256 streams took 18 and 55 pages, where std and
//!   the free lists take 10 and 31. A free costs more than a push, because the window must know its
//!   live blocks.
//!
//! Neither was faster than the lists. The lists return the block that was freed last, which is
//! still in the cache.

pub(crate) mod records;

use core::alloc::Layout;
use core::mem::replace;
use core::num::NonZeroUsize;
use core::ptr::NonNull;

use crate::freelist::class;
use crate::heap::{BLOCK, GAP_AFTER, tag, whole};
use crate::shape::Shape;
use crate::source::Source;
use crate::strategy::{Strategy, Usage, relocate};
use crate::{Freelist, freelist};
use records::{NONE, Records};

/// The size in bytes of the largest block that the arena counts for a region.
pub const LARGEST: usize = 128;

/// The size in bytes of the largest block that is counted for its region.
const COUNTED_MOST: usize = LARGEST;

/// The bit of a tag that marks a block of a region. The number of the region is in the bits above.
const COUNTED: usize = 4;
const NUMBER: u32 = 3;

const _: () = assert!(COUNTED & (BLOCK | GAP_AFTER) == 0 && COUNTED < 1 << NUMBER);

/// Returns whether blocks of a layout are counted in a region. Only the tags of such blocks have
/// the number of a region.
#[inline]
const fn counted(layout: Layout) -> bool {
    layout.size() <= COUNTED_MOST && layout.align() <= freelist::ALIGN
}

/// The free lists, with regions.
///
/// **Cost:** the allocation and the free of a small block in a region cost as much as with the free
/// lists, and in addition two writes of a tag and two changes of a count. An open region holds four
/// bytes.
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

    /// Gives the kept blocks of the lists back to the heap. Returns `true` if there were any.
    pub fn trim(&mut self) -> bool {
        self.lists.trim()
    }

    /// Allocates a small block for the entered region.
    ///
    /// # Safety
    ///
    /// As for [`Strategy::allocate`]. The layout is a small one, and a region is entered.
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

    /// Frees a block of a region.
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
        self.lists.shape().map(|shape| Shape { records: self.records.table(), ..shape })
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

/// Returns the handle of a region's number: an address that no code reads.
#[inline]
fn key(number: u32) -> Option<NonNull<u8>> {
    const { assert!(NONE == 0) };
    NonZeroUsize::new(number as usize).map(NonNull::without_provenance)
}

/// Returns the number of a region.
#[inline]
fn number(key: NonNull<u8>) -> u32 {
    key.addr().get() as u32
}
