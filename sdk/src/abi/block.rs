//! Who owns a block that the host asked for.
//!
//! [`allocate`] notes every block until the host call in progress returns; [`Claim::finish`] then hands the one that the host named to a
//! [`HostBytes`] and frees the others. So a host that names no block, a foreign one, or a larger size than it asked for gets an error, and a
//! host that asks for a block and then fails leaks nothing.
//!
//! One freed block is kept for the next that the host asks for, as most callbacks read one map, of about the size of the one before: to free it and to
//! allocate it again would cost a third of the instructions of a request. It is a block of at most [`MOST_KEPT`] bytes, live for the allocator. With the
//! feature `budget` none is kept, as a budget counts every byte, and neither with the allocator that has regions.

use alloc::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use alloc::boxed::Box;
use core::cell::Cell;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use super::{MapType, Status, pending};
use crate::budget::{self, Charge};

/// How many blocks a host may have asked for without handing them over. A host has one at a time; calls nested in calls add one each.
const CAPACITY: usize = 8;

/// The largest block that is kept when it is freed.
const MOST_KEPT: usize = 8 << 10;
/// A block is used again for no less than its size divided by this: what the filter holds on to takes no more than this many times its size.
const MOST_SLACK: usize = 4;
/// Whether a freed block is kept. Natively not, where tests count allocations.
const KEEPS: bool =
    cfg!(any(target_family = "wasm", all(test, not(miri)))) && !cfg!(any(feature = "budget", feature = "alloc-arena"));

/// A block of memory, as it was allocated.
#[derive(Clone, Copy)]
struct Block {
    start: *mut u8,
    /// At least 1; 0 if there is no block.
    capacity: usize,
}

impl Block {
    const NONE: Self = Self { start: ptr::null_mut(), capacity: 0 };
}

/// A block that was allocated for the host and is not handed over yet.
#[derive(Clone, Copy)]
struct Noted {
    block: Block,
    /// How many bytes the host asked for.
    size: usize,
}

/// The noted blocks, oldest first, how deep the callbacks are nested, and the block that is kept.
struct Notes {
    blocks: [Cell<Noted>; CAPACITY],
    len: Cell<usize>,
    depth: Cell<usize>,
    kept: Cell<Block>,
}

crate::__vm_local! {
    static NOTES: Notes = Notes {
        blocks: [const { Cell::new(Noted { block: Block::NONE, size: 0 }) }; CAPACITY],
        len: Cell::new(0),
        depth: Cell::new(0),
        kept: Cell::new(Block::NONE),
    };
}

impl Notes {
    /// Frees all blocks from `mark` on, but the one that starts at `keep`, and gives that one.
    #[inline]
    fn settle(&self, mark: usize, keep: *mut u8) -> Option<Noted> {
        // A host as it should be: it asked for one block, or none, and hands that one over.
        if self.len.get() == mark {
            return None;
        }
        if let Some(newest) = self.blocks.get(mark).map(Cell::get)
            && self.len.get() == mark + 1
            && newest.block.start == keep
        {
            self.len.set(mark);
            return Some(newest);
        }
        self.settle_slow(mark, keep)
    }

    #[cold]
    #[inline(never)]
    fn settle_slow(&self, mark: usize, keep: *mut u8) -> Option<Noted> {
        let mut kept = None;
        for noted in self.blocks.iter().take(self.len.get()).skip(mark).map(Cell::get) {
            if noted.block.start == keep && kept.is_none() {
                kept = Some(noted);
            } else {
                free(noted.block);
            }
        }
        self.len.set(self.len.get().min(mark));
        kept
    }

    /// The kept block, if it is one for so many bytes.
    #[inline]
    fn reuse(&self, size: usize) -> Option<Block> {
        let kept = self.kept.get();
        if !KEEPS || size > kept.capacity || size < kept.capacity / MOST_SLACK || kept.capacity == 0 {
            return None;
        }
        self.kept.set(Block::NONE);
        Some(kept)
    }
}

/// A new block of at least one byte: a host that asks for nothing still gets an address.
#[inline(never)]
fn obtain(size: usize) -> Option<Block> {
    let capacity = size.max(1);
    let layout = Layout::from_size_align(capacity, 1).ok()?;
    let allocate = || {
        let start = if cfg!(target_family = "wasm") {
            // SAFETY: the layout's size is at least 1. The bytes count as written by the host, outside of what the compiler sees.
            unsafe { alloc(layout) }
        } else {
            // A host in the same process is seen by the compiler and by miri, and may write less than it says.
            // SAFETY: the layout's size is at least 1.
            unsafe { alloc_zeroed(layout) }
        };
        (!start.is_null()).then_some(Block { start, capacity })
    };
    allocate().or_else(|| {
        // Memory is out: what is kept may be what is missing.
        let kept =
            KEEPS.then(|| NOTES.with(|notes| notes.kept.replace(Block::NONE))).filter(|kept| kept.capacity > 0)?;
        give_back(kept);
        allocate()
    })
}

/// Frees a block, or keeps it.
#[inline]
fn free(block: Block) {
    if KEEPS && block.capacity <= MOST_KEPT {
        let kept = NOTES.with(|notes| notes.kept.get());
        // The larger one serves more calls, unless it is too large for what is read now.
        if kept.capacity < block.capacity || kept.capacity / MOST_SLACK > block.capacity {
            NOTES.with(|notes| notes.kept.set(block));
            if kept.capacity > 0 {
                give_back(kept);
            }
            return;
        }
    }
    give_back(block);
}

/// Gives a block back to the allocator.
#[inline(never)]
fn give_back(block: Block) {
    if let Ok(layout) = Layout::from_size_align(block.capacity, 1) {
        // SAFETY: only blocks of `obtain` and boxed slices of bytes come here, each once, and this is the layout of both.
        unsafe { dealloc(block.start, layout) };
    }
}

/// The allocation entry that the host calls: a block of `size` bytes, or null when memory is out, or a budget.
///
/// The block is noted for the host call in progress. Nothing here calls the host.
#[must_use]
pub fn allocate(size: usize) -> *mut u8 {
    NOTES.with(|notes| {
        let Some(slot) = notes.blocks.get(notes.len.get()) else { return ptr::null_mut() };
        if !budget::fits(size) {
            return ptr::null_mut();
        }
        let Some(block) = notes.reuse(size).or_else(|| obtain(size)) else { return ptr::null_mut() };
        slot.set(Noted { block, size });
        notes.len.set(notes.len.get() + 1);
        block.start
    })
}

/// A callback in progress. While the outermost one begins no host call is in progress, so blocks that are still noted belong to nobody.
#[derive(Debug)]
pub struct Entry(());

impl Entry {
    /// The host called the guest.
    #[must_use]
    pub fn new() -> Self {
        NOTES.with(|notes| {
            if notes.depth.get() == 0 && notes.len.get() != 0 {
                notes.settle(0, ptr::null_mut());
            }
            notes.depth.set(notes.depth.get() + 1);
        });
        Self(())
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self::new()
    }
}

/// How deep the callbacks are nested: 1 in a callback that no other waits for.
#[inline]
pub(crate) fn depth() -> usize {
    NOTES.with(|notes| notes.depth.get())
}

impl Drop for Entry {
    fn drop(&mut self) {
        // What it answers has been logged, and `dispatch` asks for it.
        let _ = pending::settle(pending::When::AtReturn);
        NOTES.with(|notes| notes.depth.set(notes.depth.get().saturating_sub(1)));
    }
}

/// A host call in progress that will hand over one block.
pub(super) struct Claim {
    mark: usize,
    pub(super) start: *mut u8,
    pub(super) size: usize,
}

/// Why a host call gave no bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// The host said so.
    Status(Status),
    /// The host named a block that it did not ask for, or more of it than it asked for.
    Foreign,
    /// An edit of a header map was to be written back before the call, and the host refused that.
    Edit {
        /// The host function that writes it.
        call: &'static str,
        map: MapType,
        status: Status,
    },
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl Claim {
    pub(super) fn begin() -> Self {
        Self { mark: NOTES.with(|notes| notes.len.get()), start: ptr::null_mut(), size: 0 }
    }

    /// Takes what the host handed over. Null or no bytes is an empty value.
    pub(super) fn finish(self, status: u32) -> Result<HostBytes, Refused> {
        super::call::count();
        let allocated = NOTES.with(|notes| notes.settle(self.mark, self.start));
        // The number first: the compiler would otherwise make the enum before it looks at it.
        if status == Status::Ok.code()
            && let Some(Noted { block, size }) = allocated
            && self.size <= size
            && self.size > 0
            && let Some(start) = NonNull::new(block.start)
        {
            let capacity = block.capacity;
            return Ok(HostBytes { start, capacity, len: self.size, _charge: Charge::take(capacity) });
        }
        if let Some(noted) = allocated {
            free(noted.block);
        }
        self.without_bytes(status)
    }

    /// Null or no bytes is an empty value, if the host says that all went well.
    #[cold]
    #[inline(never)]
    fn without_bytes(&self, status: u32) -> Result<HostBytes, Refused> {
        match Status::from(status) {
            Status::Ok if self.size > 0 && !self.start.is_null() => Err(Refused::Foreign),
            Status::Ok => Ok(HostBytes::EMPTY),
            status => Err(Refused::Status(status)),
        }
    }
}

/// Bytes that the host handed over: the block that it allocated in the guest, owned, and freed when dropped.
///
/// # Cost
///
/// The host copied once, into this block. Nothing is copied again. It may be the block that the one before was in, and then is up to four times as large
/// as what is in it, but at most 8 KiB.
pub struct HostBytes {
    start: NonNull<u8>,
    /// The size of the block; 0 if there is no block.
    capacity: usize,
    /// How much of it the host wrote: never more than `capacity`.
    len: usize,
    /// Its place in the budgets.
    _charge: Charge,
}

impl HostBytes {
    /// No bytes, and no block.
    pub(crate) const EMPTY: Self = Self { start: NonNull::dangling(), capacity: 0, len: 0, _charge: Charge::NONE };

    /// Bytes of the guest's own, owned and freed likewise.
    pub(crate) fn own(bytes: Box<[u8]>) -> Self {
        let len = bytes.len();
        if len == 0 {
            return Self::EMPTY;
        }
        // A boxed slice of bytes has the layout of a block: its length, and no alignment.
        Self { start: NonNull::from(Box::leak(bytes)).cast(), capacity: len, len, _charge: Charge::NONE }
    }
}

impl Deref for HostBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes = NonNull::slice_from_raw_parts(self.start, self.len);
        // SAFETY: the block is owned and at least `len` bytes long (`Claim::finish` compared them), or there is none and `len` is 0. Its bytes are the host's, or zero natively. Nobody writes while `self` is borrowed: the host is done with it.
        unsafe { bytes.as_ref() }
    }
}

impl Drop for HostBytes {
    fn drop(&mut self) {
        if self.capacity > 0 {
            free(Block { start: self.start.as_ptr(), capacity: self.capacity });
        }
    }
}

impl core::fmt::Debug for HostBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&crate::ByteStr::new(self), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted() -> usize {
        NOTES.with(|notes| notes.len.get())
    }

    /// What a host does with a block.
    fn write(start: *mut u8, bytes: &[u8]) {
        // SAFETY: the tests pass blocks of at least this size.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
    }

    #[test]
    fn a_block_that_the_host_hands_over_is_owned_once() {
        let mut claim = Claim::begin();
        claim.start = allocate(5);
        claim.size = 5;
        write(claim.start, b"hello");
        let bytes = claim.finish(0).unwrap();
        assert_eq!(&*bytes, b"hello");
        assert_eq!(noted(), 0);
    }

    #[test]
    fn a_foreign_address_is_refused_and_nothing_is_freed() {
        let mut mine = 7_u8;
        let mut claim = Claim::begin();
        claim.start = &raw mut mine;
        claim.size = 1;
        assert_eq!(claim.finish(0).unwrap_err(), Refused::Foreign);
        assert_eq!(mine, 7);
    }

    #[test]
    fn more_bytes_than_were_asked_for_are_refused_and_the_block_is_freed() {
        let mut claim = Claim::begin();
        claim.start = allocate(4);
        claim.size = 5;
        assert_eq!(claim.finish(0).unwrap_err(), Refused::Foreign);
        assert_eq!(noted(), 0);
    }

    #[test]
    fn fewer_bytes_than_were_asked_for_are_taken() {
        let mut claim = Claim::begin();
        claim.start = allocate(9);
        claim.size = 2;
        write(claim.start, b"ab");
        assert_eq!(&*claim.finish(0).unwrap(), b"ab");
    }

    #[test]
    fn blocks_that_nobody_claims_are_freed() {
        let claim = Claim::begin();
        assert!(!allocate(3).is_null());
        assert!(!allocate(0).is_null());
        assert_eq!(noted(), 2);
        assert_eq!(claim.finish(10).unwrap_err(), Refused::Status(Status::InternalFailure));
        assert_eq!(noted(), 0);
    }

    #[test]
    fn a_nested_call_leaves_the_outer_block_alone() {
        let mut outer = Claim::begin();
        outer.start = allocate(2);
        outer.size = 2;
        write(outer.start, b"ok");
        let mut inner = Claim::begin();
        inner.start = allocate(1);
        inner.size = 1;
        drop(inner.finish(0).unwrap());
        assert_eq!(&*outer.finish(0).unwrap(), b"ok");
    }

    #[test]
    fn a_host_that_hoards_is_refused_until_the_next_callback() {
        while !allocate(1).is_null() {}
        assert_eq!(noted(), CAPACITY);
        drop(Entry::new());
        assert_eq!(noted(), 0);
        let claim = Claim::begin();
        assert!(!allocate(1).is_null());
        drop(claim.finish(0).unwrap());
    }

    /// A host call that hands over a block of this size.
    #[cfg(not(any(miri, feature = "budget", feature = "alloc-arena")))]
    fn hand_over(size: usize) -> HostBytes {
        let mut claim = Claim::begin();
        claim.start = allocate(size);
        claim.size = size;
        claim.finish(0).unwrap()
    }

    #[test]
    #[cfg(not(any(miri, feature = "budget", feature = "alloc-arena")))]
    fn a_freed_block_is_used_again_for_what_is_nearly_as_large() {
        let kept = || NOTES.with(|notes| notes.kept.get().capacity);
        let first = hand_over(2000);
        let start = first.start;
        drop(first);
        assert_eq!(kept(), 2000);
        let again = hand_over(500);
        assert_eq!((again.start, again.len(), kept()), (start, 500, 0));
        let second = hand_over(1000);
        drop(again);
        drop(second);
        assert_eq!(kept(), 2000, "the larger one stays");
        drop(hand_over(499));
        assert_eq!(kept(), 499, "unless it is far too large");
        drop(hand_over(8000));
        drop(hand_over(2000));
        assert_eq!(kept(), 8000);
        drop(hand_over(1999));
        assert_eq!(kept(), 1999);
        drop(hand_over(MOST_KEPT + 1));
        assert_eq!(kept(), 1999);
        let mut claim = Claim::begin();
        claim.start = allocate(1000);
        claim.size = 1001;
        assert_eq!(
            claim.finish(0).unwrap_err(),
            Refused::Foreign,
            "it counts what the host asked for, not what it got"
        );
        assert_eq!(kept(), 1999);
        give_back(NOTES.with(|notes| notes.kept.replace(Block::NONE)));
    }

    #[test]
    fn a_size_that_cannot_be_is_null() {
        assert!(allocate(usize::MAX).is_null());
        assert_eq!(noted(), 0);
    }
}
