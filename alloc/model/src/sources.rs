//! Sources that misbehave within their contract.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;

use sluicegate_alloc::source::{Fixed, PAGE, Source};

/// Memory for one test, freed with it: nothing of it may be used after.
pub struct Region {
    base: *mut u8,
    layout: Layout,
}

impl Region {
    /// So many pages.
    ///
    /// # Panics
    ///
    /// There is no memory.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        let layout = Layout::from_size_align(pages * PAGE, PAGE).unwrap();
        // SAFETY: the size is not zero.
        let base = unsafe { alloc(layout) };
        assert!(!base.is_null());
        Self { base, layout }
    }

    /// A source over all of it.
    pub fn source(&mut self) -> Fixed {
        // SAFETY: the region is this test's alone, and outlives the source by the order in which the tests drop them.
        unsafe { Fixed::new(self.base, self.layout.size()) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated above with this layout.
        unsafe { dealloc(self.base, self.layout) };
    }
}

/// Refuses some growths, and lets someone else take pages around others.
pub struct Moody<S> {
    /// Where the pages come from.
    pub inner: S,
    /// Refuses the growth number n if bit n (modulo 64) is set.
    pub refuse: u64,
    /// Someone else takes a page after the growth number n if bit n (modulo 64) is set: the next piece does not continue this one, and `next` says so.
    pub steal: u64,
    /// The same, but between `next` and `acquire`: what was foreseen is wrong. Nobody can do that to a wasm module, and each time costs a growth in vain.
    pub snatch: u64,
    /// Growths so far.
    pub growths: u32,
}

impl<S> Moody<S> {
    /// With bits of growths to refuse, and of growths before which to take a page.
    pub fn new(inner: S, refuse: u64, steal: u64) -> Self {
        Self { inner, refuse, steal, snatch: 0, growths: 0 }
    }

    /// With bits of growths within which to take a page.
    #[must_use]
    pub fn snatching(self, snatch: u64) -> Self {
        Self { snatch, ..self }
    }
}

// SAFETY: pieces are the inner source's; a stolen page only moves where the next begins, which `acquire`'s caller must see for itself.
unsafe impl<S: Source> Source for Moody<S> {
    fn next(&self) -> Option<usize> {
        self.inner.next()
    }

    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>> {
        let bit = 1 << (self.growths % 64);
        self.growths += 1;
        if self.refuse & bit != 0 {
            return None;
        }
        if self.snatch & bit != 0 {
            self.inner.acquire(PAGE, PAGE)?;
        }
        let piece = self.inner.acquire(least, wish)?;
        if self.steal & bit != 0 {
            // Whether there is a page for the thief is the thief's affair.
            _ = self.inner.acquire(PAGE, PAGE);
        }
        Some(piece)
    }

    fn held(&self) -> usize {
        self.inner.held()
    }

    fn limit(&mut self, pages: usize) {
        self.inner.limit(pages);
    }
}
