//! A last-in-first-out list of free blocks, linked through the blocks themselves.

#[cfg(not(target_family = "wasm"))]
use core::mem::replace;
use core::ptr::null_mut;

/// Free blocks of one class. The last one freed is handed out first, while it is still in the cache
/// of the processor.
pub(crate) struct Stack {
    top: *mut Link,
}

/// The header of a free block.
pub(crate) struct Link {
    next: *mut Link,
}

#[cfg(all(test, loom))]
impl Link {
    /// Leads nowhere.
    pub(crate) const NONE: Self = Self { next: null_mut() };
}

// SAFETY: the blocks are the list's alone (contract of `push`), so they may move with it.
unsafe impl Send for Stack {}

impl Stack {
    pub(crate) const EMPTY: Self = Self { top: null_mut() };

    /// Adds a block.
    ///
    /// # Safety
    ///
    /// The block is aligned to a pointer, at least as large, writable, and the list's alone until
    /// it is popped.
    #[inline]
    pub(crate) unsafe fn push(&mut self, block: *mut u8) {
        let link = block.cast::<Link>();
        // SAFETY: the block can hold a pointer and is ours, which the caller promises.
        unsafe { link.write(Link { next: self.top }) };
        self.top = link;
    }

    /// The block added last; null if there is none.
    #[inline]
    pub(crate) fn pop(&mut self) -> *mut u8 {
        let top = self.top;
        if !top.is_null() {
            // SAFETY: every block in the list was pushed, so it holds a link and is ours.
            self.top = unsafe { top.read() }.next;
        }
        top.cast()
    }

    /// Calls `block` with the address of each block, until it answers false. Returns whether all
    /// were seen.
    pub(crate) fn each(&self, mut block: impl FnMut(usize) -> bool) -> bool {
        let mut link = self.top;
        while !link.is_null() {
            if !block(link.addr()) {
                return false;
            }
            // SAFETY: every block in the list was pushed, so it holds a link, and the list is
            // borrowed.
            link = unsafe { link.read() }.next;
        }
        true
    }

    /// Has the block that will be popped next fetched into the processor's cache, without waiting
    /// for it.
    #[cfg(not(target_family = "wasm"))]
    #[inline]
    pub(crate) fn fetch(&self) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch reads nothing that anybody can see, and faults at no address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.top.cast()) };
        }
    }

    /// The list of a top that was taken, as its new owner.
    ///
    /// # Safety
    ///
    /// The top is null or one that [`take`](Stack::take) gave, from whoever had the list before,
    /// and no other list has it.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) const unsafe fn of(top: *mut u8) -> Self {
        Self { top: top.cast() }
    }

    /// Returns whether the stack holds no block.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.top.is_null()
    }

    /// Takes all blocks as one chain, by the block on top; null if there is none.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) const fn take(&mut self) -> *mut u8 {
        replace(&mut self.top, null_mut()).cast()
    }
}
