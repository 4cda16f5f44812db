//! The cost of each callback, with the feature `timing`: time, host calls and allocations, as
//! metrics and as lines at debug level.
//!
//! A filter needs no change: `plugin!` measures each callback that the module exports. Without the
//! feature none of this is linked.
//!
//! | metric | kind | holds |
//! |---|---|---|
//! | `sluicegate_ns_callback=NAME` | histogram | how long each run took, in nanoseconds |
//! | `sluicegate_calls_callback=NAME` | counter | how often it ran |
//! | `sluicegate_hostcalls_callback=NAME` | counter | the host calls that it made |
//! | `sluicegate_allocations_callback=NAME` | counter | the blocks that it allocated, those that the host asked for included |
//!
//! `NAME` is the callback's export without `proxy_on_` and with `-` for `_`: `request-headers`.
//! With the regular expression `(_callback=([^_]+))` Envoy makes a tag of it, as
//! [`metric`](crate::metric#tags) shows.
//!
//! The line is `proxy_on_request_headers took 1250 ns, 3 host calls, 2 allocations`.
//!
//! # Measured values
//!
//! The time is that of the proxy's wall clock, before and after the callback. The work of the host
//! in host calls counts. Entering and leaving the VM does not. If the clock goes back meanwhile,
//! nothing is recorded. The allocator that a feature selected (`alloc-talc` and the others) counts
//! allocations. Without a selected allocator they are left out. A callback that a host runs inside
//! another one counts for both.
//!
//! # Cost
//!
//! Six host calls for each callback, 0.3 µs in Envoy, and one more for a line that is kept. The
//! first run of a callback in a VM defines its metrics. The module grows by 6 kB.

use core::cell::Cell;

use crate::ToValue;
use crate::abi::{LogLevel, call, host_calls};
use crate::buffer::Buffer;
use crate::error::Result;
use crate::log;
use crate::metric::{Counter, Histogram};

/// A measured callback of a VM.
#[doc(hidden)]
pub struct Timed {
    export: &'static str,
    metrics: Cell<Defined>,
}

#[derive(Clone, Copy)]
enum Defined {
    NotYet,
    /// The host has no metrics.
    Never,
    As(Metrics),
}

#[derive(Clone, Copy)]
struct Metrics {
    time: Histogram,
    calls: Counter,
    host_calls: Counter,
    allocations: Counter,
}

/// The counts at a point in time.
struct Reading {
    time: Option<u64>,
    host_calls: u64,
    allocations: Option<u64>,
}

impl Reading {
    fn now() -> Self {
        // The host call of the clock comes between the two readings.
        let (host_calls, allocations) = (host_calls(), allocations());
        Self { time: call::time().ok(), host_calls, allocations }
    }

    /// Returns the differences since `before`. The counts are read first, so that the measuring
    /// itself is left out.
    fn since(before: &Self) -> Self {
        let now = Self { host_calls: host_calls(), allocations: allocations(), time: call::time().ok() };
        Self {
            time: now.time.zip(before.time).and_then(|(now, before)| now.checked_sub(before)),
            // One host call is that of the clock, when `before` was read.
            host_calls: now.host_calls.saturating_sub(before.host_calls).saturating_sub(1),
            allocations: now.allocations.zip(before.allocations).map(|(now, before)| now.saturating_sub(before)),
        }
    }
}

/// Returns the number of blocks that were allocated so far.
#[cfg(any(feature = "alloc-arena", feature = "alloc-freelist", feature = "alloc-talc", feature = "alloc-system"))]
#[expect(clippy::unnecessary_wraps, reason = "the twin below has none")]
fn allocations() -> Option<u64> {
    Some(sluicegate_alloc::snapshot().allocations)
}

#[cfg(not(any(
    feature = "alloc-arena",
    feature = "alloc-freelist",
    feature = "alloc-talc",
    feature = "alloc-system"
)))]
const fn allocations() -> Option<u64> {
    None
}

impl Timed {
    /// Returns the measured callback of this export.
    #[must_use]
    pub const fn new(export: &'static str) -> Self {
        Self { export, metrics: Cell::new(Defined::NotYet) }
    }

    /// Runs the callback and records its cost.
    pub fn run<R>(&self, callback: impl FnOnce() -> R) -> R {
        let before = Reading::now();
        let answer = callback();
        let cost = Reading::since(&before);
        // If the host refuses, the figures are lost, and the filter goes on.
        let _ = self.record(&cost);
        if log::enabled(LogLevel::Debug) {
            self.log(&cost);
        }
        answer
    }

    fn record(&self, cost: &Reading) -> Result<()> {
        let metrics = match self.metrics.get() {
            Defined::As(metrics) => metrics,
            Defined::Never => return Ok(()),
            Defined::NotYet => {
                let defined = self.define();
                self.metrics.set(defined.as_ref().map_or(Defined::Never, |metrics| Defined::As(*metrics)));
                defined?
            }
        };
        metrics.calls.increment(1)?;
        metrics.host_calls.increment(cost.host_calls)?;
        metrics.allocations.increment(cost.allocations.unwrap_or_default())?;
        cost.time.map_or(Ok(()), |time| metrics.time.record(time))
    }

    fn define(&self) -> Result<Metrics> {
        let mut name = Buffer::new();
        let export = self.export.as_bytes();
        let export = export.strip_prefix(b"proxy_").unwrap_or(export);
        for byte in export.strip_prefix(b"on_").unwrap_or(export) {
            name.append(&[if *byte == b'_' { b'-' } else { *byte }])?;
        }
        let tags = &[("callback", name.written())];
        Ok(Metrics {
            time: Histogram::with_tags("sluicegate_ns", tags)?,
            calls: Counter::with_tags("sluicegate_calls", tags)?,
            host_calls: Counter::with_tags("sluicegate_hostcalls", tags)?,
            allocations: Counter::with_tags("sluicegate_allocations", tags)?,
        })
    }

    fn log(&self, cost: &Reading) {
        let mut line = Buffer::new();
        // Parts that do not fit into memory are left out.
        let _ = line.push(self.export.as_bytes());
        let figures = [
            (" took ", cost.time, " ns"),
            (", ", Some(cost.host_calls), " host calls"),
            (", ", cost.allocations, " allocations"),
        ];
        for (before, number, after) in figures {
            let Some(number) = number else { continue };
            number.with_value(|number| {
                for part in [before.as_bytes(), number, after.as_bytes()] {
                    let _ = line.push(part);
                }
            });
        }
        call::log(LogLevel::Debug, line.written());
    }
}
