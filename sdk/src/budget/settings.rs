//! The settings of a budget, by code or by the configuration.

use crate::error::{Error, Result};

/// The action on a stream that passes its own budget.
///
/// ```
/// use sluicegate::budget::{Budget, OverStream};
///
/// let budget = Budget::new().stream(1 << 20).over_stream(OverStream::Pass);
/// # let _ = budget;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OverStream {
    /// The stream is answered with this status: 413 by default. For a response, 503 replaces 413.
    Reply(u16),
    /// Only blocks are refused, and the filter decides. An error that its callback returns is
    /// handled like any other error.
    Refuse,
    /// The stream goes on without the filter, and so do its kept parts.
    Pass,
    /// A kept body makes its sender wait: the callback's `StopIterationAndBuffer` becomes
    /// `StopIterationAndWatermark`. The proxy takes bytes up to its own buffer limit. This is for
    /// filters that resume a stream by themselves. A filter that waits for the end of the body
    /// would never get it.
    Wait,
}

/// The action when the total is passed, on the stream that makes memory grow, and on new streams
/// until memory is back at the low-water mark.
///
/// ```
/// use sluicegate::budget::{Budget, OverTotal};
///
/// let budget = Budget::new().total(64 << 20).over_total(OverTotal::Pass);
/// # let _ = budget;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OverTotal {
    /// The streams are answered with this status: 503 by default.
    Shed(u16),
    /// The streams go on without the filter.
    Pass,
    /// Only blocks are refused, and the filter decides.
    Refuse,
}

/// The part of the total that is taken.
///
/// ```
/// use sluicegate::budget::Pressure;
///
/// let entries = |pressure| match pressure {
///     Pressure::Normal => 10_000,
///     Pressure::High => 1_000,
///     _ => 0,
/// };
/// assert_eq!(entries(Pressure::High), 1_000);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Pressure {
    /// At most [`Budget::low_water`].
    #[default]
    Normal,
    /// More than [`Budget::low_water`].
    High,
    /// The total was passed, and new streams are shed.
    Over,
}

/// Budgets, and the actions when they are passed. A setting that is left out limits nothing.
///
/// ```
/// use sluicegate::budget::{Budget, OverStream, OverTotal};
///
/// let budget = Budget::new()
///     .total(64 << 20)
///     .stream(1 << 20)
///     .over_stream(OverStream::Reply(413))
///     .over_total(OverTotal::Shed(503));
/// # let _ = budget;
/// ```
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
    /// Returns a budget without limits.
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

    /// Sets the number of bytes that the VM may take.
    #[must_use]
    pub const fn total(self, bytes: usize) -> Self {
        Self { total: Some(bytes), ..self }
    }

    /// Sets the low-water mark in bytes. New streams are accepted again once the memory is back at
    /// the mark. Above the mark the pressure is [`Pressure::High`]. The default is three quarters
    /// of the total.
    #[must_use]
    pub const fn low_water(self, bytes: usize) -> Self {
        Self { low_water: Some(bytes), ..self }
    }

    /// Sets the number of bytes that a stream may take.
    #[must_use]
    pub const fn stream(self, bytes: usize) -> Self {
        Self { stream: Some(bytes), ..self }
    }

    /// Sets the number of bytes that are kept in reserve for the time when the SDK is out of
    /// memory. They are freed while a stream is answered for this reason and while
    /// `on_memory_pressure` runs, and allocated again after that.
    #[must_use]
    pub const fn reserve(self, bytes: usize) -> Self {
        Self { reserve: Some(bytes), ..self }
    }

    /// Sets the number of pages of 64 KiB that the selected allocator may hold, including the
    /// module's data and stack. Over this limit the allocator returns null, which ends in a trap if
    /// the filter uses `Vec` or `Box`. So the limit is the last line of defence, well above the
    /// total. Setting the budget fails if nobody can keep the limit: without a selected allocator,
    /// and with `alloc-system`, which grows memory by itself.
    #[must_use]
    pub const fn pages(self, pages: usize) -> Self {
        Self { pages: Some(pages), ..self }
    }

    /// Sets the action on a stream that passes its own budget.
    #[must_use]
    pub const fn over_stream(self, over: OverStream) -> Self {
        Self { over_stream: Some(over), ..self }
    }

    /// Sets the action when the total is passed.
    #[must_use]
    pub const fn over_total(self, over: OverTotal) -> Self {
        Self { over_total: Some(over), ..self }
    }

    /// Sets whether the figures of [`MemoryReport`](super::MemoryReport) are metrics of the proxy.
    /// With `false`, the gauges of the feature `metrics` are off as well.
    #[must_use]
    pub const fn metrics(self, on: bool) -> Self {
        Self { metrics: Some(on), ..self }
    }

    /// Sets whether the figures are written to the log, at info level, whenever the pressure
    /// changes or pages are added.
    #[must_use]
    pub const fn log(self, on: bool) -> Self {
        Self { log: Some(on), ..self }
    }

    /// Returns these settings, with the ones that they leave out taken from `under`.
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

    /// Checks that the fields fit each other.
    ///
    /// # Errors
    ///
    /// Fails if there is a low-water mark without a total, or above it.
    pub(super) fn check(&self) -> Result<()> {
        match (self.low_water, self.total) {
            (Some(_), None) => Err(Error::new("memory: low_water without total")),
            (Some(low), Some(total)) if low > total => Err(Error::new("memory: low_water is over total")),
            _ => Ok(()),
        }
    }

    /// Returns the low-water mark for this total.
    pub(super) fn mark(&self, total: usize) -> usize {
        self.low_water.unwrap_or(total - total / 4)
    }
}
