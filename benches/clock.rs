//! CPU time of this thread, and what to make of it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long `f` ran on a processor.
pub fn time<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let before = now();
    let result = f();
    (result, now() - before)
}

fn now() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The value in the middle; zero if there is none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
