//! Regions: small blocks of one stream side by side, in chunks that count what lives in them.
//!
//! While a region is entered, blocks of up to 128 bytes are cut from its open chunk by moving a pointer. A free takes one off the chunk's count, and the
//! chunk that reaches zero is free again, whatever became of the region. So a block that outlives its region (a plugin-wide cache filled during a request) holds
//! its chunk of 1 KiB until it is freed, and nothing else happens: this is an ordinary global allocator, sound for code that knows nothing of regions.
//!
//! Larger blocks, and those made outside of regions, go to the [free lists](crate::Freelist). Chunks are a class of slabs there: idle ones serve
//! small blocks of any class, and go back to the heap before memory grows. That is all there is to the decay after a burst.
//!
//! A stream that is open holds one chunk: of 8 KiB, as a chunk of its own slab would be, 256 streams hold 32 pages; of 1 KiB, 4. What is larger than 128 bytes loses little beside others of
//! its stream, and as an escape it would hold the same chunk. With chunks of 2 KiB for blocks of up to 512 bytes a cache of 4,096 entries of 32–1,000 bytes, filled by requests,
//! took the soak of 64 contexts from 59 pages to 123, with these it takes 68; chunks of 512 bytes save a further 6 and cost 7 % more instructions on the request trace.

pub(crate) mod chunk;

use core::alloc::Layout;
use core::ptr::{NonNull, null_mut};

use crate::freelist::class::{CHUNKS, SMALL_MOST, small_of};
use crate::freelist::slabs::class_of;
use crate::source::Source;
use crate::strategy::{Strategy, Usage, relocate};
use crate::{Freelist, freelist};
use chunk::{Chunk, Record};

/// The largest block that is cut from a chunk, in bytes; in its place it may grow to [`SMALL_MOST`].
const ROUTED: usize = crate::region::LARGEST;

/// Blocks in chunks lie at multiples of this; what is aligned to more goes to the lists.
const STEP: usize = 8;

/// Free lists, and regions in front of them.
///
/// **Cost:** an allocation in a region moves a pointer and adds to a count; a free subtracts. An open region holds 1 KiB.
pub struct Arena<S> {
    /// The open chunk of the entered region, copied from its record: all null outside of regions.
    next: *mut u8,
    end: *mut u8,
    chunk: *mut Chunk,
    /// The entered region's record.
    current: *mut Record,
    /// Chunks whose region is gone.
    pinned: usize,
    lists: Freelist<S>,
}

// SAFETY: the pointers lead into blocks of the free lists, and move together with them.
unsafe impl<S: Send> Send for Arena<S> {}

/// A region of an [`Arena`], to be closed by it.
#[derive(Debug)]
pub struct Handle(NonNull<Record>);

// SAFETY: the record is touched only through the arena, by whoever has it.
unsafe impl Send for Handle {}
// SAFETY: as above: a shared handle shows nothing.
unsafe impl Sync for Handle {}

impl<S: Source> Arena<S> {
    /// No regions yet, over a source.
    pub const fn new(source: S) -> Self {
        Self {
            next: null_mut(),
            end: null_mut(),
            chunk: null_mut(),
            current: null_mut(),
            pinned: 0,
            lists: Freelist::new(source),
        }
    }

    /// Opens a region; none if there is no memory. It holds nothing until its first block.
    pub fn open(&mut self) -> Option<Handle> {
        // SAFETY: a record's size is not zero.
        let record = unsafe { self.lists.allocate(Layout::new::<Record>()) }.cast::<Record>();
        let handle = NonNull::new(record)?;
        // SAFETY: the block is as large as a record, aligned to 16, and ours.
        unsafe { record.write(Record::NEW) };
        Some(Handle(handle))
    }

    /// Enters a region, or none; the answer is what was entered before, for [`restore`](Arena::restore).
    ///
    /// # Safety
    ///
    /// The region is this arena's, and stays open until another is entered or restored.
    pub unsafe fn enter(&mut self, region: Option<&Handle>) -> Entered {
        let before = self.current;
        self.switch(region.map_or(null_mut(), |region| region.0.as_ptr()));
        Entered(before)
    }

    /// Enters what was entered before.
    ///
    /// # Safety
    ///
    /// The region that was entered then, if any, is still open.
    pub unsafe fn restore(&mut self, before: Entered) {
        self.switch(before.0);
    }

    /// Closes a region. Its blocks live on; each holds its chunk.
    ///
    /// # Safety
    ///
    /// The region is this arena's and not entered, and no [`Entered`] stands for it.
    pub unsafe fn close(&mut self, region: Handle) {
        let owner = region.0.as_ptr();
        // SAFETY: the record is live until here, and this is the only reference.
        let record = unsafe { &mut *owner };
        record.closed = true;
        self.pinned += record.chunks;
        let chunk = record.chunk;
        if chunk.is_null() {
            return self.forget(owner);
        }
        // SAFETY: a record's open chunk is live, and this is the only reference.
        let live = unsafe {
            let chunk = &mut *chunk;
            chunk.open = false;
            chunk.live
        };
        if live == 0 {
            self.retire(chunk);
        }
    }

    /// Gives back what the lists and idle chunks hold; true if anything went.
    pub fn trim(&mut self) -> bool {
        self.lists.trim()
    }

    fn switch(&mut self, to: *mut Record) {
        let from = self.current;
        if !from.is_null() {
            // SAFETY: the entered region is open (contract of `enter`), and this is the only reference.
            let record = unsafe { &mut *from };
            (record.next, record.end, record.chunk) = (self.next, self.end, self.chunk);
        }
        self.current = to;
        (self.next, self.end, self.chunk) = (null_mut(), null_mut(), null_mut());
        if !to.is_null() {
            // SAFETY: as above.
            let record = unsafe { &*to };
            (self.next, self.end, self.chunk) = (record.next, record.end, record.chunk);
            // SAFETY: the open chunk of a region is live.
            if !self.chunk.is_null() && unsafe { (*self.chunk).live } == 0 {
                self.next = Chunk::begin(self.chunk);
            }
        }
    }

    /// A block from a fresh chunk of the entered region; null if there is no chunk.
    #[inline(never)]
    fn cut(&mut self, size: usize) -> *mut u8 {
        let mut fresh = self.lists.slabs.pop(CHUNKS);
        if fresh.is_null() {
            fresh = self.lists.carve(CHUNKS);
        }
        let chunk = fresh.cast::<Chunk>();
        if chunk.is_null() {
            return null_mut();
        }
        let full = self.chunk;
        // SAFETY: the chunk is fresh from the lists, of the chunks' class and alignment, and ours.
        unsafe { chunk.write(Chunk { owner: self.current, live: 1, open: true }) };
        // SAFETY: the entered region is open, and this is the only reference.
        unsafe { (*self.current).chunks += 1 };
        let block = Chunk::begin(chunk);
        (self.chunk, self.next, self.end) = (chunk, block.wrapping_add(size), Chunk::end(chunk));
        if !full.is_null() {
            // An empty chunk is rewound, and has room for any block that comes here: this one holds blocks, the last of which will retire it.
            // SAFETY: the chunk was the region's open one until now, so it is live.
            unsafe { (*full).open = false };
        }
        block
    }

    /// Takes back a block that lies in a chunk.
    ///
    /// # Safety
    ///
    /// The block is live, and in a chunk of this arena.
    #[inline]
    unsafe fn release_routed(&mut self, block: *mut u8) {
        let chunk = Chunk::of(block);
        // SAFETY: the chunk is live as long as a block in it is, and this is the only reference.
        let state = unsafe { &mut *chunk };
        state.live -= 1;
        if state.live == 0 {
            self.emptied(chunk);
        }
    }

    /// The last block of a chunk is gone.
    #[inline(never)]
    fn emptied(&mut self, chunk: *mut Chunk) {
        if chunk == self.chunk {
            self.next = Chunk::begin(chunk);
            return;
        }
        // SAFETY: the chunk was live until now. The open one of another region stays with it, and is rewound when that is entered.
        if !unsafe { (*chunk).open } {
            self.retire(chunk);
        }
    }

    /// Gives a chunk that is empty and not open back to the lists.
    fn retire(&mut self, chunk: *mut Chunk) {
        // SAFETY: the chunk was live until now.
        let owner = unsafe { (*chunk).owner };
        // SAFETY: a record lives as long as it is open or has chunks, and this is the only reference.
        let record = unsafe { &mut *owner };
        record.chunks -= 1;
        if record.closed {
            self.pinned -= 1;
            self.forget(owner);
        }
        // SAFETY: the chunk came from this class, and is empty.
        unsafe { self.lists.slabs.push(chunk.cast(), CHUNKS) };
    }

    /// Frees the record of a closed region once it has no chunks. The pointer is the one that the lists gave: one made of a reference may not leave the record.
    fn forget(&mut self, record: *mut Record) {
        // SAFETY: the record is live: this is the one place where it is freed, at its last chunk's or its own end.
        if unsafe { (*record).chunks } == 0 {
            // SAFETY: the record was allocated from the lists with this layout.
            unsafe { self.lists.release(record.cast(), Layout::new::<Record>()) };
        }
    }
}

/// What was entered before: to be restored.
#[derive(Debug)]
#[must_use = "a region that is not left takes all that follows"]
pub struct Entered(*mut Record);

// SAFETY: the pointer is only ever given back to the arena it came from.
unsafe impl Send for Entered {}

const fn round(size: usize) -> usize {
    (size + STEP - 1) & !(STEP - 1)
}

/// Whether a layout's block may lie in a chunk.
#[inline]
const fn routable(layout: Layout) -> bool {
    layout.size() <= SMALL_MOST && layout.align() <= STEP
}

// SAFETY: blocks in chunks are disjoint, as `next` only passes what it hands out and comes back only where the chunk is empty or its last block resized, and a chunk serves again only when it
// has no live block; all else is the free lists'. Which of the two a small block came from is read off its slab.
unsafe impl<S: Source> Strategy for Arena<S> {
    const ALIGN: usize = STEP;
    const INLINE: bool = freelist::INLINE;

    #[inline]
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        if layout.size() <= ROUTED && layout.align() <= STEP {
            let size = round(layout.size());
            let block = self.next;
            if size <= self.end.addr() - block.addr() {
                self.next = block.wrapping_add(size);
                // SAFETY: there is room in the open chunk, so there is one, and this is the only reference.
                unsafe { (*self.chunk).live += 1 };
                return block;
            }
            if !self.current.is_null() {
                let block = self.cut(size);
                if !block.is_null() {
                    return block;
                }
                // A chunk is more than a small block needs: perhaps that is still there.
            }
        }
        // SAFETY: as the caller promises.
        unsafe { self.lists.allocate(layout) }
    }

    #[inline]
    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        if routable(layout) {
            // SAFETY: a block of this layout is a small one, and live.
            let class = unsafe { class_of(block) };
            if class == CHUNKS {
                // SAFETY: the block is live and lies in a chunk.
                return unsafe { self.release_routed(block) };
            }
            // SAFETY: the block is one of its slab's class, and nobody uses it any more.
            return unsafe { self.lists.slabs.push(block, class) };
        }
        // SAFETY: as the caller promises, and the block lies in no chunk.
        unsafe { self.lists.release(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: a routable layout's block is a small one, and live.
        if !(routable(layout) && unsafe { class_of(block) } == CHUNKS) {
            let small = |size| size <= SMALL_MOST && layout.align() <= freelist::ALIGN;
            if !small(layout.size()) && !small(size) {
                // SAFETY: as the caller promises, and the block lies in no chunk.
                return unsafe { self.lists.resize(block, layout, size) };
            }
            if small(layout.size()) && small(size) && small_of(layout.size()) == small_of(size) {
                return block;
            }
        } else if size <= SMALL_MOST {
            let (old, new) = (round(layout.size()), round(size));
            let last = block.wrapping_add(old) == self.next;
            if last && new <= self.end.addr() - block.addr() {
                self.next = block.wrapping_add(new);
                return block;
            }
            if new <= old {
                return block;
            }
        }
        // SAFETY: as the caller promises.
        unsafe { relocate(self, block, layout, size) }
    }

    fn usage(&self) -> Usage {
        Usage { pinned: self.pinned, ..self.lists.usage() }
    }

    fn limit(&mut self, pages: usize) {
        self.lists.limit(pages);
    }
}
