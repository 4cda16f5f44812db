//! Sources that misbehave within their contract.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;

use sluicegate_alloc::source::{PAGE, Source};
use sluicegate_alloc::testing::Fixed;

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
        // SAFETY: the region is this test's alone, and outlives the source by the order in which
        // the tests drop them.
        unsafe { Fixed::new(self.base, self.layout.size()) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated above with this layout.
        unsafe { dealloc(self.base, self.layout) };
    }
}

/// What memory holds that nobody was given.
const UNTOUCHED: u8 = 0xA5;

/// Bytes that are left out before a piece that lies apart.
const APART: usize = 64;

/// Gives no byte more than the least that is asked for, to a multiple of 16; in the end it looks
/// whether anybody wrote to what it did not give.
pub struct Exact {
    base: *mut u8,
    size: usize,
    used: usize,
    limit: usize,
    /// The piece number n does not lie where it was foreseen if bit n (modulo 64) is set.
    apart: u64,
    pieces: u32,
    /// What lies before pieces apart.
    gaps: Vec<usize>,
}

impl Region {
    /// A source of exact pieces, some of them apart.
    pub fn exact(&mut self, apart: u64) -> Exact {
        // SAFETY: the region is this test's alone and has this size.
        unsafe { self.base.write_bytes(UNTOUCHED, self.layout.size()) };
        Exact {
            base: self.base,
            size: self.layout.size(),
            used: 0,
            limit: usize::MAX,
            apart,
            pieces: 0,
            gaps: Vec::new(),
        }
    }
}

// SAFETY: pieces are disjoint parts of the region, which is one allocation, and `used` only rises.
unsafe impl Source for Exact {
    fn next(&self) -> Option<usize> {
        Some(self.base.addr() + self.used)
    }

    fn acquire(&mut self, least: usize, _: usize) -> Option<NonNull<[u8]>> {
        let bytes = least.checked_next_multiple_of(16)?;
        let gap = if self.apart & 1 << (self.pieces % 64) == 0 { 0 } else { APART };
        if bytes > self.size.min(self.limit).saturating_sub(self.used + gap) {
            return None;
        }
        self.pieces += 1;
        if gap > 0 {
            self.gaps.push(self.used);
        }
        let piece = NonNull::new(self.base.wrapping_add(self.used + gap))?;
        self.used += gap + bytes;
        Some(NonNull::slice_from_raw_parts(piece, bytes))
    }

    fn held(&self) -> usize {
        self.used
    }

    fn limit(&mut self, pages: usize) {
        self.limit = pages.saturating_mul(PAGE);
    }
}

impl Drop for Exact {
    fn drop(&mut self) {
        let rest = (self.used, (self.size - self.used).min(APART));
        for (begin, length) in self.gaps.iter().map(|&begin| (begin, APART)).chain([rest]) {
            // SAFETY: the region outlives its sources, and all of it was written.
            let bytes = unsafe { std::slice::from_raw_parts(self.base.wrapping_add(begin), length) };
            let intact = bytes.iter().all(|&byte| byte == UNTOUCHED);
            assert!(intact || std::thread::panicking(), "someone wrote to what was not theirs, at {begin}");
        }
    }
}

/// Refuses some growths, and lets someone else take pages around others.
pub struct Moody<S> {
    /// Where the pages come from.
    pub inner: S,
    /// Refuses the growth number n if bit n (modulo 64) is set.
    pub refuse: u64,
    /// Someone else takes a page after the growth number n if bit n (modulo 64) is set: the next
    /// piece does not continue this one, and `next` says so.
    pub steal: u64,
    /// The same, but between `next` and `acquire`: what was foreseen is wrong. Nobody can do that
    /// to a wasm module, and each time costs a growth in vain.
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

// SAFETY: pieces are the inner source's; a stolen page only moves where the next begins, which
// `acquire`'s caller must see for itself.
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
