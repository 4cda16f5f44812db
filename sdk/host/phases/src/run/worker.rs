//! The thread of an Envoy that serves, as the kernel shows it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// The interval at which the thread is looked at.
const POLL: Duration = Duration::from_micros(500);
/// The time for which a thread runs that never waits again, in hundredths of a second of its own
/// time. A move of a peer takes a tenth of one.
const SPINS: u64 = 40;
/// The longest wait for a thread that neither runs nor waits for events.
const LIMIT: Duration = Duration::from_secs(60);

/// The one worker of an Envoy.
#[derive(Debug)]
pub(super) struct Worker {
    /// The thread's folder in `/proc`.
    task: PathBuf,
}

/// The final state of a worker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rest {
    /// It waits for events, so everything that it was sent is done.
    Sleeps,
    /// It runs on and on.
    Spins,
    /// It has ended.
    Gone,
}

impl Worker {
    /// Finds the worker of an Envoy that serves.
    ///
    /// # Errors
    ///
    /// Fails if there is none, or if the kernel does not show where it waits.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let is_worker = |task: &Path| {
            fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("wrk:")) //
        };
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).context("Envoy is gone")?;
        let task = tasks.flatten().map(|task| task.path()).find(|task| is_worker(task));
        let worker = Self { task: task.context("Envoy has no worker")? };
        let deadline = Instant::now() + LIMIT;
        while worker.waits() == Some(false) && Instant::now() < deadline {
            sleep(POLL);
        }
        let shown = worker.waits().context("Envoy has ended")?;
        shown.then_some(worker).context("the kernel does not show in `wchan` where a thread waits")
    }

    /// Waits until the worker has done everything that it was sent. How busy the machine is makes
    /// no difference: a thread that has something to do is never shown as waiting.
    pub(super) fn rest(&self) -> Rest {
        let (mut ran, mut waited, deadline) = (self.ran(), self.waited(), Instant::now() + LIMIT);
        loop {
            match self.waits() {
                Some(true) => return Rest::Sleeps,
                None => return Rest::Gone,
                Some(false) => {}
            }
            // Other cells may keep it busy whenever it is looked at.
            let waited_now = self.waited();
            if waited != waited_now {
                (ran, waited) = (self.ran(), waited_now);
            }
            if self.ran().saturating_sub(ran) > SPINS || Instant::now() > deadline {
                return Rest::Spins;
            }
            sleep(POLL);
        }
    }

    /// Returns whether the thread waits for events, or `None` if the thread has ended.
    fn waits(&self) -> Option<bool> {
        fs::read_to_string(self.task.join("wchan")).ok().map(|place| place.contains("poll"))
    }

    /// The number of times that the thread has waited.
    fn waited(&self) -> u64 {
        let text = fs::read_to_string(self.task.join("status")).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
    }

    /// The time that the thread has run, in hundredths of a second.
    fn ran(&self) -> u64 {
        let text = fs::read_to_string(self.task.join("stat")).unwrap_or_default();
        // The thread's name may hold spaces.
        let (_, fields) = text.rsplit_once(')').unwrap_or_default();
        fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// The thread of this process that calls.
    fn of_this_thread() -> Worker {
        Worker { task: Path::new("/proc").join(fs::read_link("/proc/thread-self").expect("this thread")) }
    }

    #[test]
    fn a_thread_that_runs_on_spins_and_one_that_ended_is_gone() {
        let (give, take) = mpsc::channel();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                give.send(of_this_thread()).expect("a receiver");
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let worker = take.recv().expect("a thread");
            assert_eq!(worker.rest(), Rest::Spins);
            over.store(true, Ordering::Relaxed);
            assert_eq!(worker.rest(), Rest::Gone);
        });
    }
}
