//! The pool in which arenas wait for the next request.

use alloc::alloc::{alloc, dealloc};
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use bumpalo::Bump;

use super::{RequestArena, count, release};
use crate::region::outside;

/// The size of an arena's first chunk in bytes. With `bumpalo`'s footer it fills 1 KiB. Smaller
/// blocks would lie in the region of the stream whose callback runs, and the pool outlives the
/// stream.
const FIRST: usize = 1024 - 64;

/// The number of arenas that close until the pool computes again how many it needs.
const PERIOD: usize = 64;

/// The arenas of one VM, both those in use and those that wait. Clones are the same pool.
///
/// **Kept memory.** An arena that closes keeps its newest chunk if the chunk is at most four times
/// as large as the recent use of arenas. Otherwise the chunk is freed. The number of waiting arenas
/// is at most the number of arenas that were recently open at once. Both figures rise at once and
/// fall by an eighth: the size with each arena that closes, the number with each 64 of them. So
/// after a burst half of its arenas are freed after at most 320 requests, nine tenths after at most
/// 960, and all but those in use after some 1,300–1,800 (bursts of 64 to 10,000, and then one
/// request at a time).
pub struct Pool(NonNull<Shared>);

struct Shared {
    /// Pools, and open arenas.
    owners: Cell<usize>,
    /// The waiting arenas, as a linked list.
    idle: Cell<Option<NonNull<Slot>>>,
    waiting: Cell<usize>,
    open: Cell<usize>,
    /// The maximum of open arenas since the last computation.
    most: Cell<usize>,
    /// The number of arenas that the pool needs, open and waiting together.
    needed: Cell<usize>,
    /// The number of arenas that closed since the last computation.
    closed: Cell<usize>,
    /// The bytes that arenas used recently.
    usual: Cell<usize>,
}

/// An arena, open or waiting.
pub(super) struct Slot {
    pub(super) handles: Cell<usize>,
    next: Cell<Option<NonNull<Self>>>,
    pool: NonNull<Shared>,
    pub(super) bump: Bump,
}

/// Puts a value into a block of its own. Returns `None` if there is no memory. The block lies
/// outside of the stream's region, because it outlives the stream.
fn place<T>(value: T) -> Option<NonNull<T>> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the size is not zero.
    let block = outside(|| unsafe { alloc(Layout::new::<T>()) });
    let place = NonNull::new(block.cast::<T>())?;
    // SAFETY: the block is fresh, and has the value's layout.
    unsafe { place.write(value) };
    Some(place)
}

/// Drops a value and frees its block.
///
/// # Safety
///
/// The value is from [`place`], and no reference to it exists.
unsafe fn remove<T>(place: NonNull<T>) {
    // SAFETY: the value is there, and not used again: its block goes below.
    unsafe { place.drop_in_place() };
    // SAFETY: `place` allocated the block with this layout.
    unsafe { dealloc(place.as_ptr().cast(), Layout::new::<T>()) };
}

impl Pool {
    /// Creates a pool without arenas. Returns `None` if there is no memory for it (36 bytes).
    #[must_use]
    pub fn new() -> Option<Self> {
        place(Shared {
            owners: Cell::new(1),
            idle: Cell::new(None),
            waiting: Cell::new(0),
            open: Cell::new(0),
            most: Cell::new(0),
            needed: Cell::new(0),
            closed: Cell::new(0),
            usual: Cell::new(0),
        })
        .map(Self)
    }

    /// Returns an empty arena. Returns `None` if there is no memory.
    ///
    /// **Cost:** nothing, if an arena waits: the one that closed last. Otherwise a header and a
    /// chunk of 1 KiB are allocated.
    #[must_use]
    pub fn take(&self) -> Option<RequestArena> {
        let shared = self.shared();
        let slot = match shared.pop() {
            Some(slot) => slot,
            None => {
                let bump = outside(|| Bump::try_with_capacity(FIRST)).ok()?;
                place(Slot { handles: Cell::new(0), next: Cell::new(None), pool: self.0, bump })?
            }
        };
        // SAFETY: the slot waited, or is fresh: it is live, and only this function knows it.
        count(&unsafe { slot.as_ref() }.handles);
        count(&shared.owners);
        shared.open.set(shared.open.get() + 1);
        shared.most.set(shared.most.get().max(shared.open.get()));
        Some(RequestArena(slot))
    }

    /// Returns the number of open arenas.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared().open.get()
    }

    /// Returns the number of waiting arenas.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared().waiting.get()
    }

    /// Frees the waiting arenas.
    pub fn trim(&self) {
        self.shared().keep(0);
    }

    fn shared(&self) -> &Shared {
        // SAFETY: what is shared lives as long as it has an owner, and `self` is one.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        count(&self.shared().owners);
        Self(self.0)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: `self` is an owner, and is not used again.
        unsafe { Shared::leave(self.0) };
    }
}

impl core::fmt::Debug for Pool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pool").field("open", &self.open()).field("waiting", &self.waiting()).finish()
    }
}

impl Shared {
    fn pop(&self) -> Option<NonNull<Slot>> {
        let slot = self.idle.get()?;
        // SAFETY: slots that wait are live.
        self.idle.set(unsafe { slot.as_ref() }.next.take());
        self.waiting.set(self.waiting.get() - 1);
        Some(slot)
    }

    /// Frees waiting arenas until this number is left.
    fn keep(&self, most: usize) {
        while self.waiting.get() > most {
            let Some(slot) = self.pop() else { return };
            // SAFETY: the slot waited, so it has no handle, and it is off the list.
            unsafe { remove(slot) };
        }
    }

    /// Takes back an arena that has closed, and that used this number of bytes.
    fn closed(&self, used: usize) {
        self.usual.set(used.max(fallen(self.usual.get())));
        self.closed.set(self.closed.get() + 1);
        if self.closed.get() == PERIOD {
            self.needed.set(self.most.get().max(fallen(self.needed.get())));
            self.closed.set(0);
            self.most.set(self.open.get());
        }
        let needed = self.needed.get().max(self.most.get());
        self.keep(needed.saturating_sub(self.open.get()));
    }

    /// Removes an owner. The last one frees everything.
    ///
    /// # Safety
    ///
    /// The caller counts as an owner, and does not use the pointer any more.
    unsafe fn leave(place: NonNull<Self>) {
        // SAFETY: the caller is an owner, so it lives.
        let shared = unsafe { place.as_ref() };
        if release(&shared.owners) {
            shared.keep(0);
            // SAFETY: there is no owner left, and no slot refers to it.
            unsafe { remove(place) };
        }
    }
}

/// Returns a figure after some time: an eighth less, rounded up, so that it reaches zero.
const fn fallen(figure: usize) -> usize {
    figure - figure.div_ceil(8)
}

impl Slot {
    pub(super) fn used(&self) -> usize {
        self.bump.allocated_bytes() - self.bump.chunk_capacity()
    }

    /// Resets an arena and lets it wait.
    ///
    /// # Safety
    ///
    /// The last handle is gone, and so is everything that borrowed from the arena or was allocated
    /// in it.
    pub(super) unsafe fn close(slot: NonNull<Self>) {
        let mut place = slot;
        // SAFETY: the slot is live and has no handle, so this is the only reference.
        let state = unsafe { place.as_mut() };
        let pool = state.pool;
        // SAFETY: an open arena is an owner of its pool.
        let shared = unsafe { pool.as_ref() };
        let used = state.used();
        state.bump.reset();
        state.bump.set_allocation_limit(None);
        let most = used.max(fallen(shared.usual.get())).saturating_mul(4).max(FIRST * 2);
        if state.bump.allocated_bytes() > most {
            state.bump = outside(|| Bump::try_with_capacity(FIRST)).unwrap_or_default();
        }
        state.next.set(shared.idle.replace(Some(slot)));
        shared.waiting.set(shared.waiting.get() + 1);
        shared.open.set(shared.open.get() - 1);
        shared.closed(used);
        // SAFETY: the open arena was an owner of the pool, and is open no more.
        unsafe { Shared::leave(pool) };
    }
}
