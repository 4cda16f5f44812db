//! `cargo matrix`: plays all cells in Envoys and writes the table.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
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
    /// Only moments whose name contains this, `request_body / nothing` for example; writes no file
    #[arg(long)]
    moment: Option<String>,
    /// Only calls whose name contains this; writes no file
    #[arg(long)]
    call: Option<String>,
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
    let wanted = |name: &str, part: &Option<String>| part.as_ref().is_none_or(|part| name.contains(part.as_str()));
    let moments: Vec<_> = MOMENTS.iter().filter(|moment| wanted(&moment.name(), &cli.moment)).collect();
    let calls: Vec<_> = CALLS.iter().filter(|call| wanted(call.name, &cli.call)).collect();
    let mut table = Table { versions: envoys.iter().map(|envoy| envoy.version.clone()).collect(), ..Table::default() };
    for envoy in &envoys {
        let outcomes = outcomes(envoy, &module, &moments, &calls, cli.verbose)?;
        for (cell, outcome) in outcomes {
            table.cells.entry(cell).or_default().push(outcome);
        }
    }
    if cli.moment.is_some() || cli.call.is_some() {
        print!("{}", table.to_text());
        return Ok(());
    }
    std::fs::write(table::file(), table.to_text()).context("cannot write the table")?;
    render(&table)
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
    moments: &[&'static Moment],
    calls: &[&'static Call],
    verbose: bool,
) -> Result<Outcomes> {
    let start = Instant::now();
    let tell = |what: &str, done: usize, all: usize| {
        eprintln!("Envoy {}: {what} {done} of {all}, {} s", envoy.version, start.elapsed().as_secs());
    };
    // What becomes of each moment without a call, and without what would let the stream end.
    let mut bare = Vec::new();
    for moment in moments {
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
    let (looks, acts): (Vec<&Call>, Vec<&Call>) = calls.iter().partition(|call| call.only_looks());
    let mut cells: Vec<(usize, Vec<&Call>)> = Vec::new();
    for at in 0..moments.len() {
        if !looks.is_empty() {
            cells.push((at, looks.clone()));
        }
        cells.extend(acts.iter().map(|call| (at, vec![*call])));
    }
    let jobs: Vec<Job> = cells
        .iter()
        .map(|(at, calls)| {
            let releases = !calls[0].resumes();
            let steps: Vec<_> = calls.iter().map(|call| call.steps).collect();
            job(moments[*at], steps.join("; "), releases, of(*at, releases).marks.clone())
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
        let surprising =
            |call: &&&Call| judged(call, &observed).is_none_or(|(outcome, _)| outcome.harms() && !observed.died);
        if calls.iter().any(|call| surprising(&call)) {
            observed = run::alone(envoy, module, job)?;
        }
        for call in calls {
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
