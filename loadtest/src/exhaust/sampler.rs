//! The memory of an Envoy over time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;
use sluicegate_envoy::usage;

/// The interval at which the memory is read.
const PERIOD: Duration = Duration::from_millis(25);

/// The memory at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Sample {
    /// The milliseconds since the first sample.
    pub(super) at: u64,
    /// The resident memory of the process, in KiB.
    pub(super) rss_kib: u64,
    /// The linear memory of the largest VM, in KiB.
    pub(super) wasm_kib: u64,
}

/// A thread that reads the memory of a process until it is told to end.
pub(super) struct Sampler {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Sample>>,
}

impl Sampler {
    pub(super) fn start(pid: u32) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let told = ends.clone();
        let thread = thread::spawn(move || {
            let (begun, mut samples) = (Instant::now(), Vec::new());
            while !told.load(Ordering::Relaxed) {
                // Without figures of the system there are no samples.
                if let Some(rss_kib) = usage::rss_kib(pid) {
                    let at = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let wasm_kib = usage::wasm_memory(pid).map_or(0, |memory| memory.largest / 1024);
                    samples.push(Sample { at, rss_kib, wasm_kib });
                }
                thread::sleep(PERIOD);
            }
            samples
        });
        Self { ends, thread }
    }

    pub(super) fn finish(self) -> Vec<Sample> {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}
