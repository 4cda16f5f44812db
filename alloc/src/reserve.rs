//! Memory set aside, so that whoever handles exhaustion can allocate.

use core::alloc::Layout;
use core::ptr::null_mut;

use crate::strategy::Strategy;

/// The size and alignment of a span of the free lists: a reserve of this size holds one, and a small block may need one.
const SPAN: usize = 32 * 1024;

/// A block that nobody uses until the reserve is opened.
pub(crate) struct Reserve {
    /// Null while it is open, empty, or could not be had.
    block: *mut u8,
    /// What is to be set aside; zero for none.
    bytes: usize,
    /// How many scopes it is open for.
    open: usize,
}

impl Reserve {
    pub(crate) const fn new() -> Self {
        Self { block: null_mut(), bytes: 0, open: 0 }
    }

    /// How many bytes beyond the budget may be used now.
    pub(crate) const fn extra(&self) -> usize {
        if self.is_open() { self.bytes } else { 0 }
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Sets so many bytes aside instead of those before; false if there is no memory for them now.
    pub(crate) fn set(&mut self, bytes: usize, strategy: &mut impl Strategy) -> bool {
        self.empty(strategy);
        self.bytes = bytes;
        self.refill(strategy)
    }

    pub(crate) fn enter(&mut self, strategy: &mut impl Strategy) {
        self.open += 1;
        self.empty(strategy);
    }

    pub(crate) fn leave(&mut self, strategy: &mut impl Strategy) {
        self.open -= 1;
        self.refill(strategy);
    }

    /// Sets aside what is missing; false if there is no memory for it, or the reserve is open.
    pub(crate) fn refill(&mut self, strategy: &mut impl Strategy) -> bool {
        if self.bytes == 0 || !self.block.is_null() {
            return true;
        }
        if self.is_open() {
            return false;
        }
        let Some(layout) = layout(self.bytes) else { return false };
        // SAFETY: the layout's size is not zero.
        self.block = unsafe { strategy.allocate(layout) };
        !self.block.is_null()
    }

    fn empty(&mut self, strategy: &mut impl Strategy) {
        if let Some(layout) = layout(self.bytes)
            && !self.block.is_null()
        {
            // SAFETY: the block was allocated by the same strategy with the layout of `bytes`, which changes only while there is no block; nobody uses it.
            unsafe { strategy.release(self.block, layout) };
            self.block = null_mut();
        }
    }
}

/// The layout of a reserve: from a span's size on aligned like one, less the heap's tag.
fn layout(bytes: usize) -> Option<Layout> {
    if bytes < SPAN { Layout::from_size_align(bytes, 16).ok() } else { Layout::from_size_align(bytes - 16, SPAN).ok() }
}
