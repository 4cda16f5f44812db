//! An arena for each request, in which a filter allocates by name. The values lie side by side, and
//! are freed together.
//!
//! # Nothing is dropped
//!
//! A value that [`alloc`](Bump::alloc) puts into the arena is **not dropped** when the arena is
//! reset. Only its bytes are used again. So anything that the value owns outside of the arena
//! leaks: the text of a `String`, a reference count, another arena. Put plain data there, or use a
//! type that drops its elements:
//!
//! | | its elements' `Drop` |
//! |---|---|
//! | `arena.alloc(value)`, `alloc_str`, `alloc_slice_copy` | never runs |
//! | [`bumpalo::boxed::Box::new_in`] | runs when the box is dropped |
//! | [`bumpalo::collections`]: `Vec`, `String` | `Vec` drops its elements, and its buffer stays in the arena |
//! | [`allocator_api2::vec::Vec`], `boxed::Box`, and other collections over an allocator | runs |
//!
//! # Use
//!
//! ```
//! use sluicegate_alloc::request::{Pool, allocator_api2::vec::Vec};
//!
//! let pool = Pool::new().expect("memory");
//! let arena = pool.take().expect("memory");
//! // Borrowed: a view that ends with the handle that it came from.
//! let path: &str = arena.alloc_str("/index.html");
//! let mut parts: Vec<&str, _> = Vec::new_in(&*arena);
//! parts.extend(path.split('/'));
//! assert_eq!(parts.len(), 2);
//! // Owned: keeps the arena, so it may be kept anywhere.
//! let kept: Vec<u8, _> = Vec::new_in(arena.clone());
//! # drop(parts);
//! drop(arena);
//! assert_eq!((pool.open(), kept.len()), (1, 0));
//! drop(kept);
//! assert_eq!(pool.open(), 0); // reset, and kept for the next request
//! ```
//!
//! Views cannot escape:
//!
//! ```compile_fail
//! # use sluicegate_alloc::request::Pool;
//! let pool = Pool::new().unwrap();
//! let arena = pool.take().unwrap();
//! let text = arena.alloc_str("text");
//! drop(arena); // ERROR: `text` is still used
//! println!("{text}");
//! ```
//!
//! # From one callback to the next
//!
//! A [`RequestArena`] is a handle that counts its owners. A collection over `arena.clone()` is one
//! of the owners. It borrows nothing, and may be a field of the filter. The arena is reset when its
//! last owner is gone: usually with the stream. A collection that lives longer than its stream
//! keeps the whole arena and its memory.
//!
//! # Versions of `allocator-api2`
//!
//! The trait exists in the versions 0.2 and 0.4, which are different traits to the compiler. This
//! crate uses 0.2, as `bumpalo` 3 and `hashbrown` (at least up to 0.17) do. A collection that needs
//! 0.4 cannot use the arena. [`allocator_api2`] and [`bumpalo`] are re-exported, so that a filter
//! gets the versions that fit.
//!
//! # Cost
//!
//! A new arena takes a header and a first chunk of 1 KiB from the pool, or from the allocator. Each
//! further chunk has twice the size of the one before. An allocation is a subtraction and a
//! comparison. Only the last value gives its bytes back when it is freed, or grows in place. A
//! vector that grows beside other values leaves its old buffers behind until the reset, so reserve
//! known sizes. Do not put bodies into the arena: chunks double, and a chunk of 1 MiB is held until
//! the stream ends.

mod pool;

pub use allocator_api2;
pub use bumpalo::{self, Bump};
pub use pool::Pool;

use core::alloc::Layout;
use core::cell::Cell;
use core::ops::Deref;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};

use pool::Slot;

/// A handle to an arena. When the last handle is gone, the arena is reset and goes back to its
/// [`Pool`].
///
/// The handle dereferences to [`Bump`], and is itself an [`Allocator`].
///
/// **Cost:** a clone increments a count.
pub struct RequestArena(NonNull<Slot>);

impl RequestArena {
    fn slot(&self) -> &Slot {
        // SAFETY: a slot lives as long as it has a handle, and is only shared meanwhile.
        unsafe { self.0.as_ref() }
    }

    /// Returns the number of allocated bytes, including the unused ends of chunks.
    #[must_use]
    pub fn used(&self) -> usize {
        self.slot().used()
    }
}

impl Clone for RequestArena {
    fn clone(&self) -> Self {
        count(&self.slot().handles);
        Self(self.0)
    }
}

impl Drop for RequestArena {
    fn drop(&mut self) {
        if release(&self.slot().handles) {
            // SAFETY: this was the last handle, so nothing borrows from the slot, and no collection
            // over it is left.
            unsafe { Slot::close(self.0) };
        }
    }
}

impl Deref for RequestArena {
    type Target = Bump;

    fn deref(&self) -> &Bump {
        &self.slot().bump
    }
}

impl core::fmt::Debug for RequestArena {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RequestArena").field("used", &self.used()).finish()
    }
}

// SAFETY: blocks are the bump arena's, which is not reset, moved or dropped while a handle is left;
// clones are handles to the same arena, and moving a handle moves no memory.
unsafe impl Allocator for RequestArena {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        (&**self).allocate(layout)
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: as the caller promises; the arena behind every handle is one.
        unsafe { (&**self).deallocate(block, layout) };
    }

    #[inline]
    unsafe fn grow(&self, block: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: as above.
        unsafe { (&**self).grow(block, old, new) }
    }

    #[inline]
    unsafe fn shrink(&self, block: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: as above.
        unsafe { (&**self).shrink(block, old, new) }
    }
}

/// Counts one more owner. Forgotten owners count too. A count that reaches its maximum stays there,
/// and then the arena is never freed.
fn count(owners: &Cell<usize>) {
    owners.set(owners.get().saturating_add(1));
}

/// Counts one owner less. Returns `true` for the last one.
fn release(owners: &Cell<usize>) -> bool {
    if owners.get() != usize::MAX {
        owners.set(owners.get() - 1);
    }
    owners.get() == 0
}
