//! Checks of a strategy's report against the model: by the bytes of every live block, which are
//! computed here from the block's layout alone.

use std::alloc::Layout;

use sluicegate_alloc::{HeapReport, Strategy};

/// The unit of sizes: four words, of which the last is the tag.
const UNIT: usize = 4 * size_of::<usize>();

/// Returns the bytes of a layout's block in a coalescing heap.
#[must_use]
pub fn rounded(layout: Layout) -> usize {
    (layout.size() + size_of::<usize>()).next_multiple_of(UNIT)
}

/// Returns the bytes of a layout's block in free lists. Above 1 KiB there are sixteen classes for
/// each doubling. Above 64 KiB and for large alignments there are no classes.
#[must_use]
pub fn classed(layout: Layout) -> usize {
    let size = layout.size();
    if size <= 1024 || size > 65_536 || layout.align() > 16 {
        return rounded(layout);
    }
    let step = ((size - 1).ilog2() - 4) as usize;
    (size.next_multiple_of(1 << step) + size_of::<usize>()).next_multiple_of(UNIT)
}

/// Compares a strategy's report with the bytes of all live blocks, and the number of open regions.
///
/// # Errors
///
/// Fails with the figure that is wrong, and the figures of the model.
pub fn check<A: Strategy>(strategy: &A, live: usize, open: usize) -> Result<(), String> {
    let report = HeapReport::of(strategy);
    let HeapReport { held, free, gaps, kept, kept_blocks, largest, grows, retained, .. } = report;
    let told = report.live;
    let fault = |what: &str| Err(format!("{what}: {live} B are live, {open} regions open, {report:?}"));
    if !report.walked || !report.complete || told + free + kept != held {
        return fault("bytes are missing");
    }
    // Each growth may take up to two units for itself. The arena also has a table, whose size is a
    // power of two of words.
    let own = told.wrapping_sub(live);
    let tables = (6..24).map(|shift| classed(Layout::from_size_align(1 << shift, 4).unwrap_or(Layout::new::<u32>())));
    let table = if open > 0 || retained > 0 {
        tables.clone().find(|table| *table <= own && own - table <= grows * 2 * UNIT)
    } else {
        None
    };
    if own - table.unwrap_or(0) > grows * 2 * UNIT || (grows > 0 && own < size_of::<usize>()) {
        return fault("other bytes are live");
    }
    let classes = report.classes();
    let sum = |of: fn(&sluicegate_alloc::report::Free) -> usize| classes.iter().map(of).sum::<usize>();
    if (sum(|of| of.free), sum(|of| of.gaps), sum(|of| of.kept), sum(|of| of.kept_blocks))
        != (free, gaps, kept, kept_blocks)
    {
        return fault("the classes have other sums");
    }
    // With pointers of 32 bits, a few gaps times the largest may be more than 4 GiB.
    if largest > free || (gaps > 0) != (largest > 0) || free > gaps.saturating_mul(largest) {
        return fault("the largest gap is none");
    }
    let pages = report.empty + report.quarters.iter().sum::<usize>();
    if pages.abs_diff(held / sluicegate_alloc::source::PAGE) > grows {
        return fault("pages are missing");
    }
    if report.regions != open {
        return fault("other regions are open");
    }
    let pins = report.pins();
    let named = pins.iter().map(|pin| pin.blocks).sum::<usize>();
    if named > retained
        || (pins.len() < 8 && named != retained)
        || !pins.is_sorted_by_key(|pin| usize::MAX - pin.blocks)
    {
        return fault("other blocks are retained");
    }
    Ok(())
}
