//! `cargo matrix`: plays all cells in Envoys and writes the table.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use sluicegate_loadtest::{Envoy, children};
use sluicegate_phases::run::{self, Job, Observed};
use sluicegate_phases::table::Table;
use sluicegate_phases::{CALLS, Call, MOMENTS, Moment, Outcome, call, judge, table};

/// The versions of Envoy that are played: the oldest and the newest that are supported.
const VERSIONS: [&str; 2] = ["1.36.4", "1.40.0"];

/// How many moments are played before the file is written.
const PART: usize = 12;

/// Makes every host call in every callback of real Envoys, and writes what becomes of it.
#[derive(Parser)]
#[command(name = "matrix", version)]
struct Cli {
    /// The binaries to play in, oldest first; fetched if none is named
    #[arg(long)]
    envoy: Vec<PathBuf>,
    /// Only moments whose name contains one of these, `request_body / nothing` for example; shows
    /// them and writes no file
    #[arg(long)]
    moment: Vec<String>,
    /// Only calls whose name contains one of these, or is what follows `=`; shows them and writes
    /// no file
    #[arg(long)]
    call: Vec<String>,
    /// Only cells that harm, of the file
    #[arg(long)]
    harmful: bool,
    /// Only cells with one of these outcomes in the file, and those that it does not have
    #[arg(long)]
    outcome: Vec<Outcome>,
    /// Only cells that the file does not have
    #[arg(long)]
    new: bool,
    /// Writes what was played into the file, beside the other cells
    #[arg(long, conflicts_with = "check")]
    merge: bool,
    /// Fails if what was played is not what the file says; writes no file
    #[arg(long)]
    check: bool,
    /// Plays nothing: writes the tables of docs/flow.md from the file
    #[arg(long)]
    render: bool,
    /// A file in place of the committed one, so that two Envoys can be played at a time, each into
    /// a file of its own; made if it is not there. The documentation stays as it is
    #[arg(long)]
    table: Option<PathBuf>,
    /// Plays nothing: takes the cells of such a file
    #[arg(long)]
    take: Vec<PathBuf>,
    /// Shows what the peers received and what the filter logged
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    children::end_with_signals()?;
    if cli.render {
        return render(&Table::read()?);
    }
    if !cli.take.is_empty() {
        return cli.take();
    }
    let envoys: Vec<Envoy> = if cli.envoy.is_empty() {
        VERSIONS.iter().map(|version| Envoy::provision_version(Some(version))).collect::<Result<_>>()?
    } else {
        cli.envoy.iter().map(|path| Envoy::at(path)).collect::<Result<_>>()?
    };
    let module = run::build()?;
    let mut committed = Table::default();
    let is_part = cli.new || cli.harmful || !cli.outcome.is_empty() || !cli.moment.is_empty() || !cli.call.is_empty();
    if is_part || cli.merge || cli.check {
        committed = cli.read(&envoys)?;
    }
    let is_like =
        |name: &str, part: &str| part.strip_prefix('=').map_or_else(|| name.contains(part), |all| all == name);
    let is_named = |name: &str, parts: &[String]| parts.is_empty() || parts.iter().any(|part| is_like(name, part));
    let is_wanted = |moment: &Moment, call: &Call| {
        let harms = committed.worst(&moment.name(), call.name).is_some_and(Outcome::harms);
        let outcomes = committed.outcomes(&moment.name(), call.name);
        let is_there = !outcomes.is_empty() && outcomes.iter().all(Option::is_some);
        let has_outcome = outcomes.iter().flatten().any(|outcome| cli.outcome.contains(outcome));
        let is_chosen =
            (harms || !cli.harmful) && !(is_there && cli.new) && (has_outcome || !is_there || cli.outcome.is_empty());
        is_named(&moment.name(), &cli.moment) && is_named(call.name, &cli.call) && is_chosen
    };
    let moments = MOMENTS.iter().map(|moment| (moment, CALLS.iter().filter(|call| is_wanted(moment, call)).collect()));
    let wanted: Vec<(&Moment, Vec<&Call>)> = moments.filter(|(_, calls): &(_, Vec<_>)| !calls.is_empty()).collect();
    let mut table = Table { versions: envoys.iter().map(|envoy| envoy.version.clone()).collect(), ..Table::default() };
    for envoy in &envoys {
        let player = Player { envoy, module: &module, start: Instant::now(), verbose: cli.verbose };
        // What was played is kept if a later Envoy does not start.
        for part in wanted.chunks(PART) {
            let outcomes = player.outcomes(part, &committed)?;
            if cli.merge {
                let cells = outcomes.iter().map(|(cell, outcome)| (cell.clone(), vec![*outcome])).collect();
                committed.merge(&Table { versions: vec![envoy.version.clone()], cells })?;
                committed.drop_pairs();
                cli.write(&committed)?;
            }
            for (cell, outcome) in outcomes {
                table.cells.entry(cell).or_default().push(outcome);
            }
        }
    }
    if cli.check {
        let differences = committed.differences(&table)?;
        ensure!(differences.is_empty(), "the committed table is another:\n{}", differences.join("\n"));
        return Ok(());
    }
    if cli.merge {
        return Ok(());
    }
    if is_part {
        print!("{}", table.to_text());
        return Ok(());
    }
    cli.write(&table)
}

impl Cli {
    fn file(&self) -> PathBuf {
        self.table.clone().unwrap_or_else(table::file)
    }

    /// Reads the file; a new one is of the Envoys that are played.
    fn read(&self, envoys: &[Envoy]) -> Result<Table> {
        match &self.table {
            Some(path) if !path.exists() => {
                let versions = envoys.iter().map(|envoy| envoy.version.clone()).collect();
                Ok(Table { versions, ..Table::default() })
            }
            _ => Table::read_at(&self.file()),
        }
    }

    /// Takes the cells of other files.
    fn take(&self) -> Result<()> {
        let mut table = Table::read_at(&self.file())?;
        for path in &self.take {
            table.merge(&Table::read_at(path)?)?;
        }
        table.drop_pairs();
        self.write(&table)
    }

    /// Writes the file, and the documentation's tables if the file is the committed one.
    fn write(&self, table: &Table) -> Result<()> {
        std::fs::write(self.file(), table.to_text()).context("cannot write the table")?;
        if self.table.is_some() { Ok(()) } else { render(table) }
    }
}

/// Writes the documentation's tables.
fn render(table: &Table) -> Result<()> {
    let page = std::fs::read_to_string(table::page()).context("cannot read docs/flow.md")?;
    let page = table::placed(&page, &table.to_markdown())?;
    std::fs::write(table::page(), page).context("cannot write docs/flow.md")
}

type Outcomes = BTreeMap<(String, String), Option<Outcome>>;

/// The moments with the calls that are played in each.
type Wanted = [(&'static Moment, Vec<&'static Call>)];

/// Plays cells in one Envoy.
struct Player<'a> {
    envoy: &'a Envoy,
    module: &'a Path,
    start: Instant,
    verbose: bool,
}

impl Player<'_> {
    fn tell(&self, what: &str, done: usize, all: usize) {
        eprintln!("Envoy {}: {what} {done} of {all}, {} s", self.envoy.version, self.start.elapsed().as_secs());
    }

    /// The outcomes of all these cells, but of pairs of calls that say no more than each call by
    /// itself.
    fn outcomes(&self, wanted: &Wanted, committed: &Table) -> Result<Outcomes> {
        // What becomes of each moment without a call, and without what would let the stream end.
        let mut bare = Vec::new();
        for (moment, _) in wanted {
            for releases in [true, false] {
                bare.push(job(moment, &[&call::NOTHING], releases, Vec::new()));
            }
        }
        let without = run::play(self.envoy, self.module, &bare, |done| self.tell("moments", done, bare.len()))?;
        if self.verbose {
            for (job, observed) in bare.iter().zip(&without) {
                show(&job.moment.name(), observed);
            }
        }
        let of = |cells: &dyn Fn(&Call) -> bool| -> Vec<(usize, Vec<&'static Call>)> {
            let calls = wanted.iter().map(|(_, calls)| calls.iter().copied().filter(|call| cells(call)).collect());
            calls.enumerate().collect()
        };
        let mut outcomes = Outcomes::new();
        self.play(wanted, &of(&|call| call.first().is_none()), &without, committed, &mut outcomes)?;
        let mut pairs = of(&|call| call.first().is_some());
        for (at, calls) in &mut pairs {
            let (kind, moment) = (wanted[*at].0.kind, wanted[*at].0.name());
            let harms = |call: &Call| {
                let played = outcomes.get(&(moment.clone(), call.name.to_owned())).copied().flatten();
                let outcome = played.or_else(|| committed.outcome_in(&self.envoy.version, &moment, call.name));
                outcome.is_some_and(Outcome::harms)
            };
            calls.retain(|call| call.says_more(kind, harms));
        }
        self.play(wanted, &pairs, &without, committed, &mut outcomes)?;
        Ok(outcomes)
    }

    /// Plays calls of moments, by the number of each moment.
    fn play(
        &self,
        wanted: &Wanted,
        calls: &[(usize, Vec<&'static Call>)],
        without: &[Observed],
        committed: &Table,
        outcomes: &mut Outcomes,
    ) -> Result<()> {
        let of = |at: usize, releases: bool| &without[at * 2 + usize::from(!releases)];
        // Calls that only look share a stream.
        let mut cells: Vec<(usize, Vec<&Call>)> = Vec::new();
        for (at, calls) in calls {
            let (looks, acts): (Vec<&Call>, Vec<&Call>) = calls.iter().partition(|call| call.only_looks());
            cells.extend(Some((*at, looks)).filter(|(_, looks)| !looks.is_empty()));
            cells.extend(acts.into_iter().map(|call| (*at, vec![call])));
        }
        let jobs: Vec<Job> = cells
            .iter()
            .map(|(at, calls)| {
                let releases = !calls[0].resumes();
                let mut job = job(wanted[*at].0, calls, releases, of(*at, releases).marks.clone());
                let dies = |call: &Call| committed.worst(&job.moment.name(), call.name) == Some(Outcome::Dies);
                job.alone |= calls.iter().any(|call| dies(call));
                job
            })
            .collect();
        let played = run::play(self.envoy, self.module, &jobs, |done| self.tell("cells", done, jobs.len()))?;
        for (((at, calls), job), observed) in cells.iter().zip(&jobs).zip(played) {
            self.judge(calls, job, of(*at, job.releases), observed, outcomes)?;
        }
        Ok(())
    }

    /// Judges what was played of calls that shared a stream.
    fn judge(
        &self,
        calls: &[&Call],
        job: &Job,
        without: &Observed,
        mut observed: Observed,
        outcomes: &mut Outcomes,
    ) -> Result<()> {
        let http = job.moment.kind == sluicegate_phases::moment::Kind::Http;
        let judged = |call: &Call, observed: &Observed| judge::judge(call, without, observed, http);
        // What is surprising may be slow: it is played again, alone and with more patience.
        let is_surprising = |observed: &Observed| {
            let judged = calls.iter().map(|call| judged(call, observed));
            judged
                .into_iter()
                .any(|judged| judged.is_none_or(|(outcome, _)| outcome.harms() && !observed.died && !job.probes))
        };
        if is_surprising(&observed) {
            observed = run::alone(self.envoy, self.module, job)?;
        }
        // One of several that share a stream harms: each has a stream of its own then.
        let share = calls.len() > 1 && is_surprising(&observed);
        for call in calls {
            if share {
                let job = self::job(job.moment, &[call], job.releases, job.marks.clone());
                observed = run::alone(self.envoy, self.module, &job)?;
            }
            let judged = judged(call, &observed);
            if self.verbose {
                println!("== {} / {}: {judged:?}", job.moment.name(), call.name);
                show(&job.moment.name(), &observed);
            } else if let Some((outcome, why)) = judged.as_ref().filter(|(outcome, _)| outcome.harms()) {
                println!("{} / {}: {outcome}: {why}", job.moment.name(), call.name);
            } else if judged.is_none() {
                println!("{} / {}: not reached", job.moment.name(), call.name);
            }
            outcomes.insert((job.moment.name(), call.name.to_owned()), judged.map(|(outcome, _)| outcome));
        }
        Ok(())
    }
}

fn job(moment: &'static Moment, calls: &[&Call], releases: bool, marks: Vec<usize>) -> Job {
    let steps: Vec<_> = calls.iter().map(|call| call.steps).collect();
    let probes = calls.iter().any(|call| call.effect == call::Effect::Serves);
    Job { moment, steps: steps.join("; "), releases, marks, probes, alone: probes }
}

fn show(name: &str, observed: &Observed) {
    println!("-- {name}");
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
    println!(
        "   ended {}, died {}, serves {}, marks {:?}",
        received.client_ended, observed.died, observed.serves, observed.marks
    );
}
