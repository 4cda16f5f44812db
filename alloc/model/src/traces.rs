//! The traces with which allocators are measured, played on a strategy through the shadow model:
//! the timed operations are also checked.

use std::alloc::Layout;
use std::cell::RefCell;
use std::collections::BTreeMap;

use sluicegate_alloc::Usage;
use sluicegate_traces::bare::{self, Churn};
use sluicegate_traces::block::Heap;
use sluicegate_traces::request;

use crate::{Bound, Subject, expect, fill, ops, placed, resized};

/// The traces, except for the one of ordinary Rust code. That one runs on the global allocator of
/// its program, whichever it is.
pub const TRACES: [&str; 6] = ["requests", "pairs", "batches", "churn", "mixed", "growing"];

/// The bytes that the traces themselves write into each block.
const TOUCHED: usize = size_of::<u32>();

struct Checked<'a, A> {
    subject: &'a mut A,
    live: BTreeMap<usize, (Layout, u8)>,
    bytes: usize,
    peak: usize,
    calls: usize,
    seed: u8,
    fault: Option<String>,
}

/// The heap that the traces use.
struct Through<'a, 'b, A>(&'a RefCell<Checked<'b, A>>);

impl<A> Clone for Through<'_, '_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Through<'_, '_, A> {}

/// Plays the trace with this number, and frees every block.
///
/// # Errors
///
/// Fails with the call and the promise that it broke.
///
/// # Panics
///
/// Panics if out of memory.
pub fn play<A: Subject>(subject: &mut A, trace: usize, scale: u32, bound: Bound) -> Result<Usage, String> {
    let checked =
        RefCell::new(Checked { subject, live: BTreeMap::new(), bytes: 0, peak: 0, calls: 0, seed: 0, fault: None });
    let heap = Through(&checked);
    let mut churn = Box::new(Churn::new());
    match TRACES[trace] {
        "requests" => {
            let mut requests = Box::new(request::Trace::new());
            requests.run(heap, 64, 10 * scale);
            requests.drain(heap);
        }
        "pairs" => bare::pair(heap, 100 * scale),
        "batches" => {
            bare::batch(heap, scale, false);
            bare::batch(heap, scale, true);
        }
        "churn" => churn.run(heap, 500, 100 * scale),
        "mixed" => churn.mixed(heap, 100, 20 * scale),
        _ => churn.growing(heap, 20, 20 * scale),
    }
    churn.drain(heap);
    let checked = checked.into_inner();
    if let Some(fault) = checked.fault {
        return Err(fault);
    }
    if checked.calls == 0 || !checked.live.is_empty() {
        return Err(format!("{} calls, then {} blocks are left", checked.calls, checked.live.len()));
    }
    for region in 0..ops::REGIONS {
        checked.subject.close(region);
    }
    checked.subject.trim();
    let usage = checked.subject.usage();
    if usage.pages > bound(checked.peak) || usage.retained != 0 {
        return Err(format!("{usage:?} for a peak of {} bytes", checked.peak));
    }
    Ok(usage)
}

impl<A: Subject> Checked<'_, A> {
    /// Counts a call. Now and then it enters another region, as for another callback, or ends a
    /// region.
    fn begin(&mut self) {
        self.calls += 1;
        let region = (self.calls / 16 % usize::from(ops::REGIONS)) as u8;
        if self.calls.is_multiple_of(16) {
            self.subject.leave();
            if self.calls.is_multiple_of(512) {
                self.subject.close(region);
            }
            self.subject.enter(region);
        }
    }

    fn note<T>(&mut self, result: Result<T, String>) {
        if let Err(fault) = result
            && self.fault.is_none()
        {
            self.fault = Some(format!("call {}: {fault}", self.calls));
        }
    }

    fn add(&mut self, block: *mut u8, layout: Layout, seed: u8) {
        if block.is_null() {
            return;
        }
        let result = placed(block, layout, self.live.range(..block.addr() + layout.size()).next_back().map(length));
        self.note(result);
        fill(block, layout.size(), seed);
        self.live.insert(block.addr(), (layout, seed));
        self.bytes += layout.size();
        self.peak = self.peak.max(self.bytes);
    }

    /// Strikes a block out after checking its contents. Returns the block's seed.
    fn strike(&mut self, block: *mut u8, layout: Layout) -> u8 {
        let Some((made, seed)) = self.live.remove(&block.addr()) else {
            self.note::<()>(Err(format!("{block:?} does not live")));
            return 0;
        };
        self.bytes -= made.size();
        // SAFETY: the trace wrote a word to each of its blocks, and each has room for one.
        let word = unsafe { block.cast::<u32>().read_unaligned() };
        if made != layout || word != layout.size() as u32 {
            self.note::<()>(Err(format!("{made:?} is freed as {layout:?}, with {word} in it")));
        }
        // The trace overwrote this word; write it again as the model did.
        fill(block, TOUCHED, seed);
        let result = expect(block, layout.size(), seed);
        self.note(result);
        seed
    }
}

fn length((&at, &(layout, _)): (&usize, &(Layout, u8))) -> (usize, usize) {
    (at, layout.size())
}

impl<A: Subject> Heap for Through<'_, '_, A> {
    unsafe fn allocate(self, layout: Layout) -> *mut u8 {
        let mut checked = self.0.borrow_mut();
        checked.begin();
        // SAFETY: no trace asks for an empty block.
        let block = unsafe { checked.subject.allocate(layout) };
        let seed = checked.seed.wrapping_add(41);
        checked.seed = seed;
        checked.add(block, layout, seed);
        block
    }

    unsafe fn release(self, block: *mut u8, layout: Layout) {
        let mut checked = self.0.borrow_mut();
        checked.begin();
        checked.strike(block, layout);
        // SAFETY: the block is live and of this layout: the trace frees what it was given.
        unsafe { checked.subject.release(block, layout) };
    }

    unsafe fn resize(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let mut checked = self.0.borrow_mut();
        checked.begin();
        let seed = checked.strike(block, layout);
        // SAFETY: as for `release`; no trace asks for an empty block.
        let moved = unsafe { checked.subject.resize(block, layout, size) };
        if !moved.is_null() {
            checked.note(resized(moved, layout.size(), size, seed));
            match Layout::from_size_align(size, layout.align()) {
                Ok(new) => checked.add(moved, new, seed),
                Err(fault) => checked.note::<()>(Err(fault.to_string())),
            }
        }
        moved
    }
}
