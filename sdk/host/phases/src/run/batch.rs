//! An Envoy with the cells of a batch, and the play of one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sluicegate_envoy::{Config, Envoy, Options, Proxy};

use super::worker::{Rest, Worker};
use super::{Job, Observed, locked};
use crate::config::{self, Place};
use crate::moment::{Setting, Step};
use crate::peers::Peers;

/// The interval at which is looked for an event that no traffic brings: a tick, a plugin's end, or
/// that of a connection.
const POLL: Duration = Duration::from_millis(3);
/// The longest wait for such an event. A call can prevent it.
const LIMIT: Duration = Duration::from_secs(10);

/// The course of a cell of a batch.
pub(super) enum Played {
    Done(Observed),
    /// Envoy ended while it was played.
    Died,
    /// Envoy ended before it was played.
    Waits,
}

/// Plays cells in one Envoy, so many at a time.
///
/// # Errors
///
/// Fails if Envoy does not start.
pub(super) fn play(envoy: &Envoy, module: &Path, jobs: &[&Job], at_a_time: usize) -> Result<Vec<Played>> {
    let folder = tempfile::tempdir()?;
    let places: Vec<Place> = jobs.iter().enumerate().map(|(at, job)| place(at, job)).collect();
    let mut peers = Vec::new();
    for place in &places {
        peers.push(Mutex::new(Some(Peers::listen(folder.path(), place)?)));
    }
    let batch = Batch::start(envoy, module, folder.path(), &places)?;
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    scope(|scope| {
        for _ in 0..at_a_time.min(jobs.len()) {
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
            });
        }
    });
    let mut results = locked(&results);
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

/// An Envoy with the cells of a batch.
struct Batch<'a> {
    proxy: Proxy,
    worker: Worker,
    folder: &'a Path,
    module: &'a Path,
    places: &'a [Place],
    /// The places whose listeners are removed.
    removed: Mutex<BTreeSet<usize>>,
    /// `true` if it serves nobody any more.
    stuck: AtomicBool,
    log: Mutex<Lines>,
}

/// The lines that the VM of each name logged on the worker.
#[derive(Default)]
struct Lines {
    offset: usize,
    /// The thread that logs first. Its VMs serve no stream.
    main: Option<String>,
    of: BTreeMap<String, Vec<String>>,
}

impl<'a> Batch<'a> {
    fn start(envoy: &Envoy, module: &'a Path, folder: &'a Path, places: &'a [Place]) -> Result<Self> {
        let config = Config::from_json(config::of(folder, places))?;
        let config = if config.modules().is_empty() { config } else { config.with_module("tracer", module) };
        config::write_removable(folder, module, places.iter())?;
        let removes = places.iter().any(|place| place.setting == Setting::Unloaded);
        let drain_seconds = removes.then_some(0);
        let options = Options { component_log_level: "wasm:info".into(), drain_seconds, ..Options::default() };
        let start = || Proxy::start(envoy, &config, &options);
        // A machine that is busy may take too long for so many VMs once.
        let proxy = start().or_else(|error| if places.len() > 1 { start() } else { Err(error) })?;
        let worker = Worker::of(proxy.pid())?;
        let (removed, stuck, log) = (Mutex::default(), AtomicBool::new(false), Mutex::default());
        Ok(Self { proxy, worker, folder, module, places, removed, stuck, log })
    }

    fn play(&self, place: &Place, job: &Job, mut peers: Peers) -> Observed {
        let name = place.name();
        let (mut ticks, mut rest) = (true, Rest::Sleeps);
        for step in job.moment.steps {
            if peers.step(*step).is_err() || *step == Step::Unload && self.unload(place).is_err() {
                break;
            }
            rest = self.settle(&name, &mut peers, &mut ticks);
            if rest != Rest::Sleeps || job.probes && self.has(&name, |line| line.contains(" nobody ")) {
                break;
            }
        }
        if rest == Rest::Sleeps {
            self.wait_for_close(&name, &mut peers);
        }
        let received = peers.received();
        peers.drop_connections();
        if rest == Rest::Sleeps {
            self.settle(&name, &mut peers, &mut ticks);
        }
        let serves = self.proxy.is_running() && peers.probe(|| self.worker.rest() == Rest::Sleeps);
        if !serves {
            // A signal's handler takes its time.
            sleep(Duration::from_millis(200));
        }
        Observed { lines: self.lines(&name), received, died: !self.proxy.is_running(), serves }
    }

    /// Waits until Envoy and the peers have done everything that follows from what was sent, and
    /// for the next tick if the filter asked for one.
    fn settle(&self, name: &str, peers: &mut Peers, ticks: &mut bool) -> Rest {
        let (deadline, mut count) = (Instant::now() + LIMIT, self.lines(name).len());
        loop {
            let rest = self.worker.rest();
            if rest != Rest::Sleeps {
                return rest;
            }
            // To see what came may be to send an answer.
            let is_new = peers.look();
            let lines = self.lines(name);
            // A tick may have begun since the worker slept: its first line is there before the rest
            // of it is done.
            let is_new = is_new || lines.len() != count;
            count = lines.len();
            let awaits = *ticks && awaits_tick(&lines);
            let in_time = Instant::now() < deadline;
            if !(awaits || is_new && in_time) {
                return rest;
            }
            // A VM that has ended has no tick, and is not asked for one again.
            *ticks &= in_time;
            if !is_new {
                sleep(POLL);
            }
        }
    }

    /// Waits until Envoy closes the connection of a stream that is over. That is later than the
    /// stream's end if the client had more to send.
    fn wait_for_close(&self, name: &str, peers: &mut Peers) {
        let deadline = Instant::now() + LIMIT;
        let is_over = self.has(name, |line| line.starts_with("2 delete "));
        while is_over && !peers.client_ended() && self.proxy.is_running() && Instant::now() < deadline {
            sleep(POLL);
            peers.look();
        }
    }

    /// Removes the listener of a place, and waits until the plugin has gone.
    fn unload(&self, place: &Place) -> Result<()> {
        let mut removed = locked(&self.removed);
        removed.insert(place.at);
        let rest = self.places.iter().filter(|place| !removed.contains(&place.at));
        config::write_removable(self.folder, self.module, rest).context("cannot write the listeners")?;
        drop(removed);
        let (name, deadline) = (place.name(), Instant::now() + LIMIT);
        let is_over = || !self.proxy.is_running() || self.has(&name, |line| line.starts_with("1 delete "));
        while !is_over() && Instant::now() < deadline {
            sleep(POLL);
        }
        Ok(())
    }

    fn has(&self, name: &str, is_like: impl Fn(&str) -> bool) -> bool {
        self.lines(name).iter().any(|line| is_like(line))
    }

    /// Returns the lines that a VM has logged so far.
    fn lines(&self, name: &str) -> Vec<String> {
        let mut log = locked(&self.log);
        log.take(&self.proxy);
        log.of.get(name).cloned().unwrap_or_default()
    }
}

/// Returns whether the filter asked for ticks, and none has come since.
fn awaits_tick(lines: &[String]) -> bool {
    let last = lines.iter().rev().find_map(|line| {
        let asks = line.strip_prefix("  tick ").map(|rest| !rest.starts_with("0 ") && rest.ends_with(" -> 0"));
        asks.or_else(|| line.starts_with("1 tick ").then_some(false))
    });
    last.unwrap_or(false)
}

impl Lines {
    /// Sorts the lines that are new.
    fn take(&mut self, proxy: &Proxy) {
        let text = proxy.log_from(self.offset);
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        self.offset += whole;
        for line in text[..whole].lines() {
            let thread = line.split(['[', ']']).nth(3).unwrap_or_default();
            if thread.is_empty() {
                continue;
            }
            let main = self.main.get_or_insert_with(|| thread.to_owned());
            let Some((_, told)) = line.split_once(" wasm log ").filter(|_| thread != main) else { continue };
            let Some((whose, text)) = told.split_once(": ") else { continue };
            let name = whose.split_whitespace().last().unwrap_or_default().to_owned();
            self.of.entry(name).or_default().push(text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_awaited_from_its_request_to_its_callback() {
        let awaits = |lines: &[&str]| awaits_tick(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        assert!(!awaits(&[]));
        assert!(awaits(&["2 request_headers [3, 0]", "  tick 20 -> 0"]));
        assert!(awaits(&["  tick 20 -> 0", "2 request_body [3, 0]"]));
        assert!(!awaits(&["  tick 20 -> 0", "1 tick []"]));
        assert!(awaits(&["  tick 20 -> 0", "1 tick []", "  tick 30 -> 0"]));
        assert!(!awaits(&["  tick 20 -> 0", "1 tick []", "  tick 0 -> 0", "2 log []"]));
        assert!(!awaits(&["  tick 20 -> 2"]), "the host refused it");
    }
}
