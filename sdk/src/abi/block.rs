//! The ownership of a block that the host asked for.
//!
//! [`allocate`] notes every block until the host call in progress returns. [`Claim::finish`] then
//! passes the block that the host named to a [`HostBytes`], and frees the others. So the host call
//! fails if the host names no block, a foreign block, or a larger size than it asked for. A host
//! that asks for a block and then fails leaks nothing.
//!
//! One freed block is kept for the next request of the host, because most callbacks read one map,
//! of about the size of the map before. Freeing the block and allocating it again would cost a
//! tenth of the instructions of a request. The kept block has at most [`MOST_KEPT`] bytes, and is
//! live for the allocator. With the feature `budget` no block is kept, because a budget counts
//! every byte. With the allocator that has regions, only blocks outside of regions are kept.

use alloc::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use core::cell::Cell;
use core::ptr::{self, NonNull};

use super::host_bytes::HostBytes;
use super::{Refused, Status, arenas, local, routed};
use crate::budget;

/// The number of blocks that a host may have asked for without handing them over. A host has one at
/// a time. Calls nested in calls add one each.
const CAPACITY: usize = 8;

/// The largest block that is kept when it is freed.
const MOST_KEPT: usize = 8 << 10;
/// The smallest block that is kept. The allocator could count a smaller one for a stream's region,
/// and the block would outlive it.
const LEAST_KEPT: usize = if cfg!(all(feature = "alloc-arena", not(feature = "alloc-freelist"))) {
    sluicegate_alloc::region::LARGEST + 1
} else {
    1
};
/// A block is used again only for a size of at least its own size divided by this number. So a
/// value that the filter keeps takes no more than this many times its size.
const MOST_SLACK: usize = 4;
/// `true` if a freed block is kept. Native builds keep none, because tests count allocations there.
const KEEPS: bool = cfg!(any(target_family = "wasm", all(test, not(miri)))) && !cfg!(feature = "budget");

/// A block of memory, as it was allocated.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) start: NonNull<u8>,
    /// The capacity, which is at least 1, or 0 if there is no block. It is marked if the block lies
    /// in an arena (`routed`).
    pub(super) capacity: usize,
}

impl Block {
    const NONE: Self = Self { start: NonNull::dangling(), capacity: 0 };
}

/// A block that was allocated for the host, and that the host has not handed over yet.
#[derive(Clone, Copy)]
struct Noted {
    block: Block,
    /// The number of bytes that the host asked for.
    size: usize,
}

impl Noted {
    const NONE: Self = Self { block: Block::NONE, size: 0 };
}

/// The noted blocks, the nesting depth of the callbacks, and the kept block.
struct Notes {
    /// The number of noted blocks.
    len: Cell<usize>,
    /// The newest noted block, which is nearly always the only one.
    newest: Cell<Noted>,
    /// The other noted blocks, oldest first.
    older: [Cell<Noted>; CAPACITY - 1],
    depth: Cell<usize>,
    kept: Cell<Block>,
}

crate::__vm_local! {
    static NOTES: Notes = Notes {
        len: Cell::new(0),
        newest: Cell::new(Noted::NONE),
        older: [const { Cell::new(Noted::NONE) }; CAPACITY - 1],
        depth: Cell::new(0),
        kept: Cell::new(Block::NONE),
    };
}

impl Notes {
    /// Removes the newest block, so that `left` blocks are left.
    #[inline]
    fn drop_to(&self, left: usize) {
        self.len.set(left);
        if let Some(before) = left.checked_sub(1) {
            self.uncover(before);
        }
    }

    #[cold]
    #[inline(never)]
    fn uncover(&self, before: usize) {
        self.newest.set(self.older.get(before).map_or(Noted::NONE, Cell::get));
    }

    /// Makes room for another block above the noted ones. Returns `false` if there is no room.
    #[cold]
    #[inline(never)]
    fn cover(&self, len: usize) -> bool {
        let Some(place) = self.older.get(len - 1) else { return false };
        place.set(self.newest.get());
        true
    }

    /// Handles the beginning of a callback while blocks are noted. Unless a host call is in
    /// progress, as it is when callbacks are nested, the blocks belong to nobody.
    #[cold]
    #[inline(never)]
    fn enter(&self, outer: usize) {
        if outer == 0 {
            self.settle(0, ptr::null_mut());
        }
    }

    /// Frees all blocks that came after `mark`, except the one that starts at `keep`, and returns
    /// that one. If a host names the same block twice, the newest is returned.
    #[cold]
    #[inline(never)]
    fn settle(&self, mark: usize, keep: *mut u8) -> Option<Noted> {
        let mut kept = None;
        while self.len.get() > mark {
            let noted = self.newest.get();
            self.drop_to(self.len.get() - 1);
            if noted.block.start.as_ptr() == keep && kept.is_none() {
                kept = Some(noted);
            } else {
                free(noted.block);
            }
        }
        kept
    }

    /// Returns the kept block, if it fits this number of bytes, or `None`.
    #[inline]
    fn reuse(&self, size: usize) -> Option<Block> {
        let kept = self.kept.get();
        // The subtraction wraps for a size of 0, for which no block is kept.
        if !KEEPS || size.wrapping_sub(1) >= kept.capacity || size < kept.capacity / MOST_SLACK {
            return None;
        }
        self.kept.set(Block { capacity: 0, ..kept });
        Some(kept)
    }
}

/// Allocates a block of this number of bytes. Returns `None` if the SDK is out of memory.
#[inline(never)]
fn obtain(capacity: usize) -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(capacity, 1).ok().filter(|layout| layout.size() > 0)?;
    let allocate = || {
        NonNull::new(if cfg!(target_family = "wasm") {
            // SAFETY: the layout's size is not 0. The bytes count as written by the host, outside
            // of what the compiler sees.
            unsafe { alloc(layout) }
        } else {
            // A host in the same process is seen by the compiler and by miri, and may write fewer
            // bytes than it says. SAFETY: the layout's size is not 0.
            unsafe { alloc_zeroed(layout) }
        })
    };
    allocate().or_else(|| {
        // The SDK is out of memory. The kept block, or arenas that wait for a stream, may be the
        // missing memory.
        let kept = KEEPS.then(|| NOTES.with(|notes| notes.kept.replace(Block::NONE))).filter(|kept| kept.capacity > 0);
        let some = kept.is_some();
        if let Some(kept) = kept {
            give_back(kept);
        }
        if arenas::trim() || some { allocate() } else { None }
    })
}

/// Returns whether the size of a block is one that is kept.
#[inline]
const fn is_kept(block: Block) -> bool {
    // The subtraction wraps for a block that is too small, and for no block.
    KEEPS && block.capacity.wrapping_sub(LEAST_KEPT) <= MOST_KEPT - LEAST_KEPT
}

/// Frees a block, or keeps it.
#[inline]
pub(super) fn free(block: Block) {
    if is_kept(block) && NOTES.with(|notes| notes.kept.get().capacity) == 0 {
        return NOTES.with(|notes| notes.kept.set(block));
    }
    free_another(block);
}

/// Frees a block if one is kept already, or if the block is too large to be kept. Does nothing if
/// there is no block.
#[inline(never)]
fn free_another(block: Block) {
    if block.capacity == 0 {
        return;
    }
    let kept = NOTES.with(|notes| notes.kept.get());
    // The larger block serves more calls, unless it is too large for the values that are read now.
    let better = kept.capacity < block.capacity || kept.capacity / MOST_SLACK > block.capacity;
    if is_kept(block) && better {
        NOTES.with(|notes| notes.kept.set(block));
        give_back(kept);
    } else {
        give_back(block);
    }
}

/// Gives a block back to the allocator.
#[inline(never)]
fn give_back(block: Block) {
    // SAFETY: only `routed::obtain` marks a capacity, and each block comes here once.
    if unsafe { routed::give_back(block.start, block.capacity) } {
        return;
    }
    if let Ok(layout) = Layout::from_size_align(block.capacity, 1) {
        // SAFETY: only blocks of `obtain` and boxed slices of bytes come here, each once, and this
        // is the layout of both.
        unsafe { dealloc(block.start.as_ptr(), layout) };
    }
}

/// Allocates a block of `size` bytes for the host: this is the allocation entry that the host
/// calls. Returns null if the SDK is out of memory, or if a budget refuses the block.
///
/// The block is noted for the host call in progress. This function does not call the host.
#[must_use]
pub fn allocate(size: usize) -> *mut u8 {
    NOTES.with(|notes| {
        if notes.len.get() == 0
            && !routed::is_open()
            && let Some(block) = notes.reuse(size)
        {
            notes.newest.set(Noted { block, size });
            notes.len.set(1);
            return block.start.as_ptr();
        }
        allocate_slow(notes, size)
    })
}

#[inline(never)]
fn allocate_slow(notes: &Notes, size: usize) -> *mut u8 {
    let len = notes.len.get();
    if (len != 0 && !notes.cover(len)) || !budget::fits(size) {
        return ptr::null_mut();
    }
    let block = if let Some((start, capacity)) = routed::obtain(size, notes.depth.get()) {
        Block { start, capacity }
    } else if let Some(block) = notes.reuse(size) {
        block
    } else {
        // A host that asks for 0 bytes still gets an address.
        let capacity = size.max(1);
        let Some(start) = obtain(capacity) else { return ptr::null_mut() };
        Block { start, capacity }
    };
    notes.newest.set(Noted { block, size });
    notes.len.set(len + 1);
    block.start.as_ptr()
}

/// Ends the VM of this thread. Frees the blocks that the host asked for and never handed over, and
/// the kept block. All state starts again.
pub(crate) fn end_vm() {
    let kept = NOTES.with(|notes| {
        notes.settle(0, ptr::null_mut());
        notes.kept.replace(Block::NONE)
    });
    if kept.capacity > 0 {
        give_back(kept);
    }
    local::renew();
}

/// A callback in progress. When the outermost callback begins, no host call is in progress, so
/// blocks that are still noted belong to nobody.
#[derive(Debug)]
pub struct CallbackScope {
    /// The nesting depth of the callbacks before this one.
    outer: usize,
}

impl CallbackScope {
    /// Notes that the host called the guest.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        NOTES.with(|notes| {
            let outer = notes.depth.get();
            if notes.len.get() != 0 {
                notes.enter(outer);
            }
            notes.depth.set(outer + 1);
            Self { outer }
        })
    }
}

impl Default for CallbackScope {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the nesting depth of the callbacks: 1 in a callback within no other.
#[inline]
pub(crate) fn depth() -> usize {
    NOTES.with(|notes| notes.depth.get())
}

impl Drop for CallbackScope {
    #[inline]
    fn drop(&mut self) {
        NOTES.with(|notes| notes.depth.set(self.outer));
    }
}

/// A host call in progress that will hand over one block.
pub(super) struct Claim {
    mark: usize,
}

/// The place where the host writes the block that it hands over.
pub(super) struct Handed {
    pub(super) start: *mut u8,
    pub(super) size: usize,
}

impl Handed {
    pub(super) const NOTHING: Self = Self { start: ptr::null_mut(), size: 0 };
}

impl Claim {
    #[inline]
    pub(super) fn begin() -> Self {
        Self { mark: NOTES.with(|notes| notes.len.get()) }
    }

    /// Takes the bytes that the host handed over. Null, or no bytes, is an empty value.
    ///
    /// # Errors
    ///
    /// Fails with the host's status, or if the host named a block that it did not ask for, or more
    /// bytes of it than it asked for.
    #[inline]
    pub(super) fn finish(self, handed: Handed, status: u32) -> Result<HostBytes, Refused> {
        self.finish_as(handed, status, Ok, |odd| odd)
    }

    /// Takes the bytes as [`finish`](Self::finish) does. A well-formed block goes to `taken`, every
    /// other outcome to `odd`, so that the two paths need not be merged.
    #[inline]
    pub(super) fn finish_as<R>(
        self,
        handed: Handed,
        status: u32,
        taken: impl FnOnce(HostBytes) -> R,
        odd: impl FnOnce(Result<HostBytes, Refused>) -> R,
    ) -> R {
        super::call::count();
        // The usual host asked for one block and hands that one over.
        NOTES.with(|notes| {
            let Noted { block, size } = notes.newest.get();
            if status == Status::Ok.code()
                && notes.len.get() == 1
                && self.mark == 0
                && block.start.as_ptr() == handed.start
                && handed.size <= size
                && handed.size > 0
            {
                notes.len.set(0);
                taken(HostBytes::of(block, handed.size))
            } else {
                odd(self.finish_slow(handed, status))
            }
        })
    }

    #[cold]
    #[inline(never)]
    fn finish_slow(&self, Handed { start, size }: Handed, status: u32) -> Result<HostBytes, Refused> {
        let allocated = NOTES.with(|notes| notes.settle(self.mark, start));
        let status = Status::from(status);
        if let Some(noted) = allocated {
            if status == Status::Ok && size <= noted.size && size > 0 {
                return Ok(HostBytes::of(noted.block, size));
            }
            free(noted.block);
        }
        match status {
            Status::Ok if size > 0 && !start.is_null() => Err(Refused::Foreign),
            Status::Ok => Ok(HostBytes::EMPTY),
            status => Err(Refused::Status(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted() -> usize {
        NOTES.with(|notes| notes.len.get())
    }

    /// Writes bytes into a block, as a host does.
    fn write(start: *mut u8, bytes: &[u8]) {
        // SAFETY: the tests pass blocks of at least this size.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
    }

    #[test]
    fn a_block_that_the_host_hands_over_is_owned_once() {
        let claim = Claim::begin();
        let start = allocate(5);
        write(start, b"hello");
        let bytes = claim.finish(Handed { start, size: 5 }, 0).unwrap();
        assert_eq!(&*bytes, b"hello");
        assert_eq!(noted(), 0);
    }

    #[test]
    fn a_foreign_address_is_refused_and_nothing_is_freed() {
        let mut mine = 7_u8;
        let claim = Claim::begin();
        assert_eq!(claim.finish(Handed { start: &raw mut mine, size: 1 }, 0).unwrap_err(), Refused::Foreign);
        assert_eq!(mine, 7);
    }

    #[test]
    fn more_bytes_than_were_asked_for_are_refused_and_the_block_is_freed() {
        let claim = Claim::begin();
        assert_eq!(claim.finish(Handed { start: allocate(4), size: 5 }, 0).unwrap_err(), Refused::Foreign);
        assert_eq!(noted(), 0);
    }

    #[test]
    fn fewer_bytes_than_were_asked_for_are_taken() {
        let claim = Claim::begin();
        let start = allocate(9);
        write(start, b"ab");
        assert_eq!(&*claim.finish(Handed { start, size: 2 }, 0).unwrap(), b"ab");
    }

    #[test]
    fn blocks_that_nobody_claims_are_freed() {
        let claim = Claim::begin();
        assert!(!allocate(3).is_null());
        assert!(!allocate(0).is_null());
        assert_eq!(noted(), 2);
        assert_eq!(claim.finish(Handed::NOTHING, 10).unwrap_err(), Refused::Status(Status::InternalFailure));
        assert_eq!(noted(), 0);
    }

    #[test]
    fn a_nested_call_leaves_the_outer_block_alone() {
        let outer = Claim::begin();
        let start = allocate(2);
        write(start, b"ok");
        let inner = Claim::begin();
        drop(inner.finish(Handed { start: allocate(1), size: 1 }, 0).unwrap());
        let thief = Claim::begin();
        assert_eq!(thief.finish(Handed { start, size: 2 }, 0).unwrap_err(), Refused::Foreign);
        assert_eq!(&*outer.finish(Handed { start, size: 2 }, 0).unwrap(), b"ok");
    }

    #[test]
    fn a_host_that_hoards_is_refused_until_the_next_callback() {
        while !allocate(1).is_null() {}
        assert_eq!(noted(), CAPACITY);
        drop(CallbackScope::new());
        assert_eq!(noted(), 0);
        let claim = Claim::begin();
        assert!(!allocate(1).is_null());
        drop(claim.finish(Handed::NOTHING, 0).unwrap());
    }

    #[test]
    fn of_several_blocks_the_one_that_the_host_names_is_handed_over() {
        for named in 0..3 {
            let claim = Claim::begin();
            let blocks = [b"one", b"two", b"six"].map(|text| {
                let start = allocate(3);
                write(start, text);
                (start, text)
            });
            let (start, text) = blocks[named];
            assert_eq!(&*claim.finish(Handed { start, size: 3 }, 0).unwrap(), text);
            assert_eq!(noted(), 0);
        }
    }

    /// Hands over a block of this size, as a host call does.
    #[cfg(not(any(miri, feature = "budget")))]
    fn hand_over(size: usize) -> HostBytes {
        let claim = Claim::begin();
        claim.finish(Handed { start: allocate(size), size }, 0).unwrap()
    }

    #[test]
    #[cfg(not(any(miri, feature = "budget")))]
    fn a_freed_block_is_used_again_for_what_is_nearly_as_large() {
        let kept = || NOTES.with(|notes| notes.kept.get().capacity);
        let first = hand_over(2000);
        let start = first.as_ptr();
        drop(first);
        assert_eq!(kept(), 2000);
        let again = hand_over(500);
        assert_eq!((again.as_ptr(), again.len(), kept()), (start, 500, 0));
        let second = hand_over(1000);
        drop(again);
        drop(second);
        assert_eq!(kept(), 2000, "the larger one stays");
        let little = LEAST_KEPT.max(499);
        drop(hand_over(8000));
        assert_eq!(kept(), 8000);
        drop(hand_over(little));
        assert_eq!(kept(), little, "unless it is far too large");
        drop(hand_over(8000));
        drop(hand_over(2000));
        assert_eq!(kept(), 8000);
        drop(hand_over(1999));
        assert_eq!(kept(), 1999);
        drop(hand_over(MOST_KEPT + 1));
        assert_eq!(kept(), 1999);
        let claim = Claim::begin();
        assert_eq!(
            claim.finish(Handed { start: allocate(1000), size: 1001 }, 0).unwrap_err(),
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
