//! Who owns a block that the host asked for.
//!
//! [`allocate`] notes every block until the host call in progress returns; [`Claim::finish`] then hands the one that the host named to a
//! [`HostBytes`] and frees the others. So a host that names no block, a foreign one, or a larger size than it asked for gets an error, and a
//! host that asks for a block and then fails leaks nothing.

use alloc::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use core::cell::Cell;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use super::Status;
use crate::budget::{self, Charge};

/// How many blocks a host may have asked for without handing them over. A host has one at a time; calls nested in calls add one each.
const CAPACITY: usize = 8;

/// A block that was allocated for the host and is not handed over yet.
#[derive(Clone, Copy)]
struct Noted {
    start: *mut u8,
    size: usize,
}

/// The noted blocks, oldest first, and how deep the callbacks are nested.
struct Notes {
    blocks: [Cell<Noted>; CAPACITY],
    len: Cell<usize>,
    depth: Cell<usize>,
}

crate::__vm_local! {
    static NOTES: Notes = Notes {
        blocks: [const { Cell::new(Noted { start: ptr::null_mut(), size: 0 }) }; CAPACITY],
        len: Cell::new(0),
        depth: Cell::new(0),
    };
}

impl Notes {
    /// Frees all blocks from `mark` on, but the one that starts at `keep`, and gives that one's size.
    #[inline]
    fn settle(&self, mark: usize, keep: *mut u8) -> Option<usize> {
        // A host as it should be: it asked for one block, or none, and hands that one over.
        if self.len.get() == mark {
            return None;
        }
        if let Some(newest) = self.blocks.get(mark).map(Cell::get)
            && self.len.get() == mark + 1
            && newest.start == keep
        {
            self.len.set(mark);
            return Some(newest.size);
        }
        self.settle_slow(mark, keep)
    }

    #[cold]
    fn settle_slow(&self, mark: usize, keep: *mut u8) -> Option<usize> {
        let mut kept = None;
        for noted in self.blocks.iter().take(self.len.get()).skip(mark) {
            let Noted { start, size } = noted.get();
            if start == keep && kept.is_none() {
                kept = Some(size);
            } else {
                free(start, size);
            }
        }
        self.len.set(self.len.get().min(mark));
        kept
    }
}

/// The layout of a block of `size` bytes; a host that asks for nothing still gets an address.
fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1), 1).ok()
}

fn free(start: *mut u8, size: usize) {
    if let Some(layout) = layout(size) {
        // SAFETY: only noted blocks and owned ones come here, each once; `allocate` made them with this layout.
        unsafe { dealloc(start, layout) };
    }
}

/// The allocation entry that the host calls: a block of `size` bytes, or null when memory is out, or a budget.
///
/// The block is noted for the host call in progress. Nothing here calls the host.
#[must_use]
pub fn allocate(size: usize) -> *mut u8 {
    NOTES.with(|notes| {
        let Some(slot) = notes.blocks.get(notes.len.get()) else { return ptr::null_mut() };
        let Some(layout) = layout(size).filter(|_| budget::fits(size)) else { return ptr::null_mut() };
        let start = if cfg!(target_family = "wasm") {
            // SAFETY: the layout's size is at least 1. The bytes count as written by the host, outside of what the compiler sees.
            unsafe { alloc(layout) }
        } else {
            // A host in the same process is seen by the compiler and by miri, and may write less than it says.
            // SAFETY: the layout's size is at least 1.
            unsafe { alloc_zeroed(layout) }
        };
        if !start.is_null() {
            slot.set(Noted { start, size });
            notes.len.set(notes.len.get() + 1);
        }
        start
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

impl Drop for Entry {
    fn drop(&mut self) {
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
}

impl Claim {
    pub(super) fn begin() -> Self {
        Self { mark: NOTES.with(|notes| notes.len.get()), start: ptr::null_mut(), size: 0 }
    }

    /// Takes what the host handed over. Null or no bytes is an empty value.
    pub(super) fn finish(self, status: u32) -> Result<HostBytes, Refused> {
        super::call::count();
        let allocated = NOTES.with(|notes| notes.settle(self.mark, self.start));
        let Some(start) = NonNull::new(self.start) else { return self.without_block(status) };
        // The number first: the compiler would otherwise make the enum before it looks at it.
        if status == Status::Ok.code()
            && let Some(allocated) = allocated
            && self.size <= allocated
            && self.size > 0
        {
            return Ok(HostBytes {
                start,
                allocated: Some(allocated),
                len: self.size,
                _charge: Charge::take(allocated),
            });
        }
        // Owned for a moment, so that it is freed.
        drop(HostBytes { start, allocated, len: 0, _charge: Charge::NONE });
        if status == Status::Ok.code() && self.size > 0 {
            return Err(Refused::Foreign);
        }
        self.without_block(status)
    }

    /// Null or no bytes is an empty value, if the host says that all went well.
    #[cold]
    fn without_block(&self, status: u32) -> Result<HostBytes, Refused> {
        match Status::from(status) {
            Status::Ok => Ok(HostBytes::EMPTY),
            status => Err(Refused::Status(status)),
        }
    }
}

/// Bytes that the host handed over: the block that it allocated in the guest, owned, and freed when dropped.
///
/// # Cost
///
/// The host copied once, into this block. Nothing is copied again.
pub struct HostBytes {
    start: NonNull<u8>,
    /// The size of the block; none if there is no block.
    allocated: Option<usize>,
    /// How much of it the host wrote: never more than `allocated`.
    len: usize,
    /// Its place in the budgets.
    _charge: Charge,
}

impl HostBytes {
    /// No bytes, and no block.
    pub(crate) const EMPTY: Self = Self { start: NonNull::dangling(), allocated: None, len: 0, _charge: Charge::NONE };
}

impl Deref for HostBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes = NonNull::slice_from_raw_parts(self.start, if self.allocated.is_some() { self.len } else { 0 });
        // SAFETY: the block is owned and at least `len` bytes long (`Claim::finish` compared them), or there is none and the
        // slice is empty. Its bytes are the host's, or zero natively. Nobody writes while `self` is borrowed: the host is done with it.
        unsafe { bytes.as_ref() }
    }
}

impl Drop for HostBytes {
    fn drop(&mut self) {
        if let Some(allocated) = self.allocated {
            free(self.start.as_ptr(), allocated);
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

    #[test]
    fn a_size_that_cannot_be_is_null() {
        assert!(allocate(usize::MAX).is_null());
        assert_eq!(noted(), 0);
    }
}
