//! An arena for each request, asked for by name: values side by side, freed together.
//!
//! # Nothing is dropped
//!
//! A value that is put into the arena with [`alloc`](Bump::alloc) is **not dropped** when the arena
//! is reset. Its bytes are used again, and that is all: what it owns outside of the arena (a
//! `String`'s text, a reference count, another arena) leaks. So put plain data there, or use what
//! does drop:
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
//! A [`RequestArena`] is a handle with a count of its owners. A collection over `arena.clone()`
//! owns the arena with the others, borrows nothing, and may be a field of the filter. The arena is
//! reset when the last owner is gone: in the ordinary case with the stream. A collection that is
//! kept beyond its stream keeps the whole arena: it stays valid, and the memory is held.
//!
//! # Versions of `allocator-api2`
//!
//! The trait exists as 0.2 and as 0.4, which are different traits to the compiler. This speaks 0.2,
//! as `bumpalo` 3 and `hashbrown` (up to 0.17 at least) do. A collection that asks for 0.4 cannot
//! use it. [`allocator_api2`] and [`bumpalo`] are re-exported, so that a filter gets the versions
//! that fit.
//!
//! # Cost
//!
//! Opening takes a header and a first chunk of 1 KiB from the pool, or from the allocator; chunks
//! double as the arena fills. A value is a subtraction and a comparison. Only the value made last
//! gives its bytes back when freed, or grows in place: a vector that grows among others leaves its
//! old buffers behind until the reset, so reserve what is known. Bodies do not belong here: chunks
//! double, and one of 1 MiB is held until the stream ends.

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

/// A handle to an arena: the arena is reset when its last handle is gone, and goes back to its
/// [`Pool`].
///
/// It dereferences to [`Bump`], and is an [`Allocator`] itself.
///
/// **Cost:** cloning counts up.
pub struct RequestArena(NonNull<Slot>);

impl RequestArena {
    fn slot(&self) -> &Slot {
        // SAFETY: a slot lives as long as it has a handle, and is only shared meanwhile.
        unsafe { self.0.as_ref() }
    }

    /// Returns the bytes that were handed out, with what chunks lost at their ends.
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

/// Counts an owner more. Owners that are forgotten are counted too; a count that reaches its end
/// stays there, and then nothing is freed any more.
fn count(owners: &Cell<usize>) {
    owners.set(owners.get().saturating_add(1));
}

/// Counts an owner less; true for the last one.
fn release(owners: &Cell<usize>) -> bool {
    if owners.get() != usize::MAX {
        owners.set(owners.get() - 1);
    }
    owners.get() == 0
}
