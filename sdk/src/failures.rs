//! The number of failed callbacks: a counter of the proxy, for alerts. Operators do not read every
//! log.

use core::cell::Cell;

use crate::abi::{MetricType, call};

/// The counter's name.
const NAME: &[u8] = b"sluicegate_errors";

#[derive(Clone, Copy)]
enum Defined {
    /// Nothing has failed so far.
    NotYet,
    /// The host has no metrics.
    Never,
    As(u32),
}

crate::__vm_local! {
    static COUNTER: Cell<Defined> = Cell::new(Defined::NotYet);
}

/// Counts one failure. The first failure of a VM defines the counter, only once: a host keeps a
/// record of each definition.
#[cold]
pub(crate) fn count() {
    COUNTER.with(|counter| {
        if let Defined::NotYet = counter.get() {
            counter.set(call::define_metric(MetricType::Counter, NAME).map_or(Defined::Never, Defined::As));
        }
        if let Defined::As(defined) = counter.get() {
            // If the host refuses, the count is lost, and the filter goes on.
            let _ = call::increment_metric(defined, 1);
        }
    });
}
