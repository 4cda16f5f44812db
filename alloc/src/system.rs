//! The standard library's allocator as a strategy, so that it can be counted and compared like the
//! others.

extern crate std;

use core::alloc::{GlobalAlloc, Layout};

use crate::strategy::{Strategy, Usage};

/// wasi-libc's dlmalloc on wasm32-wasip1, the Rust dlmalloc on wasm32-unknown-unknown, libc's
/// natively.
///
/// It grows memory by itself. So this crate does not count the growths, and a limit of pages has no
/// effect.
#[derive(Debug)]
pub struct System(());

impl System {
    /// Creates the strategy, which has no state.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: std's `System` is a global allocator, and `Strategy` asks for no more than `GlobalAlloc`
// does.
unsafe impl Strategy for System {
    const LIMITED: bool = false;

    #[inline]
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero, which the caller promises.
        unsafe { std::alloc::System.alloc(layout) }
    }

    #[inline]
    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is live and of this layout, which the caller promises.
        unsafe { std::alloc::System.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the block is live and of this layout, and the size valid, which the caller
        // promises.
        unsafe { std::alloc::System.realloc(block, layout, size) }
    }

    fn usage(&self) -> Usage {
        #[cfg(target_arch = "wasm32")]
        let pages = core::arch::wasm32::memory_size(0);
        #[cfg(not(target_arch = "wasm32"))]
        let pages = 0;
        Usage::new(pages, 0)
    }

    fn limit(&mut self, _: usize) {}
}
