//! Sources that misbehave within their contract.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;

use sluicegate_alloc::source::{PAGE, Source};
use sluicegate_alloc::testing::Fixed;

/// Memory for one test. Dropping it frees the memory, which must not be used afterwards.
pub struct Region {
    base: *mut u8,
    layout: Layout,
}

impl Region {
    /// Allocates this many pages.
    ///
    /// # Panics
    ///
    /// Panics if out of memory.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        let layout = Layout::from_size_align(pages * PAGE, PAGE).unwrap();
        // SAFETY: the size is not zero.
        let base = unsafe { alloc(layout) };
        assert!(!base.is_null());
        Self { base, layout }
    }

    /// Makes a source over all of the memory.
    pub fn source(&mut self) -> Fixed {
        // SAFETY: the region is this test's alone. It outlives the source, because the tests drop
        // it after the source.
        unsafe { Fixed::new(self.base, self.layout.size()) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated above with this layout.
        unsafe { dealloc(self.base, self.layout) };
    }
}

/// The byte that memory holds before it is handed out.
const UNTOUCHED: u8 = 0xA5;

/// The bytes that are left out before a piece that lies apart.
const APART: usize = 64;

/// A source that gives no byte more than asked for, rounded up to a multiple of 16. Dropping it
/// checks that no byte was written that it did not give.
pub struct Exact {
    base: *mut u8,
    size: usize,
    used: usize,
    limit: usize,
    /// The pieces that lie apart: piece number n does if bit n (modulo 64) is set.
    apart: u64,
    pieces: u32,
    /// The places of the gaps before pieces that lie apart.
    gaps: Vec<usize>,
}

impl Region {
    /// Makes a source of exact pieces, some of which lie apart.
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

/// A source that refuses some growths, and lets another user take pages around others.
pub struct Moody<S> {
    /// The source of the pages.
    pub inner: S,
    /// The refused growths: growth number n is refused if bit n (modulo 64) is set.
    pub refuse: u64,
    /// The growths after which another user takes a page: growth number n if bit n (modulo 64) is
    /// set. The next piece does not continue this one, and `next` says so.
    pub steal: u64,
    /// The growths before which another user takes a page, between `next` and `acquire`, so that
    /// the foreseen place is wrong. This cannot happen to a wasm module, and each time costs a
    /// growth in vain.
    pub snatch: u64,
    /// The number of growths so far.
    pub growths: u32,
}

impl<S> Moody<S> {
    /// Makes a source with the bits of the growths to refuse, and of those after which a page is
    /// taken.
    pub fn new(inner: S, refuse: u64, steal: u64) -> Self {
        Self { inner, refuse, steal, snatch: 0, growths: 0 }
    }

    /// Sets the bits of the growths within which a page is taken.
    #[must_use]
    pub fn snatching(self, snatch: u64) -> Self {
        Self { snatch, ..self }
    }
}

// SAFETY: pieces are the inner source's. A stolen page only moves the place where the next piece
// begins, and the caller of `acquire` must check that place itself.
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
            // The other user may get no page, which does not matter.
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
