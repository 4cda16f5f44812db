//! The CPU time of this thread, and the median of samples.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Returns the CPU time of `f`.
pub fn time<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let before = now();
    let result = f();
    (result, now() - before)
}

fn now() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Returns the median, or zero if there are no values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
