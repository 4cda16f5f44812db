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
    /// Only calls whose name contains one of these; shows them and writes no file
    #[arg(long)]
    call: Vec<String>,
    /// Only cells that harm, of the file
    #[arg(long)]
    harmful: bool,
    /// Writes what was played into the file, beside the other cells
    #[arg(long, conflicts_with = "check")]
    merge: bool,
    /// Fails if what was played is not what the file says; writes no file
    #[arg(long)]
    check: bool,
    /// Plays nothing: writes the tables of docs/flow.md from the file
    #[arg(long)]
    render: bool,
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
    let envoys: Vec<Envoy> = if cli.envoy.is_empty() {
        VERSIONS.iter().map(|version| Envoy::provision_version(Some(version))).collect::<Result<_>>()?
    } else {
        cli.envoy.iter().map(|path| Envoy::at(path)).collect::<Result<_>>()?
    };
    let module = run::build()?;
    let mut committed = Table::default();
    if cli.harmful || cli.merge || cli.check {
        committed = Table::read()?;
    }
    let is_named = |name: &str, parts: &[String]| parts.is_empty() || parts.iter().any(|part| name.contains(part));
    let is_wanted = |moment: &Moment, call: &Call| {
        let harms = committed.worst(&moment.name(), call.name).is_some_and(Outcome::harms);
        is_named(&moment.name(), &cli.moment) && is_named(call.name, &cli.call) && (harms || !cli.harmful)
    };
    let moments = MOMENTS.iter().map(|moment| (moment, CALLS.iter().filter(|call| is_wanted(moment, call)).collect()));
    let wanted: Vec<(&Moment, Vec<&Call>)> = moments.filter(|(_, calls): &(_, Vec<_>)| !calls.is_empty()).collect();
    let mut table = Table { versions: envoys.iter().map(|envoy| envoy.version.clone()).collect(), ..Table::default() };
    for envoy in &envoys {
        let outcomes = outcomes(envoy, &module, &wanted, cli.verbose)?;
        if cli.merge {
            // What was played is kept if a later Envoy does not start.
            let cells = outcomes.iter().map(|(cell, outcome)| (cell.clone(), vec![*outcome])).collect();
            committed.merge(&Table { versions: vec![envoy.version.clone()], cells })?;
            write(&committed)?;
        }
        for (cell, outcome) in outcomes {
            table.cells.entry(cell).or_default().push(outcome);
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
    if cli.harmful || !cli.moment.is_empty() || !cli.call.is_empty() {
        print!("{}", table.to_text());
        return Ok(());
    }
    write(&table)
}

/// Writes the file, and the documentation's tables.
fn write(table: &Table) -> Result<()> {
    std::fs::write(table::file(), table.to_text()).context("cannot write the table")?;
    render(table)
}

/// Writes the documentation's tables.
fn render(table: &Table) -> Result<()> {
    let page = std::fs::read_to_string(table::page()).context("cannot read docs/flow.md")?;
    let page = table::placed(&page, &table.to_markdown())?;
    std::fs::write(table::page(), page).context("cannot write docs/flow.md")
}

type Outcomes = BTreeMap<(String, String), Option<Outcome>>;

/// The outcomes of all these cells in one Envoy.
fn outcomes(
    envoy: &Envoy,
    module: &Path,
    wanted: &[(&'static Moment, Vec<&'static Call>)],
    verbose: bool,
) -> Result<Outcomes> {
    let start = Instant::now();
    let tell = |what: &str, done: usize, all: usize| {
        eprintln!("Envoy {}: {what} {done} of {all}, {} s", envoy.version, start.elapsed().as_secs());
    };
    // What becomes of each moment without a call, and without what would let the stream end.
    let mut bare = Vec::new();
    for (moment, _) in wanted {
        for releases in [true, false] {
            bare.push(job(moment, call::NOTHING.steps.to_owned(), releases, Vec::new()));
        }
    }
    let without = run::play(envoy, module, &bare, |done| tell("moments", done, bare.len()))?;
    if verbose {
        for (job, observed) in bare.iter().zip(&without) {
            show(&job.moment.name(), observed);
        }
    }
    let of = |at: usize, releases: bool| &without[at * 2 + usize::from(!releases)];
    // Calls that only look share a stream.
    let mut cells: Vec<(usize, Vec<&Call>)> = Vec::new();
    for (at, (_, calls)) in wanted.iter().enumerate() {
        let (looks, acts): (Vec<&Call>, Vec<&Call>) = calls.iter().partition(|call| call.only_looks());
        cells.extend(Some((at, looks)).filter(|(_, looks)| !looks.is_empty()));
        cells.extend(acts.into_iter().map(|call| (at, vec![call])));
    }
    let jobs: Vec<Job> = cells
        .iter()
        .map(|(at, calls)| {
            let releases = !calls[0].resumes();
            let steps: Vec<_> = calls.iter().map(|call| call.steps).collect();
            job(wanted[*at].0, steps.join("; "), releases, of(*at, releases).marks.clone())
        })
        .collect();
    let played = run::play(envoy, module, &jobs, |done| tell("cells", done, jobs.len()))?;
    let mut outcomes = Outcomes::new();
    for (((at, calls), job), observed) in cells.iter().zip(&jobs).zip(played) {
        let without = of(*at, job.releases);
        let http = job.moment.kind == sluicegate_phases::moment::Kind::Http;
        let judged = |call: &Call, observed: &Observed| judge::judge(call, without, observed, http);
        let mut observed = observed;
        // What is surprising may be slow: it is played again, alone and with more patience.
        let is_surprising = |observed: &Observed| {
            let judged = calls.iter().map(|call| judged(call, observed));
            judged.into_iter().any(|judged| judged.is_none_or(|(outcome, _)| outcome.harms() && !observed.died))
        };
        if is_surprising(&observed) {
            observed = run::alone(envoy, module, job)?;
        }
        // One of several that share a stream harms: each has a stream of its own then.
        let share = calls.len() > 1 && is_surprising(&observed);
        for call in calls {
            if share {
                let job = self::job(job.moment, call.steps.to_owned(), job.releases, job.marks.clone());
                observed = run::alone(envoy, module, &job)?;
            }
            let judged = judged(call, &observed);
            if verbose {
                println!("== {} / {}: {judged:?}", job.moment.name(), call.name);
                show(&job.moment.name(), &observed);
            } else if let Some((outcome, why)) = judged.as_ref().filter(|(outcome, _)| outcome.harms()) {
                println!("{} / {}: {outcome}: {why}", job.moment.name(), call.name);
            } else if judged.is_none() {
                println!("{} / {}: not reached", job.moment.name(), call.name);
            }
            outcomes.insert((job.moment.name(), call.name.to_owned()), judged.map(|(outcome, _)| outcome));
        }
    }
    Ok(outcomes)
}

fn job(moment: &'static Moment, steps: String, releases: bool, marks: Vec<usize>) -> Job {
    Job { moment, steps, releases, marks }
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
