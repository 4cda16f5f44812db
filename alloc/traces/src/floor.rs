//! The limits of what an allocator could reach: a bump pointer that frees nothing, and one block
//! for all.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

/// The size of the ring. It fits the first-level cache of most processors eight times over. The
/// ring wraps over live blocks on purpose.
const SIZE: usize = 256 * 1024;

/// A bump pointer in a ring that wraps over live blocks (`true`), or always the same block
/// (`false`). It is for one thread.
#[repr(align(16))]
#[derive(Debug)]
pub struct Floor<const RING: bool>(UnsafeCell<[u8; SIZE]>, UnsafeCell<usize>);

// SAFETY: only traces use it, and each thread has its own. A module has one thread.
unsafe impl<const RING: bool> Sync for Floor<RING> {}

impl<const RING: bool> Floor<RING> {
    /// Makes a floor of zeros, so that a static of it takes no room in a module.
    #[must_use]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; SIZE]), UnsafeCell::new(0))
    }
}

impl<const RING: bool> Default for Floor<RING> {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: blocks overlap, so this is no allocator. Only traces that write one word to each block
// run on it.
unsafe impl<const RING: bool> GlobalAlloc for Floor<RING> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.0.get().cast::<u8>();
        if !RING || layout.size() > SIZE {
            return base;
        }
        let size = (layout.size() + 15) & !15;
        // SAFETY: there is one thread, and no other reference.
        let mut at = unsafe { self.1.get().read() };
        if at + size > SIZE {
            at = 0;
        }
        // SAFETY: there is one thread, and no other reference.
        unsafe { self.1.get().write(at + size) };
        base.wrapping_add(at)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !RING {
            return block;
        }
        // SAFETY: 8 is an alignment, and the traces' sizes are small.
        let new = unsafe { Layout::from_size_align_unchecked(size, 8) };
        // SAFETY: the size is not zero.
        let moved = unsafe { self.alloc(new) };
        // SAFETY: both lie in the ring, and may overlap.
        unsafe { block.copy_to(moved, layout.size().min(size)) };
        moved
    }
}
