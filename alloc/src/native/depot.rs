//! Batches of free blocks of one class on their way from thread to thread.
//!
//! The depot is a lock-free stack from which a thread takes everything at once. The thread then
//! owns all of it, keeps one batch, and puts the rest back. So no thread ever reads a block that
//! another thread may own. A stack whose consumers follow `top.next` to pop one block does exactly
//! that. This is a data race, even if a tag on the top prevents a wrong result.

#[cfg(not(loom))]
use core::mem::offset_of;
use core::ptr::null_mut;

use crate::freelist::stack::Link;
use crate::sync::{AtomicPtr, Handed, Ordering, constant};

/// The header of the first block of a batch. The smallest class has just enough room for it.
#[repr(C)]
pub(crate) struct Batch {
    /// The block's own link: to the next block of the batch.
    link: Link,
    /// The next batch in the depot.
    next: Handed<*mut Batch>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Batch>() <= 16 && offset_of!(Batch, link) == 0);

#[cfg(all(test, loom))]
impl Batch {
    /// Creates the header that a block needs before it is pushed.
    pub(crate) fn new() -> Self {
        Self { link: Link::NONE, next: Handed::new(null_mut()) }
    }
}

impl Batch {
    /// # Safety
    ///
    /// The batch is the caller's, and was pushed.
    pub(super) unsafe fn next(this: *const Self) -> *mut Self {
        // SAFETY: the batch is live memory, which the caller promises.
        let place = unsafe { &raw const (*this).next };
        // SAFETY: it is the caller's, and was set when it was pushed.
        unsafe { Handed::get(place) }
    }

    /// # Safety
    ///
    /// The batch is the caller's.
    pub(super) unsafe fn link_to(this: *mut Self, next: *mut Self) {
        // SAFETY: the batch is live memory, which the caller promises.
        let place = unsafe { &raw mut (*this).next };
        // SAFETY: it is the caller's.
        unsafe { Handed::set(place, next) };
    }
}

/// The depot is on a cache line of its own. So threads that exchange blocks of one class do not
/// disturb those of another class.
#[repr(align(64))]
pub(crate) struct Depot {
    top: AtomicPtr<Batch>,
}

impl Depot {
    constant! {
        pub(crate) fn new() -> Self {
            Self { top: AtomicPtr::new(null_mut()) }
        }
    }

    /// Adds a batch, by its first block.
    ///
    /// # Safety
    ///
    /// The block is the top of a [`Stack`](crate::freelist::stack::Stack) that was taken, and the
    /// whole list is given away.
    pub(crate) unsafe fn push(&self, batch: *mut u8) {
        let batch = batch.cast::<Batch>();
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            // SAFETY: the block has room for two pointers, and is ours until the exchange succeeds.
            unsafe { Batch::link_to(batch, top) };
            // Releases the links of the whole batch to whoever takes it.
            match self.top.compare_exchange_weak(top, batch, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    /// Returns a batch, by its first block, or null if there is none at this moment. While another
    /// thread puts the rest back, there may be batches that this call does not see.
    pub(crate) fn pop(&self) -> *mut u8 {
        let first = self.take();
        if first.is_null() {
            return null_mut();
        }
        // SAFETY: everything that was taken is ours.
        let mut rest = unsafe { Batch::next(first) };
        while !rest.is_null() {
            if self.top.compare_exchange(null_mut(), rest, Ordering::Release, Ordering::Relaxed).is_ok() {
                break;
            }
            // Others came meanwhile. They are few, so walk over theirs, not over ours.
            let more = self.take();
            if !more.is_null() {
                // SAFETY: everything that was taken is ours.
                unsafe { append(more, rest) };
                rest = more;
            }
        }
        first.cast()
    }

    /// Returns all batches, which the caller then owns.
    fn take(&self) -> *mut Batch {
        if self.top.load(Ordering::Relaxed).is_null() {
            return null_mut();
        }
        // Acquires what every push released: the pushes in between are exchanges too, so each
        // belongs to the release sequences of those below it.
        self.top.swap(null_mut(), Ordering::Acquire)
    }
}

/// Links the last batch of one list to another list.
///
/// # Safety
///
/// Both lists are the caller's, and the first is not empty.
pub(super) unsafe fn append(list: *mut Batch, rest: *mut Batch) {
    let mut last = list;
    loop {
        // SAFETY: the list is the caller's.
        let next = unsafe { Batch::next(last) };
        if next.is_null() {
            break;
        }
        last = next;
    }
    // SAFETY: as above.
    unsafe { Batch::link_to(last, rest) };
}
