//! The heap explained: a walk on demand that tells what is live, what is free, and where.
//!
//! ```
//! use sluicegate_alloc::{Freelist, Global, source::Platform};
//! use std::alloc::{GlobalAlloc, Layout};
//!
//! static MINE: Global<Freelist<Platform>> = Global::new(Freelist::new(Platform::new()));
//!
//! let layout = Layout::new::<[u64; 100]>();
//! // SAFETY: the size is not zero.
//! let block = unsafe { MINE.alloc(layout) };
//! let report = MINE.report();
//! assert!(report.live >= 800 && report.largest <= report.free);
//! println!("{report}\n{}", report.json());
//! // SAFETY: the block is live, of this layout.
//! unsafe { MINE.dealloc(block, layout) };
//! ```
//!
//! [`heap_report`] asks the allocator that the program runs on. A module that never asks has
//! nothing of it.

mod shape;
mod write;

pub use shape::Shape;
pub use write::Json;
#[cfg(feature = "profile")]
pub(crate) use write::number;

use crate::installed::installed;
use crate::stats::CLASSES;
use crate::strategy::{Strategy, Usage};

/// The number of closed regions that a report names.
const PINS: usize = 8;

/// Where the memory of a heap is, at one moment. Bytes are those that the heap uses: with the tag
/// of each block, and rounded as its class is.
///
/// The parts of a heap: `held` is `live`, `free` and `kept` together.
///
/// Its display is one line, the alternate one (`{:#}`) has a line more for each class;
/// [`json`](Self::json) has everything.
///
/// ```
/// let line = "not walked: 0 pages, 0 grows, 0 B asked for";
/// assert_eq!(sluicegate_alloc::HeapReport::default().to_string(), line);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeapReport {
    /// `true` if the allocator shows its memory. If not, as with `talc`, `system` and an allocator
    /// that this crate does not know, only
    /// `pages`, `grows`, `retained` and `asked` are told; everything else is zero here and `null`
    /// in JSON.
    pub walked: bool,
    /// `true` if the walk saw everything: it stops after 262,144 gaps and kept blocks, and then
    /// what it did not see counts as live.
    pub complete: bool,
    /// Pages of 64 KiB held: on wasm the whole linear memory, data and stack included.
    pub pages: usize,
    /// The number of times that memory was grown.
    pub grows: usize,
    /// Blocks that outlived their region.
    pub retained: usize,
    /// Bytes in live blocks as they were asked for; zero without the feature `live`.
    pub asked: usize,
    /// Bytes that the heap has acquired: `live`, `free` and `kept`.
    pub held: usize,
    /// Bytes in live blocks. Up to 64 bytes for each growth, which the heap itself needs, count as
    /// live.
    pub live: usize,
    /// Bytes in gaps: free, and ready for any size that fits.
    pub free: usize,
    /// The number of gaps.
    pub gaps: usize,
    /// The largest gap in bytes. A block that needs more makes memory grow.
    pub largest: usize,
    /// Bytes in freed blocks that the free lists keep for their own class: what a burst left. They
    /// go back before memory grows.
    pub kept: usize,
    /// The number of kept blocks.
    pub kept_blocks: usize,
    /// Pages of the heap in which nothing is live: what a burst left, and no host takes back.
    pub empty: usize,
    /// The heap's other pages by how much of them is live: less than a quarter, less than half,
    /// less than three quarters, more. Many pages in the first
    /// quarters are fragmentation. Where the heap is spread over more than 4 GiB, which no wasm
    /// memory is, all of them count as the last.
    pub quarters: [usize; 4],
    /// Open regions; zero for all but the arena.
    pub regions: usize,
    classes: [Free; CLASSES],
    pins: [Pin; PINS],
}

/// The free memory of one size class: gaps and kept blocks of about a size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Free {
    /// Bytes in gaps.
    pub free: usize,
    /// The number of gaps.
    pub gaps: usize,
    /// Bytes in kept blocks.
    pub kept: usize,
    /// The number of kept blocks.
    pub kept_blocks: usize,
}

/// A region that has ended, and whose blocks live on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pin {
    /// The region's number, which serves again once its last block is freed.
    pub region: u32,
    /// Its live blocks.
    pub blocks: usize,
}

impl HeapReport {
    /// Returns what is free by size: the first class is up to 16 bytes, each next one twice that,
    /// the last one everything above 64 KiB.
    /// [`Snapshot::most`](crate::Snapshot::most) tells where a class ends.
    #[must_use]
    pub const fn classes(&self) -> &[Free] {
        &self.classes
    }

    /// Returns the ended regions that pin the most blocks, most first: up to 8. Empty for all but
    /// the arena.
    #[must_use]
    pub fn pins(&self) -> &[Pin] {
        let used = self.pins.iter().take_while(|pin| pin.blocks > 0).count();
        &self.pins[..used]
    }

    /// Returns the report as JSON, to format or to write.
    ///
    /// ```
    /// let json = sluicegate_alloc::HeapReport::default().json().to_string();
    /// assert!(json.starts_with(r#"{"walked":false,"#));
    /// ```
    #[must_use]
    pub const fn json(&self) -> Json<'_> {
        Json(self)
    }

    /// Returns the report of a strategy that is not behind a [`Global`](crate::Global). What was
    /// asked for is not known there.
    ///
    /// **Cost:** as for [`heap_report`].
    pub fn of<A: Strategy + ?Sized>(strategy: &A) -> Self {
        Self::new(strategy.usage(), 0, strategy.shape())
    }

    /// Makes a report of what a strategy tells.
    pub(crate) fn new(usage: Usage, asked: usize, shape: Option<Shape<'_>>) -> Self {
        let Usage { pages, grows, retained, .. } = usage;
        let mut report = Self { pages, grows, retained, asked, ..Self::default() };
        if let Some(shape) = shape {
            shape.walk(&mut report);
        }
        report
    }

    /// Notes a region that pins blocks, if few pin more.
    fn pin(&mut self, pin: Pin) {
        let mut moving = pin;
        for place in &mut self.pins {
            if moving.blocks > place.blocks {
                core::mem::swap(place, &mut moving);
            }
        }
    }
}

/// Returns where the memory of the program's allocator is; what it does not show is zero, and so is
/// everything if this crate does not know
/// the allocator. It allocates nothing, and needs 5 KiB of stack.
///
/// **Cost:** some 160 instructions for each gap and each kept block, and 60 more for each 128 MiB
/// of heap above the first. It looks at 262,144 of them at the most, which is 42 million
/// instructions. So make a report on demand, and not for every request.
#[must_use]
pub fn heap_report() -> HeapReport {
    let mut report = HeapReport::default();
    if let Some(heap) = installed() {
        let (usage, asked) = (heap.usage(), heap.live());
        heap.look(&mut |shape| report = HeapReport::new(usage, asked, shape));
    }
    report
}
