//! A block from the allocator under test.

use core::alloc::{GlobalAlloc, Layout};

/// The allocator under test.
pub trait Heap: Copy {
    /// Allocates a block.
    ///
    /// # Safety
    ///
    /// The caller promises what [`GlobalAlloc::alloc`] demands.
    unsafe fn allocate(self, layout: Layout) -> *mut u8;

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// The caller promises what [`GlobalAlloc::dealloc`] demands.
    unsafe fn release(self, block: *mut u8, layout: Layout);

    /// Resizes a block.
    ///
    /// # Safety
    ///
    /// The caller promises what [`GlobalAlloc::realloc`] demands.
    unsafe fn resize(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8;

    /// Selects the request with this number for the operations that follow. It is for heaps that
    /// keep requests apart.
    #[inline]
    fn enter(self, _request: usize) {}

    /// Ends the request with this number, which holds nothing any more.
    #[inline]
    fn end(self, _request: usize) {}
}

/// The global allocator of the program.
#[derive(Debug, Clone, Copy)]
pub struct Global;

impl Heap for Global {
    #[inline]
    unsafe fn allocate(self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `GlobalAlloc::alloc` demands.
        unsafe { std::alloc::alloc(layout) }
    }

    #[inline]
    unsafe fn release(self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller promises what `GlobalAlloc::dealloc` demands.
        unsafe { std::alloc::dealloc(block, layout) };
    }

    #[inline]
    unsafe fn resize(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises what `GlobalAlloc::realloc` demands.
        unsafe { std::alloc::realloc(block, layout, size) }
    }
}

impl<A: GlobalAlloc> Heap for &A {
    #[inline]
    unsafe fn allocate(self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `GlobalAlloc::alloc` demands.
        unsafe { self.alloc(layout) }
    }

    #[inline]
    unsafe fn release(self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller promises what `GlobalAlloc::dealloc` demands.
        unsafe { self.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn resize(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises what `GlobalAlloc::realloc` demands.
        unsafe { self.realloc(block, layout, size) }
    }
}

/// A block, or no block. Every use of a block must name the heap that it is from.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    at: *mut u8,
    size: usize,
}

// SAFETY: the holder of this value owns the block, and every heap here frees blocks on any thread.
unsafe impl Send for Block {}

impl Block {
    /// No block.
    pub const NONE: Self = Self { at: core::ptr::null_mut(), size: 0 };

    /// Allocates a block of this many bytes.
    #[inline]
    pub fn new(heap: impl Heap, size: usize) -> Self {
        // SAFETY: no trace asks for an empty block, and 8 is an alignment.
        let at = unsafe { heap.allocate(Self::layout(size)) };
        let block = Self { at, size };
        block.touch();
        block
    }

    /// Returns the bytes of the block.
    #[must_use]
    pub fn size(self) -> usize {
        self.size
    }

    /// Resizes the block.
    #[inline]
    pub fn grow(&mut self, heap: impl Heap, size: usize) {
        // SAFETY: the block is live and of this layout.
        self.at = unsafe { heap.resize(self.at, Self::layout(self.size), size) };
        self.size = size;
        self.touch();
    }

    /// Frees the block, if there is one.
    #[inline]
    pub fn free(&mut self, heap: impl Heap) {
        if !self.at.is_null() {
            // SAFETY: the block is live and of this layout.
            unsafe { heap.release(self.at, Self::layout(self.size)) };
            *self = Self::NONE;
        }
    }

    /// Writes one word, as the first use of a block does.
    ///
    /// # Panics
    ///
    /// Panics if the block was refused, because a trace that is out of memory measures nothing.
    #[inline]
    fn touch(self) {
        assert!(!self.at.is_null(), "out of memory");
        // SAFETY: the block has at least a word.
        unsafe { self.at.cast::<u32>().write_volatile(self.size as u32) };
    }

    #[inline]
    fn layout(size: usize) -> Layout {
        // SAFETY: 8 is an alignment, and no trace asks for more than a few MiB.
        unsafe { Layout::from_size_align_unchecked(size, 8) }
    }
}
