//! Plays cells in Envoys: many in one, and those during which an Envoy ended each in one of its
//! own.

mod batch;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::scope;

use anyhow::{Context as _, Result, ensure};
use sluicegate_build::{Build, add_target};
use sluicegate_envoy::Envoy;
use sluicegate_workspace as workspace;

use crate::moment::Moment;
use crate::peers::Received;
use batch::Played;

/// The number of cells that share an Envoy.
const BATCH: usize = 40;
/// The number of them that are played at a time.
const OF_A_BATCH: usize = 6;

/// A cell, or a moment without a call.
#[derive(Clone, Debug)]
pub struct Job {
    /// The callback, with its traffic.
    pub moment: &'static Moment,
    /// The steps of the calls.
    pub steps: String,
    /// `true` if the script lets the stream go on when it was held.
    pub releases: bool,
    /// `true` if the traffic ends with the call, so that it is seen at once whether Envoy serves.
    pub probes: bool,
    /// `true` if the job has an Envoy of its own from the start, which it may end.
    pub alone: bool,
}

/// The result of a cell.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The lines that the filter logged: its callbacks, and indented its calls with their results.
    pub lines: Vec<String>,
    /// The bytes that the peers got.
    pub received: Received,
    /// `true` if Envoy ended.
    pub died: bool,
    /// `true` if Envoy served the next client.
    pub serves: bool,
}

/// Builds the filter.
///
/// # Errors
///
/// When the build fails.
pub fn build() -> Result<PathBuf> {
    add_target(sluicegate_build::run).map_err(anyhow::Error::msg)?;
    let folder = workspace::target_dir().join("guests/none");
    let build = Build::new(workspace::root(), "sluicegate-drift", "guest").target_dir(folder);
    let answer = sluicegate_build::run(&mut build.command()).context("cannot run cargo")?;
    ensure!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    Ok(build.module())
}

/// Envoys of one version, which play cells with a filter.
#[derive(Clone, Copy, Debug)]
pub struct Envoys<'a> {
    /// The version.
    pub envoy: &'a Envoy,
    /// The filter's module.
    pub module: &'a Path,
    /// The number of Envoys that run at a time.
    pub at_a_time: usize,
}

impl Envoys<'_> {
    /// Plays all jobs, and says of each what became of it; `progress` hears how many are done.
    ///
    /// # Errors
    ///
    /// Fails if an Envoy does not start.
    pub fn play(&self, jobs: &[Job], progress: impl Fn(usize)) -> Result<Vec<Observed>> {
        let mut done: Vec<Option<Observed>> = vec![None; jobs.len()];
        let (mut risky, mut waiting): (Vec<usize>, _) = (0..jobs.len()).partition(|at| jobs[*at].alone);
        while !risky.is_empty() || !waiting.is_empty() {
            let size = waiting.len().div_ceil(self.at_a_time).clamp(1, BATCH);
            let batches: Vec<Vec<usize>> = waiting.chunks(size).map(<[_]>::to_vec).collect();
            waiting.clear();
            let played = self.all(&batches, |batch| {
                let jobs: Vec<&Job> = batch.iter().map(|job| &jobs[*job]).collect();
                batch::play(self.envoy, self.module, &jobs, OF_A_BATCH)
            })?;
            for (job, played) in batches.into_iter().flatten().zip(played.into_iter().flatten()) {
                match played {
                    Played::Done(observed) => done[job] = Some(observed),
                    Played::Died => risky.push(job),
                    Played::Waits => waiting.push(job),
                }
            }
            progress(done.iter().flatten().count());
            for (job, observed) in risky.iter().zip(self.all(&risky, |job| self.alone(&jobs[*job]))?) {
                done[*job] = Some(observed);
            }
            risky.clear();
            progress(done.iter().flatten().count());
        }
        Ok(done.into_iter().flatten().collect())
    }

    /// Plays each pair of jobs in an Envoy of its own, the second job after the first. The first
    /// does no harm.
    ///
    /// # Errors
    ///
    /// Fails if an Envoy does not start.
    pub fn play_pairs(&self, pairs: &[[Job; 2]]) -> Result<Vec<[Observed; 2]>> {
        self.all(pairs, |pair| {
            let [first, second] = pair;
            // The filter may end Envoy before it serves.
            if second.begins() {
                return Ok([self.alone(first)?, self.alone(second)?]);
            }
            let mut played =
                batch::play(self.envoy, self.module, &[first, second], 1)?.into_iter().map(|played| match played {
                    Played::Done(observed) => observed,
                    Played::Died | Played::Waits => Observed { died: true, ..Observed::default() },
                });
            let mut next = || played.next().unwrap_or_default();
            Ok([next(), next()])
        })
    }

    /// Plays one job in an Envoy of its own.
    fn alone(&self, job: &Job) -> Result<Observed> {
        let played = match batch::play(self.envoy, self.module, &[job], 1) {
            Ok(mut played) => played.pop(),
            // The filter ended Envoy before it served.
            Err(error) if job.begins() => {
                let text = format!("{error:#}");
                ensure!(["ended at once", "refused", "does not serve"].iter().any(|end| text.contains(end)), "{text}");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(match played {
            Some(Played::Done(observed)) => observed,
            _ => Observed { died: true, ..Observed::default() },
        })
    }

    /// Does something with each of these, a few at a time.
    fn all<T: Sync, R: Send>(&self, those: &[T], play: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        scope(|scope| {
            for _ in 0..self.at_a_time.min(those.len()) {
                scope.spawn(|| {
                    while let Some((at, each)) = those.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
                        let played = play(each);
                        locked(&done).push((at, played));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, played)| played).collect()
    }
}

impl Job {
    /// Returns whether the call is made before Envoy serves.
    fn begins(&self) -> bool {
        ["vm_start", "configure"].contains(&self.moment.callback)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
