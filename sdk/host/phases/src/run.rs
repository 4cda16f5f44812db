//! Plays cells in Envoys: many in one, and those during which an Envoy ended each in one of its
//! own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sluicegate_build::{Build, add_target};
use sluicegate_loadtest::{Config, Envoy, Options, Proxy, workspace};

use crate::config::{self, Place};
use crate::moment::{Moment, Setting, Step};
use crate::peers::{Peers, Received};

/// How many cells share an Envoy.
const BATCH: usize = 40;
/// How many of them are played at a time.
const AT_A_TIME: usize = 6;
/// How many cells with an Envoy of their own are played at a time.
const ALONE_AT_A_TIME: usize = 3;
/// How long is waited for what may not come.
const PATIENCE: Duration = Duration::from_millis(150);
/// How long a cell that is played alone waits.
const ALONE: Duration = Duration::from_millis(600);
/// How often the log is read.
const POLL: Duration = Duration::from_millis(3);

/// A cell, or a moment without a call.
#[derive(Clone, Debug)]
pub struct Job {
    /// The callback, with its traffic.
    pub moment: &'static Moment,
    /// The steps of the calls.
    pub steps: String,
    /// Whether the script lets the stream go on when it was held.
    pub releases: bool,
    /// How many callbacks each step of the traffic brings without the call; empty if that is not
    /// known yet.
    pub marks: Vec<usize>,
    /// Whether the traffic ends with the call, so that it is seen at once whether Envoy serves.
    pub probes: bool,
    /// Whether the job has an Envoy of its own from the start, which it may end.
    pub alone: bool,
}

/// What became of a cell.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// What the filter logged: its callbacks, and indented its calls with their results.
    pub lines: Vec<String>,
    /// The bytes that the peers got.
    pub received: Received,
    /// How many callbacks had run after each step of the traffic.
    pub marks: Vec<usize>,
    /// Whether Envoy ended.
    pub died: bool,
    /// Whether Envoy served the next client.
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

/// Plays all jobs, and says of each what became of it; `progress` hears how many are done.
///
/// # Errors
///
/// When an Envoy does not start.
pub fn play(envoy: &Envoy, module: &Path, jobs: &[Job], progress: impl Fn(usize)) -> Result<Vec<Observed>> {
    let mut done: BTreeMap<usize, Observed> = BTreeMap::new();
    let (risky, mut waiting): (Vec<usize>, _) = (0..jobs.len()).partition(|at| jobs[*at].alone);
    all_alone(envoy, module, jobs, &risky, &mut done)?;
    while !waiting.is_empty() {
        let taken: Vec<usize> = waiting.drain(..waiting.len().min(BATCH)).collect();
        let batch: Vec<&Job> = taken.iter().map(|job| &jobs[*job]).collect();
        let mut suspects = Vec::new();
        for (job, played) in taken.into_iter().zip(batch_of(envoy, module, &batch, PATIENCE)?) {
            match played {
                Played::Done(observed) => drop(done.insert(job, observed)),
                Played::Died => suspects.push(job),
                Played::Waits => waiting.push(job),
            }
        }
        all_alone(envoy, module, jobs, &suspects, &mut done)?;
        progress(done.len());
    }
    Ok(done.into_values().collect())
}

/// Plays each of these jobs in an Envoy of its own, a few at a time.
fn all_alone(
    envoy: &Envoy,
    module: &Path,
    jobs: &[Job],
    those: &[usize],
    done: &mut BTreeMap<usize, Observed>,
) -> Result<()> {
    for few in those.chunks(ALONE_AT_A_TIME) {
        let played = scope(|scope| {
            let players: Vec<_> =
                few.iter().map(|job| scope.spawn(move || alone(envoy, module, &jobs[*job]))).collect();
            players.into_iter().map(|player| player.join().expect("a player does not panic")).collect::<Vec<_>>()
        });
        for (job, observed) in few.iter().zip(played) {
            done.insert(*job, observed?);
        }
    }
    Ok(())
}

/// Plays one job in an Envoy of its own, patiently.
///
/// # Errors
///
/// When Envoy does not start.
pub fn alone(envoy: &Envoy, module: &Path, job: &Job) -> Result<Observed> {
    let played = match batch_of(envoy, module, &[job], ALONE) {
        Ok(mut played) => played.pop(),
        // The filter ended Envoy before it served.
        Err(error) if job.moment.callback == "vm_start" || job.moment.callback == "configure" => {
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

/// How a cell of a batch went.
enum Played {
    Done(Observed),
    /// Envoy ended while it was played.
    Died,
    /// Envoy ended before it was played.
    Waits,
}

fn batch_of(envoy: &Envoy, module: &Path, jobs: &[&Job], patience: Duration) -> Result<Vec<Played>> {
    let folder = tempfile::tempdir()?;
    let places: Vec<Place> = jobs.iter().enumerate().map(|(at, job)| place(at, job)).collect();
    let mut peers = Vec::new();
    for place in &places {
        peers.push(Mutex::new(Some(Peers::listen(folder.path(), place, patience)?)));
    }
    let config = Config::from_json(config::of(folder.path(), &places))?;
    let config = if config.modules().is_empty() { config } else { config.with_module("tracer", module) };
    config::write_removable(folder.path(), module, places.iter())?;
    let removes = places.iter().any(|place| place.setting == Setting::Unloaded);
    let drain_seconds = removes.then_some(0);
    let options = Options { component_log_level: "wasm:info".into(), drain_seconds, ..Options::default() };
    let start = || Proxy::start(envoy, &config, &options);
    let batch = Batch {
        // A machine that is busy may take too long for so many VMs once.
        proxy: start().or_else(|error| if jobs.len() > 1 { start() } else { Err(error) })?,
        folder: folder.path(),
        module,
        places: &places,
        removed: Mutex::default(),
        stuck: AtomicBool::new(false),
        lines: Mutex::default(),
        over: AtomicBool::new(false),
        patience,
    };
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    scope(|scope| {
        let reader = scope.spawn(|| batch.read_log());
        let players: Vec<_> = (0..AT_A_TIME.min(jobs.len()))
            .map(|_| {
                scope.spawn(|| {
                    while batch.proxy.is_running() && !batch.stuck.load(Ordering::Relaxed) {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(peers) = peers.get(at).and_then(|peers| locked(peers).take()) else { break };
                        let observed = batch.play(&places[at], jobs[at], peers);
                        // An Envoy that serves nobody any more serves none of the others either.
                        let died = observed.died || !observed.serves && jobs.len() > 1;
                        batch.stuck.fetch_or(died, Ordering::Relaxed);
                        locked(&results).insert(at, if died { Played::Died } else { Played::Done(observed) });
                    }
                })
            })
            .collect();
        for player in players {
            let _ = player.join();
        }
        batch.over.store(true, Ordering::Relaxed);
        let _ = reader.join();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((0..jobs.len()).map(|at| results.remove(&at).unwrap_or(Played::Waits)).collect())
}

fn place(at: usize, job: &Job) -> Place {
    Place {
        at,
        kind: job.moment.kind,
        setting: job.moment.setting,
        script: job.moment.script_with(&job.steps, job.releases),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An Envoy with the cells of a batch.
struct Batch<'a> {
    proxy: Proxy,
    folder: &'a Path,
    module: &'a Path,
    places: &'a [Place],
    /// The places whose listeners are removed.
    removed: Mutex<BTreeSet<usize>>,
    /// Whether it serves nobody any more.
    stuck: AtomicBool,
    /// What the VM of each name logged on the worker.
    lines: Mutex<BTreeMap<String, Vec<String>>>,
    over: AtomicBool,
    patience: Duration,
}

impl Batch<'_> {
    fn play(&self, place: &Place, job: &Job, mut peers: Peers) -> Observed {
        let (name, mut marks) = (place.name(), Vec::new());
        for (at, step) in job.moment.steps.iter().enumerate() {
            let before = self.callbacks(&name);
            if peers.step(*step).is_err() || !self.proxy.is_running() {
                break;
            }
            if *step == Step::Unload && self.unload(place).is_err() {
                break;
            }
            self.wait(&name, job.marks.get(at).copied(), before, *step);
            marks.push(self.callbacks(&name));
            if job.probes && self.of(&name).iter().any(|line| line.contains(" nobody ")) {
                break;
            }
        }
        let received = peers.finish();
        peers.drop_connections();
        self.wait_for_end(&name);
        let died = !self.proxy.is_running();
        let serves = !died && peers.probe();
        // Envoy's end may take a moment, of a signal's handler.
        if !serves {
            sleep(Duration::from_millis(200));
        }
        let died = !self.proxy.is_running();
        Observed { lines: self.of(&name), received, marks, died, serves }
    }

    /// Removes the listener of a place.
    fn unload(&self, place: &Place) -> Result<()> {
        let mut removed = locked(&self.removed);
        removed.insert(place.at);
        let rest = self.places.iter().filter(|place| !removed.contains(&place.at));
        config::write_removable(self.folder, self.module, rest).context("cannot write the listeners")
    }

    /// Waits for the callbacks of a step: as many as without the call, or until no more come.
    fn wait(&self, name: &str, mark: Option<usize>, before: usize, step: Step) {
        let patience = match step {
            Step::Tick => self.patience * 2,
            // Envoy drains its listeners first.
            Step::Unload => self.patience * 10,
            _ => self.patience,
        };
        let deadline = Instant::now() + patience;
        let reached = |count: usize| match mark {
            Some(mark) => count >= mark,
            None => false,
        };
        let (mut seen, mut since) = (before, Instant::now());
        while Instant::now() < deadline && self.proxy.is_running() {
            let count = self.callbacks(name);
            if count != seen {
                (seen, since) = (count, Instant::now());
            }
            if reached(count) {
                break;
            }
            // More came than nothing, and then no more.
            if mark.is_none() && seen > before && since.elapsed() > patience / 2 {
                break;
            }
            sleep(POLL);
        }
        // What is on its way to the peers.
        sleep(POLL * 2);
    }

    /// Waits for the stream's last callback.
    fn wait_for_end(&self, name: &str) {
        let deadline = Instant::now() + self.patience;
        let deleted = |line: &String| line.starts_with("2 delete ");
        while Instant::now() < deadline && self.proxy.is_running() && !self.of(name).iter().any(deleted) {
            sleep(POLL);
        }
        sleep(POLL * 2);
    }

    fn of(&self, name: &str) -> Vec<String> {
        locked(&self.lines).get(name).cloned().unwrap_or_default()
    }

    /// How many callbacks ran.
    fn callbacks(&self, name: &str) -> usize {
        self.of(name).iter().filter(|line| !line.starts_with("  ")).count()
    }

    /// Sorts the lines of the log, until the batch is over.
    fn read_log(&self) {
        let (mut offset, mut main) = (0, None);
        loop {
            let over = self.over.load(Ordering::Relaxed);
            let text = self.proxy.log_from(offset);
            let whole = text.rfind('\n').map_or(0, |at| at + 1);
            offset += whole;
            for line in text[..whole].lines() {
                let thread = line.split(['[', ']']).nth(3).unwrap_or_default();
                if thread.is_empty() {
                    continue;
                }
                // The first that logs; its VMs serve no stream.
                let main = main.get_or_insert_with(|| thread.to_owned());
                let Some((_, told)) = line.split_once(" wasm log ").filter(|_| thread != main) else { continue };
                let Some((whose, text)) = told.split_once(": ") else { continue };
                let name = whose.split_whitespace().last().unwrap_or_default().to_owned();
                locked(&self.lines).entry(name).or_default().push(text.to_owned());
            }
            if over {
                return;
            }
            sleep(POLL);
        }
    }
}
