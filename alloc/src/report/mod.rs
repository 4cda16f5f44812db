//! The report of the heap: a walk on demand that shows the live and the free memory, and its place.
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
//! [`heap_report`](crate::heap_report) reports the allocator of the program. A module that does not
//! call it has none of its code.

mod shape;
mod write;

pub use crate::shape::Shape;
pub use write::Json;
#[cfg(feature = "profile")]
pub(crate) use write::number;

use crate::stats::CLASSES;
use crate::strategy::{Strategy, Usage};

/// The number of closed regions that a report names.
const PINS: usize = 8;

/// The memory of a heap at one moment. Bytes include the tag of each block, and the rounding to its
/// class.
///
/// `held` is the sum of `live`, `free` and `kept`.
///
/// Its `Display` is one line. The alternate form, `{:#}`, has another line for each class.
/// [`json`](Self::json) has all figures.
///
/// ```
/// let line = "not walked: 0 pages, 0 grows, 0 B asked for";
/// assert_eq!(sluicegate_alloc::HeapReport::default().to_string(), line);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeapReport {
    /// `true` if the allocator shows its memory. `talc`, `system` and an allocator that this crate
    /// does not know do not show it. Then the report has only `pages`, `grows`, `retained` and
    /// `asked`. The other figures are zero here, and `null` in JSON.
    pub walked: bool,
    /// `true` if the walk saw the whole heap. The walk stops after 262,144 gaps and kept blocks,
    /// and the rest then counts as live.
    pub complete: bool,
    /// The pages of 64 KiB that the allocator holds. On wasm this is the whole linear memory,
    /// including data and stack.
    pub pages: usize,
    /// The number of times that memory was grown.
    pub grows: usize,
    /// The number of live blocks that outlived their region.
    pub retained: usize,
    /// The requested bytes of all live blocks. Zero without the feature `live`.
    pub asked: usize,
    /// The bytes that the heap has acquired: `live`, `free` and `kept`.
    pub held: usize,
    /// The bytes in live blocks. Up to 64 bytes for each growth, which the heap itself needs, count
    /// as live.
    pub live: usize,
    /// The bytes in gaps, which serve any size that fits.
    pub free: usize,
    /// The number of gaps.
    pub gaps: usize,
    /// The size of the largest gap in bytes. Memory grows for a block that needs more.
    pub largest: usize,
    /// The bytes in freed blocks that the free lists keep for their own class. They go back to the
    /// heap before memory grows.
    pub kept: usize,
    /// The number of kept blocks.
    pub kept_blocks: usize,
    /// The number of pages of the heap without a live byte. A burst left them, and no host takes
    /// them back.
    pub empty: usize,
    /// The number of the other pages of the heap, by the live part of each page: less than a
    /// quarter, less than half, less than three quarters, more. Many pages in the first quarters
    /// mean fragmentation. If the heap is spread over more than 4 GiB, which no wasm memory is, all
    /// pages count as the last.
    pub quarters: [usize; 4],
    /// The number of open regions. Zero for all allocators but the arena.
    pub regions: usize,
    classes: [Free; CLASSES],
    pins: [Pin; PINS],
}

/// The free memory of one size class: gaps and kept blocks of about a size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Free {
    /// The bytes in gaps.
    pub free: usize,
    /// The number of gaps.
    pub gaps: usize,
    /// The bytes in kept blocks.
    pub kept: usize,
    /// The number of kept blocks.
    pub kept_blocks: usize,
}

/// A region that has ended and still has live blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pin {
    /// The region's number. Another region may get the number once the last block is freed.
    pub region: u32,
    /// The number of its live blocks.
    pub blocks: usize,
}

impl HeapReport {
    /// Returns the free memory by size. The first class is up to 16 bytes, each further class is up
    /// to twice the size of the one before, and the last has everything above 64 KiB.
    /// [`Snapshot::most`](crate::Snapshot::most) returns the end of a class.
    #[must_use]
    pub const fn classes(&self) -> &[Free] {
        &self.classes
    }

    /// Returns the ended regions with the most live blocks, up to 8, in descending order. Empty for
    /// all allocators but the arena.
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

    /// Returns the report of a strategy that is not behind a [`Global`](crate::Global). It does not
    /// have the requested bytes.
    ///
    /// **Cost:** that of [`heap_report`](crate::heap_report).
    pub fn of<A: Strategy + ?Sized>(strategy: &A) -> Self {
        Self::new(strategy.usage(), 0, strategy.shape())
    }

    /// Makes a report from the figures of a strategy.
    pub(crate) fn new(usage: Usage, asked: usize, shape: Option<Shape<'_>>) -> Self {
        let Usage { pages, grows, retained, .. } = usage;
        let mut report = Self { pages, grows, retained, asked, ..Self::default() };
        if let Some(shape) = shape {
            shape.walk(&mut report);
        }
        report
    }

    /// Adds a region with live blocks, if it is one of those with the most.
    fn pin(&mut self, pin: Pin) {
        let mut moving = pin;
        for place in &mut self.pins {
            if moving.blocks > place.blocks {
                core::mem::swap(place, &mut moving);
            }
        }
    }
}
