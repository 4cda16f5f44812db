//! Plays the cells of some moments, up to the outcome of each.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;

use crate::call::{Effect, NOTHING};
use crate::judge::{Outcome, judge};
use crate::moment::Kind;
use crate::run::{Envoys, Job, Observed};
use crate::settle::{Settled, settle};
use crate::table::Table;
use crate::{Call, Moment};

/// For each moment and call what becomes of it; `None` if the call is not reached.
pub type Outcomes = BTreeMap<(String, String), Option<Outcome>>;

/// The moments with the calls that are played in each.
pub type Wanted = [(&'static Moment, Vec<&'static Call>)];

/// Plays cells in the Envoys of one version, and tells how far it is.
#[derive(Debug)]
pub struct Play<'a> {
    envoys: Envoys<'a>,
    start: Instant,
    verbose: bool,
}

/// A cell: the number of its moment among those that are wanted, and the call.
type Cell = (usize, &'static Call);

/// Moments that are played, and what became of each without a call.
struct Moments<'a> {
    wanted: &'a Wanted,
    committed: &'a Table,
    /// For each moment: with what lets the stream go on, and without.
    without: Vec<Observed>,
}

impl<'a> Play<'a> {
    /// Plays in these; `verbose` shows what the peers received and what the filter logged.
    #[must_use]
    pub fn new(envoys: Envoys<'a>, verbose: bool) -> Self {
        Self { envoys, start: Instant::now(), verbose }
    }

    fn tell(&self, what: &str, done: usize, all: usize) {
        let (version, seconds) = (&self.envoys.envoy.version, self.start.elapsed().as_secs());
        eprintln!("Envoy {version}: {what} {done} of {all}, {seconds} s");
    }

    /// Returns the outcomes of all these cells, except pairs of calls that say no more than each
    /// call by itself. An outcome that is not that of the table is played again.
    ///
    /// # Errors
    ///
    /// Fails if an Envoy does not start.
    pub fn outcomes(&self, wanted: &Wanted, committed: &Table) -> Result<Outcomes> {
        let bare: Vec<Job> =
            wanted.iter().flat_map(|(moment, _)| [true, false].map(|releases| bare(moment, releases))).collect();
        let without = self.envoys.play(&bare, |done| self.tell("moments", done, bare.len()))?;
        if self.verbose {
            for (job, observed) in bare.iter().zip(&without) {
                show(job.moment, observed);
            }
        }
        let moments = Moments { wanted, committed, without };
        let all = wanted.iter().enumerate();
        let all = all.flat_map(|(at, (_, calls))| calls.iter().map(move |call| (at, *call)));
        let (singles, mut pairs): (Vec<Cell>, Vec<Cell>) = all.partition(|(_, call)| call.first().is_none());
        let mut outcomes = Outcomes::new();
        self.play(&moments, &singles, &mut outcomes)?;
        pairs.retain(|(at, call)| {
            let (moment, kind) = (wanted[*at].0.name(), wanted[*at].0.kind);
            let harms = |call: &Call| {
                let played = outcomes.get(&(moment.clone(), call.name.to_owned())).copied().flatten();
                let outcome = played.or_else(|| self.known(committed, &moment, call));
                outcome.is_some_and(Outcome::harms)
            };
            call.says_more(kind, harms)
        });
        self.play(&moments, &pairs, &mut outcomes)?;
        Ok(outcomes)
    }

    fn known(&self, committed: &Table, moment: &str, call: &Call) -> Option<Outcome> {
        committed.outcome_in(&self.envoys.envoy.version, moment, call.name)
    }

    /// Plays these cells until each is settled, and tells which are not what the table says.
    fn play(&self, moments: &Moments<'_>, cells: &[Cell], outcomes: &mut Outcomes) -> Result<()> {
        let name = |(at, _): &Cell| moments.wanted[*at].0.name();
        let known: Vec<Option<Outcome>> =
            cells.iter().map(|cell| self.known(moments.committed, &name(cell), cell.1)).collect();
        let reasons = RefCell::new(vec![String::new(); cells.len()]);
        let settled = settle(&known, |those, before| {
            let of: Vec<Cell> = those.iter().map(|cell| cells[*cell]).collect();
            let judged = if before == 0 { self.first(moments, &of)? } else { self.again(moments, &of)? };
            let judged = those.iter().zip(judged).map(|(cell, judged)| {
                let (outcome, why) = judged.map_or((None, String::new()), |(outcome, why)| (Some(outcome), why));
                if outcome != known[*cell] {
                    let (moment, call) = (name(&cells[*cell]), cells[*cell].1.name);
                    eprintln!("  {moment} / {call}: {} is {}: {why}", word(known[*cell]), word(outcome));
                }
                reasons.borrow_mut()[*cell] = why;
                outcome
            });
            Ok(judged.collect())
        })?;
        for (((cell, known), settled), why) in cells.iter().zip(known).zip(settled).zip(reasons.into_inner()) {
            let title = format!("{} / {}", name(cell), cell.1.name);
            let outcome = match settled {
                Settled::At(outcome) => outcome,
                Settled::Open(seen) => {
                    let seen: Vec<_> = seen.into_iter().map(word).collect();
                    println!("{title}: {} stays, after {}", word(known), seen.join(", "));
                    known
                }
            };
            if outcome != known {
                println!("{title}: {} is {}: {why}", word(known), word(outcome));
            }
            outcomes.insert((name(cell), cell.1.name.to_owned()), outcome);
        }
        Ok(())
    }

    /// Plays cells for the first time: calls that only look share a stream unless
    /// they harm, and cells share Envoys.
    fn first(&self, moments: &Moments<'_>, cells: &[Cell]) -> Result<Vec<Option<(Outcome, String)>>> {
        let (mut jobs, mut of_cells): (Vec<Job>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, call) in cells {
            let (moment, _) = moments.wanted[*at];
            let worst = moments.committed.worst(&moment.name(), call.name);
            // A look that harms would harm the others of its stream.
            let shares = call.only_looks() && !worst.is_some_and(Outcome::harms);
            match shared.get(at).filter(|_| shares) {
                Some(job) => {
                    jobs[*job].steps += &format!("; {}", call.steps);
                    of_cells.push(*job);
                    continue;
                }
                None if shares => drop(shared.insert(*at, jobs.len())),
                None => {}
            }
            of_cells.push(jobs.len());
            let mut job = job(moment, call);
            job.alone |= worst == Some(Outcome::Dies);
            jobs.push(job);
        }
        let played = self.envoys.play(&jobs, |done| self.tell("cells", done, jobs.len()))?;
        let judged = cells.iter().zip(of_cells).map(|((at, call), job)| {
            let without = &moments.without[at * 2 + usize::from(!jobs[job].releases)];
            self.judge(moments.wanted[*at].0, call, without, &played[job])
        });
        Ok(judged.collect())
    }

    /// Plays cells again: each has an Envoy of its own, in which its moment is played without the
    /// call first.
    fn again(&self, moments: &Moments<'_>, cells: &[Cell]) -> Result<Vec<Option<(Outcome, String)>>> {
        let pairs: Vec<[Job; 2]> = cells
            .iter()
            .map(|(at, call)| {
                let job = job(moments.wanted[*at].0, call);
                [bare(job.moment, job.releases), job]
            })
            .collect();
        let played = self.envoys.play_pairs(&pairs)?;
        self.tell("cells again", cells.len(), cells.len());
        let judged = cells.iter().zip(played);
        Ok(judged
            .map(|((at, call), [without, with])| self.judge(moments.wanted[*at].0, call, &without, &with))
            .collect())
    }

    fn judge(&self, moment: &Moment, call: &Call, without: &Observed, with: &Observed) -> Option<(Outcome, String)> {
        let judged = judge(call, without, with, moment.kind == Kind::Http);
        if self.verbose {
            println!("== {} / {}: {judged:?}", moment.name(), call.name);
            show(moment, with);
        }
        judged
    }
}

/// A moment without a call.
fn bare(moment: &'static Moment, releases: bool) -> Job {
    Job { releases, ..job(moment, &NOTHING) }
}

/// A cell. A call that lets a direction go on is the only one that does.
fn job(moment: &'static Moment, call: &Call) -> Job {
    let probes = call.effect == Effect::Serves;
    Job { moment, steps: call.steps.to_owned(), releases: !call.resumes(), probes, alone: probes }
}

fn word(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or("-", Outcome::word)
}

fn show(moment: &Moment, observed: &Observed) {
    println!("-- {}", moment.name());
    for line in &observed.lines {
        println!("   {line}");
    }
    let received = &observed.received;
    for (who, bytes) in [("client", &received.client), ("service", &received.service)] {
        println!("   {who}: {:?}", String::from_utf8_lossy(bytes));
    }
    for bytes in &received.upstream {
        println!("   upstream: {:?}", String::from_utf8_lossy(bytes));
    }
    println!("   ended {}, died {}, serves {}", received.client_ended, observed.died, observed.serves);
}
