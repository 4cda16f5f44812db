//! What may be set: by code or by the configuration.

use crate::error::{Error, Result};

/// What happens to a stream that passes its own budget.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OverStream {
    /// It is answered with this status: 413 unless something else is said. In the response 503
    /// takes the place of 413.
    Reply(u16),
    /// Only blocks are refused, and the filter decides: an error that it answers goes the way of
    /// every other.
    Refuse,
    /// It goes on without the filter, and so does what was held back of it.
    Pass,
    /// A body that is held back makes its sender wait: the callback's `StopIterationAndBuffer`
    /// becomes `StopIterationAndWatermark`. The proxy takes up to its own buffer limit. For filters
    /// that resume a stream by themselves; one that waits for the end of the body would wait for
    /// ever.
    Wait,
}

/// What happens when the total is passed: to the stream that makes memory grow, and to new ones
/// until it is back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OverTotal {
    /// They are answered with this status: 503 unless something else is said.
    Shed(u16),
    /// They go on without the filter.
    Pass,
    /// Only blocks are refused, and the filter decides.
    Refuse,
}

/// How much of the total is taken.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Pressure {
    /// Less than [`Budget::low_water`].
    #[default]
    Normal,
    /// More than that.
    High,
    /// The total was passed, and streams are shed.
    Over,
}

/// Budgets and what happens past them. What is left out stays as it was: nothing is limited by
/// itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Budget {
    pub(super) total: Option<usize>,
    pub(super) low_water: Option<usize>,
    pub(super) stream: Option<usize>,
    pub(super) reserve: Option<usize>,
    pub(super) pages: Option<usize>,
    pub(super) over_stream: Option<OverStream>,
    pub(super) over_total: Option<OverTotal>,
    pub(super) metrics: Option<bool>,
    pub(super) log: Option<bool>,
}

impl Budget {
    /// No limits.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            total: None,
            low_water: None,
            stream: None,
            reserve: None,
            pages: None,
            over_stream: None,
            over_total: None,
            metrics: None,
            log: None,
        }
    }

    /// How many bytes the VM may take.
    #[must_use]
    pub const fn total(self, bytes: usize) -> Self {
        Self { total: Some(bytes), ..self }
    }

    /// How few bytes it must be back at before new streams are taken again, and from how many on
    /// [`Pressure::High`] is told: three quarters of the total unless something else is said.
    #[must_use]
    pub const fn low_water(self, bytes: usize) -> Self {
        Self { low_water: Some(bytes), ..self }
    }

    /// How many bytes a stream may take.
    #[must_use]
    pub const fn stream(self, bytes: usize) -> Self {
        Self { stream: Some(bytes), ..self }
    }

    /// How many bytes are put by for the time when the SDK is out of memory: freed while a stream
    /// is answered for it and while `on_memory_pressure` runs, taken back after that.
    #[must_use]
    pub const fn reserve(self, bytes: usize) -> Self {
        Self { reserve: Some(bytes), ..self }
    }

    /// How many pages of 64 KiB the picked allocator may hold, the module's data and stack
    /// included. Past that it answers null, which ends in a trap where the filter uses `Vec` or
    /// `Box`: so it is the last line of defence, well above the total. An error where nobody keeps
    /// it: without a picked allocator, and with `alloc-system`, which grows memory by itself.
    #[must_use]
    pub const fn pages(self, pages: usize) -> Self {
        Self { pages: Some(pages), ..self }
    }

    /// What happens to a stream that passes its own budget.
    #[must_use]
    pub const fn over_stream(self, over: OverStream) -> Self {
        Self { over_stream: Some(over), ..self }
    }

    /// What happens when the total is passed.
    #[must_use]
    pub const fn over_total(self, over: OverTotal) -> Self {
        Self { over_total: Some(over), ..self }
    }

    /// Returns whether the figures of [`MemoryReport`](super::MemoryReport) are metrics of the
    /// proxy.
    #[must_use]
    pub const fn metrics(self, on: bool) -> Self {
        Self { metrics: Some(on), ..self }
    }

    /// Returns whether they are a line in the log, at info level, whenever the pressure changes or
    /// pages are added.
    #[must_use]
    pub const fn log(self, on: bool) -> Self {
        Self { log: Some(on), ..self }
    }

    /// This, and what it leaves out from `under`.
    pub(super) fn or(self, under: Self) -> Self {
        Self {
            total: self.total.or(under.total),
            low_water: self.low_water.or(under.low_water),
            stream: self.stream.or(under.stream),
            reserve: self.reserve.or(under.reserve),
            pages: self.pages.or(under.pages),
            over_stream: self.over_stream.or(under.over_stream),
            over_total: self.over_total.or(under.over_total),
            metrics: self.metrics.or(under.metrics),
            log: self.log.or(under.log),
        }
    }

    /// Returns whether the fields fit each other.
    pub(super) fn check(&self) -> Result<()> {
        match (self.low_water, self.total) {
            (Some(_), None) => Err(Error::new("memory: low_water without total")),
            (Some(low), Some(total)) if low > total => Err(Error::new("memory: low_water is over total")),
            _ => Ok(()),
        }
    }

    /// Returns the low-water mark that holds for this total.
    pub(super) fn mark(&self, total: usize) -> usize {
        self.low_water.unwrap_or(total - total / 4)
    }
}
