//! An interpreter of operation sequences, with a shadow model that knows the contents of every
//! block.
//!
//! The model checks alignment, overlap and contents. Contents are checked when a block is freed,
//! when it is resized, and at the end, and a zeroed block must hold zeros. The model checks that a
//! refusal changes nothing, that memory stays within a bound of the peak, and that nothing is lost
//! in the end: after a trim, the memory serves one block of nearly all of it.
//!
//! Property tests, the fuzzer and the suite on wasm all drive this interpreter.
#![allow(unsafe_code, reason = "allocators are driven through their raw interface")]

pub mod audit;
pub mod broken;
pub mod ledger;
pub mod ops;
pub mod sources;
pub mod traces;

use std::alloc::{GlobalAlloc, Layout};
use std::collections::BTreeMap;
use std::ptr::NonNull;

use sluicegate_alloc::source::{PAGE, Source};
use sluicegate_alloc::{Arena, Freelist, Heap, Strategy, Usage};

pub use ops::Op;

/// The subject of a test: a strategy, with the functions that only some strategies have.
pub trait Subject: Strategy {
    /// Allocates a block of zeros. A strategy has no function for that, so this default clears a
    /// block. A global allocator has its own function.
    ///
    /// # Safety
    ///
    /// The caller promises what [`Strategy::allocate`] demands.
    unsafe fn allocate_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `Strategy::allocate` demands.
        let block = unsafe { self.allocate(layout) };
        if !block.is_null() {
            // SAFETY: the block has the layout's size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }
    /// Checks the subject's report of its memory against the model, which knows the layouts of all
    /// live blocks.
    ///
    /// # Errors
    ///
    /// Fails with the figure that is wrong.
    fn audit(&mut self, _live: &mut dyn Iterator<Item = Layout>) -> Result<(), String> {
        Ok(())
    }
    /// Gives back the memory that is cached.
    fn trim(&mut self) {}
    /// Enters the region with this number, opening it if it is new.
    fn enter(&mut self, _region: u8) {}
    /// Leaves the region entered last.
    fn leave(&mut self) {}
    /// Ends the region with this number.
    fn close(&mut self, _region: u8) {}
}

impl<S: Source> Subject for Heap<S> {
    fn audit(&mut self, live: &mut dyn Iterator<Item = Layout>) -> Result<(), String> {
        audit::check(self, live.map(audit::rounded).sum(), 0)
    }
}

#[cfg(feature = "system")]
impl Subject for sluicegate_alloc::System {}

impl<S: Source> Subject for Freelist<S> {
    fn audit(&mut self, live: &mut dyn Iterator<Item = Layout>) -> Result<(), String> {
        audit::check(self, live.map(audit::classed).sum(), 0)
    }

    fn trim(&mut self) {
        Freelist::trim(self);
    }
}

#[cfg(not(target_family = "wasm"))]
impl<S: Source> Subject for sluicegate_alloc::testing::Worker<'_, S> {
    fn trim(&mut self) {
        sluicegate_alloc::testing::Worker::trim(self);
    }
}

/// A global allocator as a subject, by all four of its functions. Its pages are not known here.
pub struct Installed<G>(pub G);

impl<G: GlobalAlloc> Subject for Installed<G> {
    unsafe fn allocate_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `Strategy::allocate` demands, and `alloc_zeroed` demands
        // the same.
        unsafe { self.0.alloc_zeroed(layout) }
    }
}

// SAFETY: every block is the global allocator's.
unsafe impl<G: GlobalAlloc> Strategy for Installed<G> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `Strategy::allocate` demands, and `alloc` demands the
        // same.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller promises what `Strategy::release` demands, and `dealloc` demands the
        // same.
        unsafe { self.0.dealloc(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises what `Strategy::resize` demands, and `realloc` demands the
        // same.
        unsafe { self.0.realloc(block, layout, size) }
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }

    fn limit(&mut self, _: usize) {}
}

/// A strategy as a subject that has nothing to trim and no regions.
pub struct Plain<A>(pub A);

impl<A: Strategy> Subject for Plain<A> {}

// SAFETY: every block is the inner strategy's.
unsafe impl<A: Strategy> Strategy for Plain<A> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `Strategy::allocate` demands.
        unsafe { self.0.allocate(layout) }
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller promises what `Strategy::release` demands.
        unsafe { self.0.release(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises what `Strategy::resize` demands.
        unsafe { self.0.resize(block, layout, size) }
    }

    fn usage(&self) -> Usage {
        self.0.usage()
    }

    fn limit(&mut self, pages: usize) {
        self.0.limit(pages);
    }
}

/// An arena with the regions of a sequence.
pub struct Regions<S> {
    /// The arena itself.
    pub arena: Arena<S>,
    regions: [Option<NonNull<u8>>; ops::REGIONS as usize],
    entered: Vec<(u8, Option<NonNull<u8>>)>,
}

impl<S: Source> Regions<S> {
    /// Makes an arena over the source, without regions.
    pub fn new(source: S) -> Self {
        Self { arena: Arena::new(source), regions: Default::default(), entered: Vec::new() }
    }
}

impl<S: Source> Subject for Regions<S> {
    fn audit(&mut self, live: &mut dyn Iterator<Item = Layout>) -> Result<(), String> {
        let open = self.regions.iter().flatten().count();
        audit::check(&self.arena, live.map(audit::classed).sum(), open)
    }

    fn trim(&mut self) {
        self.arena.trim();
    }

    fn enter(&mut self, region: u8) {
        let handle = &mut self.regions[usize::from(region)];
        if handle.is_none() {
            *handle = self.arena.open_region();
        }
        // SAFETY: the region is the arena's, and `close` leaves it before it closes it.
        let before = unsafe { self.arena.enter_region(*handle) };
        self.entered.push((region, before));
    }

    fn leave(&mut self) {
        if let Some((_, before)) = self.entered.pop() {
            // SAFETY: the region that was entered before is still in `entered`, so `close` has not
            // closed it.
            unsafe { self.arena.enter_region(before) };
        }
    }

    fn close(&mut self, region: u8) {
        while self.entered.iter().any(|&(entered, _)| entered == region) {
            self.leave();
        }
        if let Some(handle) = self.regions[usize::from(region)].take() {
            // SAFETY: the region is the arena's, and was left as often as it was entered.
            unsafe { self.arena.close_region(handle) };
        }
    }
}

// SAFETY: every block is the arena's.
unsafe impl<S: Source> Strategy for Regions<S> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `Strategy::allocate` demands.
        unsafe { self.arena.allocate(layout) }
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller promises what `Strategy::release` demands.
        unsafe { self.arena.release(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises what `Strategy::resize` demands.
        unsafe { self.arena.resize(block, layout, size) }
    }

    fn usage(&self) -> Usage {
        self.arena.usage()
    }

    fn limit(&mut self, pages: usize) {
        self.arena.limit(pages);
    }
}

/// A block as the model sees it.
struct Block {
    at: *mut u8,
    layout: Layout,
    seed: u8,
}

/// The results of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The most bytes in live blocks. An alignment above 16 counts like as many bytes, because it
    /// may cost them.
    pub peak: usize,
    /// The bytes in live blocks before the model freed the rest, counted like `peak`.
    pub live: usize,
    /// The number of requests that returned null.
    pub refused: usize,
    /// The pages that are held at the end.
    pub pages: usize,
    /// The number of growths.
    pub grows: usize,
}

/// A function from a peak to the pages that a strategy may hold for it.
pub type Bound = fn(usize) -> usize;

/// The number of steps after which the subject's report is checked. It is also checked at the end.
const AUDITED: usize = 16;

/// Returns the pages for one and a half times the peak, and a few more: small sequences pay for a
/// page of each kind.
pub fn usual(peak: usize) -> usize {
    peak.saturating_add(peak / 2).div_ceil(PAGE) + 8
}

struct Model<'a, A> {
    subject: &'a mut A,
    blocks: Vec<Block>,
    /// The live ranges: address and length.
    ranges: BTreeMap<usize, usize>,
    /// The bytes in live blocks. Alignments count, too, so this may be more than 32 bits hold.
    live: u64,
    seed: u8,
    report: Report,
}

/// Runs the operations, and frees every block in the end.
///
/// # Errors
///
/// Fails with the step and the promise that it broke.
pub fn run<A: Subject>(subject: &mut A, ops: &[Op], bound: Bound) -> Result<Report, String> {
    let mut model =
        Model { subject, blocks: Vec::new(), ranges: BTreeMap::new(), live: 0, seed: 0, report: Report::default() };
    for (step, op) in ops.iter().enumerate() {
        model.step(op).map_err(|fault| format!("step {step}, {op:?}: {fault}"))?;
        if step % AUDITED == 0 || step + 1 == ops.len() {
            model.audit().map_err(|fault| format!("after step {step}, {op:?}: {fault}"))?;
        }
    }
    model.report.live = usize::try_from(model.live).unwrap_or(usize::MAX);
    while !model.blocks.is_empty() {
        model.free(0)?;
    }
    for region in 0..ops::REGIONS {
        model.subject.close(region);
    }
    model.subject.trim();
    model.audit().map_err(|fault| format!("in the end: {fault}"))?;
    let usage = model.subject.usage();
    model.report.pages = usage.pages;
    model.report.grows = usage.grows;
    if usage.pages > bound(model.report.peak) {
        return Err(format!("{} pages for a peak of {} bytes", usage.pages, model.report.peak));
    }
    if usage.retained != 0 {
        return Err(format!("{} blocks retained that do not live", usage.retained));
    }
    Ok(model.report)
}

impl<A: Subject> Model<'_, A> {
    fn audit(&mut self) -> Result<(), String> {
        self.subject.audit(&mut self.blocks.iter().map(|block| block.layout))
    }

    fn step(&mut self, op: &Op) -> Result<(), String> {
        match *op {
            Op::Allocate { size, align } => self.allocate(size, 1 << align, false),
            Op::Zeroed { size, align } => self.allocate(size, 1 << align, true),
            Op::Free { which } if !self.blocks.is_empty() => self.free(which % self.blocks.len()),
            Op::Resize { which, size } if !self.blocks.is_empty() => self.resize(which % self.blocks.len(), size),
            Op::Free { .. } | Op::Resize { .. } => Ok(()),
            Op::Trim => {
                self.subject.trim();
                Ok(())
            }
            Op::Enter { region } => {
                self.subject.enter(region);
                Ok(())
            }
            Op::Leave => {
                self.subject.leave();
                Ok(())
            }
            Op::Close { region } => {
                self.subject.close(region);
                Ok(())
            }
        }
    }

    fn allocate(&mut self, size: usize, align: usize, zeroed: bool) -> Result<(), String> {
        let layout = Layout::from_size_align(size, align).map_err(|e| e.to_string())?;
        let at = if zeroed {
            // SAFETY: sequences hold no empty size.
            unsafe { self.subject.allocate_zeroed(layout) }
        } else {
            // SAFETY: sequences hold no empty size.
            unsafe { self.subject.allocate(layout) }
        };
        if at.is_null() {
            self.report.refused += 1;
            return Ok(());
        }
        // SAFETY: the block has the layout's size, and all of it was written.
        if zeroed && offsets(size).any(|offset| unsafe { at.wrapping_add(offset).read() } != 0) {
            return Err(format!("{size} bytes are not all zero"));
        }
        self.seed = self.seed.wrapping_add(41);
        let block = Block { at, layout, seed: self.seed };
        self.add(block)
    }

    fn free(&mut self, which: usize) -> Result<(), String> {
        self.check(which)?;
        let block = self.take(which);
        // SAFETY: the block is live, from the subject, with this layout.
        unsafe { self.subject.release(block.at, block.layout) };
        Ok(())
    }

    fn resize(&mut self, which: usize, size: usize) -> Result<(), String> {
        self.check(which)?;
        let Block { at, layout, seed } = self.blocks[which];
        // SAFETY: the block is live, from the subject, with this layout; sequences hold no empty
        // size.
        let moved = unsafe { self.subject.resize(at, layout, size) };
        if moved.is_null() {
            self.report.refused += 1;
            return self.check(which);
        }
        self.take(which);
        resized(moved, layout.size(), size, seed)?;
        let layout = Layout::from_size_align(size, layout.align()).map_err(|e| e.to_string())?;
        self.add(Block { at: moved, layout, seed })
    }

    /// Adds a block after checking its promises, and fills it.
    fn add(&mut self, block: Block) -> Result<(), String> {
        let (begin, size) = (block.at.addr(), block.layout.size());
        let before = self.ranges.range(..begin.saturating_add(size)).next_back();
        placed(block.at, block.layout, before.map(|(&other, &length)| (other, length)))?;
        fill(block.at, size, block.seed);
        self.ranges.insert(begin, size);
        self.live += cost(block.layout);
        self.report.peak = self.report.peak.max(usize::try_from(self.live).unwrap_or(usize::MAX));
        self.blocks.push(block);
        Ok(())
    }

    fn take(&mut self, which: usize) -> Block {
        let block = self.blocks.swap_remove(which);
        self.ranges.remove(&block.at.addr());
        self.live -= cost(block.layout);
        block
    }

    fn check(&self, which: usize) -> Result<(), String> {
        let block = &self.blocks[which];
        expect(block.at, block.layout.size(), block.seed)
    }
}

/// Checks that a block is aligned, and that it does not overlap the block that begins last before
/// its end.
fn placed(block: *mut u8, layout: Layout, before: Option<(usize, usize)>) -> Result<(), String> {
    let (begin, size) = (block.addr(), layout.size());
    if begin.checked_add(size).is_none() {
        return Err(format!("{begin:#x}+{size} ends beyond the address space"));
    }
    if !begin.is_multiple_of(layout.align()) {
        return Err(format!("{begin:#x} is not aligned to {}", layout.align()));
    }
    if let Some((other, length)) = before
        && other + length > begin
    {
        return Err(format!("{begin:#x}+{size} overlaps {other:#x}+{length}"));
    }
    Ok(())
}

/// Writes the bytes that the block must hold.
fn fill(at: *mut u8, size: usize, seed: u8) {
    if cfg!(miri) {
        // SAFETY: the block is the model's and has `size` bytes.
        unsafe { at.write_bytes(pattern(seed, 0), size) };
    } else {
        offsets(size).for_each(|offset| {
            // SAFETY: the block is the model's and has `size` bytes.
            unsafe { at.wrapping_add(offset).write(pattern(seed, offset)) };
        });
    }
}

fn cost(layout: Layout) -> u64 {
    layout.size() as u64 + if layout.align() > 16 { layout.align() as u64 } else { 0 }
}

/// The size above which only some bytes of a block are written and checked, because a memory of 4
/// GiB is not to be filled for real.
const SPARSE: usize = 2 << 20;

/// The distance of the checked bytes within such a block.
const STRIDE: usize = 1 << 20;

/// Returns the offsets of the bytes that are checked. These are all bytes, except under miri, where
/// they are the bytes at the ends, and in large blocks, where they are the bytes at the ends and
/// some between.
fn offsets(size: usize) -> impl Iterator<Item = usize> {
    let ends = if cfg!(miri) {
        24
    } else if size > SPARSE {
        4096
    } else {
        size
    };
    let (head, tail) = (size.min(ends), size.saturating_sub(ends).max(size.min(ends)));
    let between = (head..tail).step_by(STRIDE).take(if cfg!(miri) { 0 } else { usize::MAX });
    (0..head).chain(between).chain(tail..size)
}

/// Checks that a resized block holds its old contents.
fn resized(at: *const u8, before: usize, now: usize, seed: u8) -> Result<(), String> {
    let kept = offsets(before).filter(|&offset| offset < now);
    holds(at, kept, seed).map_err(|fault| format!("after a resize from {before} to {now}: {fault}"))
}

/// Returns the byte that a block must hold at an offset. Under miri, which fills faster than it
/// loops, all bytes of a block are equal.
fn pattern(seed: u8, offset: usize) -> u8 {
    if cfg!(miri) {
        return seed;
    }
    seed.wrapping_add((offset as u8).wrapping_mul(31)).wrapping_add((offset >> 8) as u8)
}

fn expect(at: *const u8, size: usize, seed: u8) -> Result<(), String> {
    holds(at, offsets(size), seed).map_err(|fault| format!("of {size} bytes, {fault}"))
}

fn holds(at: *const u8, mut offsets: impl Iterator<Item = usize>, seed: u8) -> Result<(), String> {
    offsets.try_for_each(|offset| {
        // SAFETY: the model wrote each of these bytes of a live block.
        let found = unsafe { at.wrapping_add(offset).read() };
        if found == pattern(seed, offset) { Ok(()) } else { Err(format!("byte {offset} changed")) }
    })
}
