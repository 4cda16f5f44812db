//! The walk over a strategy's memory.

use super::{CLASSES, Free, HeapReport, Pin};
use crate::arena::records;
use crate::freelist::lists;
use crate::shape::Shape;
use crate::source::PAGE;

/// Gaps, kept blocks and regions that a walk looks at, together, before it stops.
pub(super) const MOST: usize = 1 << 18;

/// Pages whose free bytes are counted in one walk: 4 KiB of stack.
const WINDOW: usize = 2048;

/// Bytes that free bytes of a page are counted by: every size is a multiple.
const GRAIN: usize = 16;

/// Walks over the heap, at the most: enough for all of a 32-bit memory.
const WALKS: usize = u32::MAX as usize / (WINDOW * PAGE) + 1;

const _: () = assert!(PAGE / GRAIN <= u16::MAX as usize && size_of::<[u16; WINDOW]>() == 4096);

impl Shape<'_> {
    /// Calls `piece` with each free piece: its address, its bytes, and whether it is kept. It makes
    /// up to [`MOST`] calls. Returns whether these were all pieces.
    fn each(&self, mut piece: impl FnMut(usize, usize, bool)) -> bool {
        let mut left = MOST;
        let mut see = |at, bytes, kept| {
            if left == 0 {
                return false;
            }
            left -= 1;
            piece(at, bytes, kept);
            true
        };
        // The kept blocks are bounded, so they come first.
        lists::each(self.kept, |at, bytes| see(at, bytes, true)) && self.gaps.each(|at, bytes| see(at, bytes, false))
    }

    /// Writes the figures into a report.
    #[inline(never)]
    pub(crate) fn walk(&self, report: &mut HeapReport) {
        let (mut low, mut high) = (usize::MAX, 0);
        report.walked = true;
        report.held = self.gaps.size;
        report.complete = self.each(|at, bytes, kept| {
            (low, high) = (low.min(at), high.max(at + bytes));
            let class = &mut report.classes[class_of(bytes)];
            if kept {
                (class.kept, class.kept_blocks) = (class.kept + bytes, class.kept_blocks + 1);
            } else {
                (class.free, class.gaps) = (class.free + bytes, class.gaps + 1);
                report.largest = report.largest.max(bytes);
            }
        });
        for Free { free, gaps, kept, kept_blocks } in report.classes {
            report.free += free;
            report.gaps += gaps;
            report.kept += kept;
            report.kept_blocks += kept_blocks;
        }
        report.live = report.held - report.free - report.kept;
        self.spread(report, low & !(PAGE - 1), high);
        let mut left = MOST;
        report.complete &= records::each(self.records, MOST, |region, blocks, closed| {
            report.regions += usize::from(!closed);
            if closed {
                report.pin(Pin { region, blocks });
            }
            left -= 1;
            left > 0
        });
    }

    /// Counts pages by how full they are: one walk for each window of them from `low`, in which
    /// something is free, to `high`.
    #[inline(never)]
    fn spread(&self, report: &mut HeapReport, low: usize, high: usize) {
        let span = high.saturating_sub(low);
        let walks = span.div_ceil(WINDOW * PAGE);
        if walks > WALKS {
            return;
        }
        for walk in 0..walks {
            let first = low + walk * WINDOW * PAGE;
            let mut free = [0_u16; WINDOW];
            self.each(|at, bytes, _| {
                // The part of the piece that lies in the window.
                let end = (at + bytes).saturating_sub(first).min(WINDOW * PAGE);
                let mut at = at.saturating_sub(first);
                while at < end {
                    let stop = ((at / PAGE + 1) * PAGE).min(end);
                    free[at / PAGE % WINDOW] += ((stop - at) / GRAIN) as u16;
                    at = stop;
                }
            });
            for free in free.into_iter().filter(|free| *free > 0) {
                let free = usize::from(free) * GRAIN;
                if free == PAGE {
                    report.empty += 1;
                } else {
                    report.quarters[((PAGE - free) * 4 / PAGE).min(3)] += 1;
                }
            }
        }
        // Where nothing is free the heap's pages are full; what is no page of the heap's is not
        // counted.
        let seen = report.empty + report.quarters.iter().sum::<usize>();
        report.quarters[3] += (report.held / PAGE).saturating_sub(seen);
    }
}

/// Returns the class of a number of bytes.
const fn class_of(bytes: usize) -> usize {
    let bits = usize::BITS - (bytes.saturating_sub(1) >> 4).leading_zeros();
    if (bits as usize) < CLASSES { bits as usize } else { CLASSES - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Snapshot;

    #[test]
    fn a_class_ends_where_it_says() {
        for class in 0..CLASSES - 1 {
            let most = Snapshot::most(class).unwrap();
            assert_eq!((class_of(most), class_of(most + 1)), (class, class + 1));
        }
        assert_eq!((class_of(1), class_of(usize::MAX)), (0, CLASSES - 1));
    }
}
