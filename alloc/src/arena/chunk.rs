//! A chunk of a region, and the record of the region itself.

use core::ptr::null_mut;

use crate::freelist::class::CHUNK;

/// Bytes at a chunk's beginning for its header, and at its end for the heap's tag.
const MARGIN: usize = 16;

/// The header of a chunk.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The region that cut blocks from it: its record stays while it has chunks.
    pub(crate) owner: *mut Record,
    /// Blocks in it that live.
    pub(crate) live: u32,
    /// Whether it is its region's open chunk.
    pub(crate) open: bool,
}

const _: () = assert!(size_of::<Chunk>() <= MARGIN);

impl Chunk {
    /// The chunk that a block lies in.
    #[inline]
    pub(crate) fn of(block: *mut u8) -> *mut Self {
        block.map_addr(|addr| addr & !(CHUNK - 1)).cast()
    }

    /// Where its first block begins.
    #[inline]
    pub(crate) const fn begin(chunk: *mut Self) -> *mut u8 {
        chunk.cast::<u8>().wrapping_add(MARGIN)
    }

    /// Where its last block ends at most.
    pub(crate) const fn end(chunk: *mut Self) -> *mut u8 {
        chunk.cast::<u8>().wrapping_add(CHUNK - MARGIN)
    }
}

/// A region: open, or gone with chunks left.
#[derive(Debug)]
pub(crate) struct Record {
    /// The open chunk and what is left of it, while the region is not entered.
    pub(crate) next: *mut u8,
    pub(crate) end: *mut u8,
    pub(crate) chunk: *mut Chunk,
    /// Chunks that hold blocks of it, the open one included.
    pub(crate) chunks: usize,
    /// Whether its stream is gone.
    pub(crate) closed: bool,
}

impl Record {
    pub(crate) const NEW: Self =
        Self { next: null_mut(), end: null_mut(), chunk: null_mut(), chunks: 0, closed: false };
}
