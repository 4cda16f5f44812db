//! The trait of allocation algorithms, for authors of another one.

use core::alloc::Layout;
use core::ptr::{NonNull, copy_nonoverlapping};

use crate::shape::Shape;

/// An allocation algorithm over `&mut self`, without a cell, a lock or counters.
/// [`Global`](crate::Global) makes a global allocator of it.
///
/// An example that frees no memory, as the global allocator. `tests/fifth.rs` in the repository has
/// one that frees memory, and runs the model on it.
///
/// ```
/// use sluicegate_alloc::source::{PAGE, Platform, Source};
/// use sluicegate_alloc::{Global, Strategy, Usage};
/// use std::{alloc::Layout, ptr::null_mut};
///
/// struct Bump<S> {
///     source: S,
///     next: *mut u8,
///     rest: usize,
/// }
///
/// // SAFETY: the pointer leads into memory that only this has.
/// unsafe impl<S: Send> Send for Bump<S> {}
///
/// // SAFETY: blocks are disjoint cuts of pieces that are this one's alone.
/// unsafe impl<S: Source> Strategy for Bump<S> {
///     unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
///         let need = layout.size() + layout.align();
///         if self.rest < need {
///             let Some(piece) = self.source.acquire(need, need.max(PAGE)) else { return null_mut() };
///             (self.next, self.rest) = (piece.cast().as_ptr(), piece.len());
///         }
///         let skipped = self.next.addr().wrapping_neg() & (layout.align() - 1);
///         let block = self.next.wrapping_add(skipped);
///         self.next = block.wrapping_add(layout.size());
///         self.rest -= skipped + layout.size();
///         block
///     }
///
///     unsafe fn release(&mut self, _: *mut u8, _: Layout) {}
///
///     unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
///         let Ok(new) = Layout::from_size_align(size, layout.align()) else { return null_mut() };
///         // SAFETY: the size is not zero, which the caller promises.
///         let moved = unsafe { self.allocate(new) };
///         if !moved.is_null() {
///             // SAFETY: both blocks are live, and have so many bytes.
///             unsafe { moved.copy_from_nonoverlapping(block, layout.size().min(size)) };
///         }
///         moved
///     }
///
///     fn usage(&self) -> Usage {
///         Usage::new(self.source.held() / PAGE, 0)
///     }
///
///     fn limit(&mut self, pages: usize) {
///         self.source.limit(pages);
///     }
/// }
///
/// #[global_allocator]
/// static GLOBAL: Global<Bump<Platform>> = Global::new(Bump { source: Platform::new(), next: null_mut(), rest: 0 });
///
/// # fn main() {
/// assert_eq!((0..1000).collect::<Vec<_>>().len(), 1000);
/// assert!(GLOBAL.snapshot().pages > 0);
/// # }
/// ```
///
/// # Safety
///
/// A block must be valid for reads and writes. It must have at least the layout's size and
/// alignment, and overlap no other live block. No method may panic, allocate through the global
/// allocator, or call the host. The host does not allow calls while it asks the guest for memory.
pub unsafe trait Strategy {
    /// `true` if [`Global`](crate::Global) compiles `allocate` and `release` into their callers.
    /// This suits a fast path of some twenty instructions; mark the rest with `#[inline(never)]`.
    const INLINE: bool = false;

    /// `true` if the strategy keeps its [`limit`](Strategy::limit). `false` if the strategy does
    /// not grow its memory itself, as `System`.
    const LIMITED: bool = true;

    /// Allocates a block of this layout. Returns null if there is no memory.
    ///
    /// # Safety
    ///
    /// The layout's size is not zero.
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8;

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// The block is live, from this strategy, with this layout.
    unsafe fn release(&mut self, block: *mut u8, layout: Layout);

    /// Changes a block's size, and moves the block if necessary. Returns null if there is no
    /// memory, and then leaves the block unchanged.
    ///
    /// # Safety
    ///
    /// As for [`release`](Strategy::release); the new size is not zero and, rounded up to the
    /// alignment, at most `isize::MAX`.
    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8;

    /// Returns the usage of the strategy's memory.
    fn usage(&self) -> Usage;

    /// Sets a limit of pages, over which the strategy returns null. Has no effect if the strategy
    /// is not [`LIMITED`](Strategy::LIMITED).
    fn limit(&mut self, pages: usize);

    /// Returns the layout of the strategy's memory, for [`HeapReport`](crate::HeapReport), or
    /// `None` if the strategy does not know it.
    ///
    /// A strategy that is built on another one returns the shape of the other one.
    fn shape(&self) -> Option<Shape<'_>> {
        None
    }

    /// Opens a region, for blocks that are likely to be freed together, such as those of a stream.
    /// Returns the strategy's handle of the region, or `None` if there is no memory for it. A
    /// strategy without regions keeps the default of these three methods.
    fn open_region(&mut self) -> Option<NonNull<u8>> {
        None
    }

    /// Enters a region, or leaves all regions with `None`. Blocks that are allocated from then on
    /// belong to the region. Returns the region that was entered before.
    ///
    /// # Safety
    ///
    /// The region is this strategy's. It stays open as long as it is entered.
    unsafe fn enter_region(&mut self, _region: Option<NonNull<u8>>) -> Option<NonNull<u8>> {
        None
    }

    /// Closes a region. Its blocks stay valid.
    ///
    /// # Safety
    ///
    /// The region is this strategy's, is open and is not entered.
    unsafe fn close_region(&mut self, _region: NonNull<u8>) {}
}

/// The usage of a strategy's memory. The figures are exact, and are not counted on the fast path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The pages of 64 KiB that the strategy holds. On wasm this is the whole linear memory,
    /// including data and stack.
    pub pages: usize,
    /// The number of times that memory was grown.
    pub grows: usize,
    /// The number of live blocks that outlived their region.
    pub retained: usize,
    /// The bytes in live blocks, as far as the strategy knows them without counting each block.
    /// They include the rounding of a block, and its word of overhead. Up to 64 bytes for each
    /// growth count as live. For the blocks that the free lists keep, an average of 144 bytes is
    /// subtracted, so the error is at most a sixteenth of the heap. The figure is zero if the
    /// strategy does not know it.
    pub live: usize,
}

impl Usage {
    /// Returns the usage of a strategy that holds this number of pages after this number of
    /// growths. It has no retained blocks, and does not know its live bytes.
    #[must_use]
    pub const fn new(pages: usize, grows: usize) -> Self {
        Self { pages, grows, retained: 0, live: 0 }
    }
}

/// Moves a block into a new one of another size, if [`Strategy::resize`] cannot do better.
///
/// # Safety
///
/// As for [`Strategy::resize`].
pub(crate) unsafe fn relocate<A: Strategy + ?Sized>(
    strategy: &mut A,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    // SAFETY: the alignment is that of a layout, and the caller promises that the rounded size is
    // at most `isize::MAX`.
    let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
    // SAFETY: the caller promises that the size is not zero.
    let moved = unsafe { strategy.allocate(new) };
    if !moved.is_null() {
        // SAFETY: both blocks are live, so they do not overlap, and each has at least the smaller
        // of the two sizes.
        unsafe { copy_nonoverlapping(block, moved, layout.size().min(size)) };
        // SAFETY: the block is live and of this layout, which the caller promises.
        unsafe { strategy.release(block, layout) };
    }
    moved
}
