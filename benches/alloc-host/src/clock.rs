//! CPU time of this thread.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long `f` ran on a processor.
pub(crate) fn time<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let before = now();
    let result = f();
    (result, now() - before)
}

fn now() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
