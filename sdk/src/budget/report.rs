//! The figures of memory: for the filter, as metrics of the proxy, and as a line in its log.

use core::cell::Cell;
use core::fmt::{self, Write};

use super::account::{counted, used};
use super::state::with;
use super::{Budget, Pressure};
use crate::ToValue;
use crate::abi::{LogLevel, call};
use crate::buffer::Buffer;
use crate::memory_metrics;

/// The memory of this VM by its use. Figures are in bytes unless the field says otherwise.
///
/// ```
/// let report = sluicegate::budget::report();
/// assert_eq!(report.to_string(), "0 B used, 0 B peak, 0 B live, 0 B held, 0 pages, 0 grows, 0 retained, 0 shed, 0 refused");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct MemoryReport {
    /// The bytes that count for the total: `live` and `held`.
    pub used: usize,
    /// The most bytes that were used at the end of a callback.
    pub peak: usize,
    /// The bytes that are allocated in the VM. If no feature picks the allocator and `plugin!` does
    /// not name it, only the bytes of blocks that the host asked for.
    pub live: usize,
    /// The bytes of bodies that the proxy keeps for the filter, and of reservations for them.
    pub held: usize,
    /// The pages of 64 KiB of linear memory, or 0 if the allocator is not known.
    pub pages: usize,
    /// The number of times that linear memory grew. It is 0 if the allocator is not known, and with
    /// `alloc-system`, whose growth nobody counts.
    pub grows: usize,
    /// The small blocks that outlive their stream. It is 0 for all allocators but `alloc-arena`.
    pub retained: usize,
    /// The streams that were answered or passed without the filter.
    pub shed: u64,
    /// The blocks and reservations that were refused.
    pub refused: u64,
    /// The part of the total that is used.
    pub pressure: Pressure,
}

impl MemoryReport {
    /// Writes the figures without the formatting code.
    #[inline(never)]
    fn write_to(&self, out: &mut impl Write) -> fmt::Result {
        let figures = [
            (self.used as u64, " B used, "),
            (self.peak as u64, " B peak, "),
            (self.live as u64, " B live, "),
            (self.held as u64, " B held, "),
            (self.pages as u64, " pages, "),
            (self.grows as u64, " grows, "),
            (self.retained as u64, " retained, "),
            (self.shed, " shed, "),
            (self.refused, " refused"),
        ];
        figures.iter().try_for_each(|(figure, unit)| {
            figure.with_value(|digits| out.write_str(str::from_utf8(digits).unwrap_or_default()))?;
            out.write_str(unit)
        })
    }
}

impl fmt::Display for MemoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

/// Returns the current figures of this VM.
///
/// # Cost
///
/// A few loads. No host call and no allocation.
#[must_use]
pub fn report() -> MemoryReport {
    let (_, held) = counted();
    let used = used();
    let usage = sluicegate_alloc::usage();
    with(|state| MemoryReport {
        used,
        peak: state.peak.get().max(used),
        live: used - held,
        held,
        shed: state.shed.get(),
        refused: state.refused.get(),
        pages: usage.pages,
        grows: usage.grows,
        retained: usage.retained,
        pressure: state.level.get(),
    })
}

crate::__vm_local! {
    /// The figures that the proxy got last.
    static LAST: Cell<Option<MemoryReport>> = Cell::new(None);
}

/// The change of bytes from which on the proxy gets new figures: a page.
const STEP: usize = 1 << 16;

/// Reports changed figures to the proxy. After a plugin's callback, all figures are reported. After
/// a stream's callback, the counters are reported, and the figures that changed by a page.
pub(super) fn publish(of_plugin: bool, pressure_changed: bool) {
    let Budget { metrics, log, .. } = with(|state| state.budget.get());
    if metrics != Some(true) && log != Some(true) {
        return;
    }
    let now = report();
    let last = LAST.with(Cell::get).unwrap_or_default();
    let moved = |now: usize, last: usize| now.abs_diff(last) >= STEP;
    let changed = of_plugin
        || pressure_changed
        || (now.pages, now.shed, now.refused) != (last.pages, last.shed, last.refused)
        || moved(now.live, last.live)
        || moved(now.held, last.held);
    if !changed || now == last {
        return;
    }
    LAST.with(|last| last.set(Some(now)));
    if metrics == Some(true) {
        memory_metrics::tell_all();
        memory_metrics::tell_budget(
            (now.held, last.held),
            [
                now.grows.saturating_sub(last.grows) as u64,
                now.shed.saturating_sub(last.shed),
                now.refused.saturating_sub(last.refused),
            ],
        );
    }
    if log == Some(true) && (pressure_changed || now.pages != last.pages) {
        let mut line = Buffer::new();
        // A line that does not fit into memory is cut.
        let _ = line.write_str("sluicegate: memory: ").and_then(|()| now.write_to(&mut line));
        call::log(LogLevel::Info, line.written());
    }
}
