//! A strategy of somebody else's: what it takes to add a fifth. It is the global allocator of this
//! test, and the model runs on it.
//!
//! It rounds up to powers of two, keeps a list of free blocks for each, and never joins them:
//! simple, quick, and not flat.
#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::Layout;
use std::ptr::{copy_nonoverlapping, null_mut};

use proptest::prelude::*;
use sluicegate_alloc::source::{PAGE, Source};
#[cfg(not(miri))]
use sluicegate_alloc::{Global, source::Platform};
use sluicegate_alloc::{Strategy, Usage};
use sluicegate_alloc_model::ops::sequences;
use sluicegate_alloc_model::sources::{Moody, Region};
use sluicegate_alloc_model::{Subject, run, usual};

// Not under miri: for it, a box that is freed is still its owner's while the allocator links it.
#[cfg(not(miri))]
#[global_allocator]
static GLOBAL: Global<Doubling<Platform>> = Global::new(Doubling::new(Platform::new()));

/// The strategy: a list for each power of two, and the piece that blocks are cut from.
struct Doubling<S> {
    source: S,
    /// The block freed last of each power of two; its first word is the next one.
    free: [*mut u8; usize::BITS as usize],
    next: *mut u8,
    /// Bytes from `next` on.
    rest: usize,
    grows: usize,
}

// SAFETY: the pointers lead into memory that only the strategy has (contract of `Source`), so they
// may move with it.
unsafe impl<S: Send> Send for Doubling<S> {}

/// The largest alignment of blocks.
const ALIGN_MOST: usize = PAGE;

impl<S: Source> Doubling<S> {
    const fn new(source: S) -> Self {
        Self { source, free: [null_mut(); usize::BITS as usize], next: null_mut(), rest: 0, grows: 0 }
    }

    /// The size of the block for a layout, as the exponent of a power of two: as large as the
    /// alignment, so that it is aligned by where it is cut.
    fn class(layout: Layout) -> usize {
        layout.size().max(layout.align()).max(16).next_power_of_two().ilog2() as usize
    }

    /// A block that was never used.
    fn cut(&mut self, size: usize) -> *mut u8 {
        let align = size.min(ALIGN_MOST);
        let mut skipped = self.next.addr().wrapping_neg() & (align - 1);
        if self.rest < skipped + size {
            let Some(piece) = self.source.acquire(size + align, size + align) else { return null_mut() };
            self.grows += 1;
            (self.next, self.rest) = (piece.cast().as_ptr(), piece.len());
            skipped = self.next.addr().wrapping_neg() & (align - 1);
        }
        let block = self.next.wrapping_add(skipped);
        self.next = block.wrapping_add(size);
        self.rest -= skipped + size;
        block
    }
}

// SAFETY: blocks are disjoint cuts of pieces that only the strategy has, as large as their power of
// two and aligned to it; a freed one serves its own size again.
unsafe impl<S: Source> Strategy for Doubling<S> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let class = Self::class(layout);
        if layout.align() > ALIGN_MOST || class > 40 {
            return null_mut();
        }
        let block = self.free[class];
        if block.is_null() {
            return self.cut(1 << class);
        }
        // SAFETY: the block is free, so it is ours and begins with the next one.
        self.free[class] = unsafe { block.cast::<*mut u8>().read() };
        block
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        let class = Self::class(layout);
        // SAFETY: the block is given away, which the caller promises; it has 16 bytes, aligned to
        // as many.
        unsafe { block.cast::<*mut u8>().write(self.free[class]) };
        self.free[class] = block;
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(size, layout.align()) else { return null_mut() };
        if Self::class(new) == Self::class(layout) {
            return block;
        }
        // SAFETY: the size is not zero, which the caller promises.
        let moved = unsafe { self.allocate(new) };
        if !moved.is_null() {
            // SAFETY: both blocks are live, and each has the smaller of the two sizes.
            unsafe { copy_nonoverlapping(block, moved, layout.size().min(size)) };
            // SAFETY: the block is live and of this layout, which the caller promises.
            unsafe { self.release(block, layout) };
        }
        moved
    }

    fn usage(&self) -> Usage {
        Usage::new(self.source.held() / PAGE, self.grows)
    }

    fn limit(&mut self, pages: usize) {
        self.source.limit(pages);
    }
}

/// It has nothing to trim and knows no regions.
impl<S: Source> Subject for Doubling<S> {}

const PAGES: usize = if cfg!(miri) { 128 } else { 1024 };

/// Blocks twice as large as asked for, and none that serves another size.
fn bound(peak: usize) -> usize {
    usual(peak) * 4
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 64 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_keeps_its_promises(ops in sequences(if cfg!(miri) { 30 } else { 400 }), refuse: u64) {
        let mut region = Region::new(PAGES);
        run(&mut Doubling::new(region.source()), &ops, bound).map_err(TestCaseError::fail)?;
        run(&mut Doubling::new(Moody::new(region.source(), refuse, 0)), &ops, bound).map_err(TestCaseError::fail)?;
    }
}

#[cfg(not(miri))]
#[test]
fn ordinary_code_runs_on_it() {
    let before = GLOBAL.snapshot();
    let lines: Vec<String> = (0..2000).map(|n| format!("{n}").repeat(n % 50)).collect();
    assert!(lines.iter().enumerate().all(|(n, line)| line.len() == n.to_string().len() * (n % 50)));
    assert!(GLOBAL.snapshot().pages > 0 && GLOBAL.snapshot().pages >= before.pages);
    GLOBAL.limit(0);
    assert!(Vec::<u8>::new().try_reserve(1 << 30).is_err());
    GLOBAL.limit(usize::MAX);
}
