//! Allocation that fails with an error instead of a trap.
//!
//! `Box::new`, `Rc::new` and a growing `Vec` end in `handle_alloc_error` when the SDK is out of
//! memory. They link it and the panic code (20 kB, and with it the WASI imports) even into a filter
//! that never gets there. So the SDK's own tables are made of the types of this module.

use alloc::alloc::{Layout, dealloc};
use alloc::boxed::Box;
use core::cell::Cell;
use core::ops::Deref;
use core::ptr::NonNull;

/// The SDK is out of memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutOfMemory {
    /// The number of bytes that were asked for.
    pub(crate) size: usize,
}

type Result<T> = core::result::Result<T, OutOfMemory>;

/// Allocates a block. If there is no memory, arenas that wait for a stream are freed first. Returns
/// null if there is still none.
///
/// # Safety
///
/// The layout's size is not zero.
#[inline]
pub(super) unsafe fn allocate(layout: Layout) -> *mut u8 {
    // SAFETY: by the contract the layout's size is not zero.
    let block = unsafe { alloc::alloc::alloc(layout) };
    if block.is_null() && super::arenas::trim() {
        // SAFETY: by the contract the layout's size is not zero.
        return unsafe { alloc::alloc::alloc(layout) };
    }
    block
}

/// Returns a slice of `len` values on the heap.
///
/// # Errors
///
/// Fails if the SDK is out of memory.
pub(crate) fn try_slice<T>(len: usize, mut value: impl FnMut() -> T) -> Result<Box<[T]>> {
    let layout = Layout::array::<T>(len).map_err(|_| OutOfMemory { size: len })?;
    let start = if layout.size() == 0 {
        NonNull::<T>::dangling()
    } else {
        // SAFETY: the layout's size is not zero.
        let raw = unsafe { allocate(layout) };
        NonNull::new(raw.cast::<T>()).ok_or(OutOfMemory { size: layout.size() })?
    };
    for index in 0..len {
        // SAFETY: `index` is less than `len`, and the block holds `len` values.
        let place = unsafe { start.add(index) };
        // SAFETY: the place is inside the block, aligned for `T`, and written for the first time.
        // If `value` panics, the block leaks.
        unsafe { place.write(value()) };
    }
    let slice = NonNull::slice_from_raw_parts(start, len);
    // SAFETY: the block was allocated by the global allocator with the layout of `[T; len]`, or has
    // no size, and all values are written.
    Ok(unsafe { Box::from_raw(slice.as_ptr()) })
}

/// Moves a value to the heap.
///
/// # Errors
///
/// Fails if the SDK is out of memory. The value is then dropped.
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>> {
    let layout = Layout::new::<T>();
    let start = if layout.size() == 0 {
        NonNull::<T>::dangling()
    } else {
        // SAFETY: the layout's size is not zero.
        let raw = unsafe { allocate(layout) };
        NonNull::new(raw.cast::<T>()).ok_or(OutOfMemory { size: layout.size() })?
    };
    // SAFETY: the block is fresh and has the layout of `T`, or `T` has no size.
    unsafe { start.write(value) };
    // SAFETY: the block was allocated by the global allocator with the layout of `T`, or has no
    // size, and the value is written.
    Ok(unsafe { Box::from_raw(start.as_ptr()) })
}

/// A value with several owners in one VM: an `Rc` without weak references, whose creation may fail.
pub(crate) struct Shared<T> {
    inner: NonNull<Inner<T>>,
}

struct Inner<T> {
    owners: Cell<usize>,
    value: T,
}

impl<T> Shared<T> {
    /// Moves a value to the heap.
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory. The value is then dropped.
    pub(crate) fn try_new(value: T) -> Result<Self> {
        let layout = Layout::new::<Inner<T>>();
        // SAFETY: the layout's size is not zero: it holds the count.
        let raw = unsafe { allocate(layout) };
        let inner = NonNull::new(raw.cast::<Inner<T>>()).ok_or(OutOfMemory { size: layout.size() })?;
        // SAFETY: the block is fresh and has the layout of `Inner<T>`.
        unsafe { inner.write(Inner { owners: Cell::new(1), value }) };
        Ok(Self { inner })
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: the block lives as long as one owner does, and `self` is one.
        unsafe { self.inner.as_ref() }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        let owners = &self.inner().owners;
        // Each owner takes at least four bytes of memory, so the count cannot pass the address
        // space unless owners are forgotten.
        owners.set(owners.get().wrapping_add(1));
        Self { inner: self.inner }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let owners = self.inner().owners.get().wrapping_sub(1);
        self.inner().owners.set(owners);
        if owners == 0 {
            // SAFETY: this was the last owner, and the value was written by `try_new`.
            unsafe { self.inner.drop_in_place() };
            // SAFETY: the block was allocated with this layout and nobody refers to it any more.
            unsafe { dealloc(self.inner.as_ptr().cast(), Layout::new::<Inner<T>>()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counted<'a>(&'a Cell<usize>);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn the_last_owner_drops_the_value() {
        let drops = Cell::new(0);
        let first = Shared::try_new(Counted(&drops)).unwrap();
        let second = first.clone();
        drop(first);
        assert_eq!(drops.get(), 0);
        drop(second);
        assert_eq!(drops.get(), 1);
    }

    #[test]
    fn a_slice_holds_what_it_was_given_and_drops_it() {
        let drops = Cell::new(0);
        let slice = try_slice(3, || Counted(&drops)).unwrap();
        assert_eq!(slice.len(), 3);
        drop(slice);
        assert_eq!(drops.get(), 3);
        assert!(try_slice(0, || 1_u64).unwrap().is_empty());
        assert_eq!(*try_slice(2, || 7_u16).unwrap(), [7, 7]);
    }

    #[test]
    fn a_box_holds_what_it_was_given_and_drops_it() {
        let drops = Cell::new(0);
        let boxed: Box<dyn Fn() -> u32> = {
            let counted = Counted(&drops);
            try_box(move || {
                let Counted(drops) = &counted;
                u32::from(drops.get() == 0)
            })
            .unwrap()
        };
        assert_eq!(boxed(), 1);
        drop(boxed);
        assert_eq!(drops.get(), 1);
        let nothing: Box<dyn FnOnce() -> u32> = try_box(|| 7).unwrap();
        assert_eq!(nothing(), 7);
    }

    #[test]
    fn a_slice_that_cannot_be_is_an_error() {
        assert!(try_slice(usize::MAX, || 0_u64).is_err());
    }
}
