//! `cargo matrix`: plays all cells in Envoys and writes the table.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use sluicegate_envoy::Envoy;
use sluicegate_phases::play::Play;
use sluicegate_phases::run::{self, Envoys};
use sluicegate_phases::table::{self, Table};
use sluicegate_phases::{CALLS, Call, MOMENTS, Moment, Outcome};
use sluicegate_workspace::children;

/// The versions of Envoy that are played: the oldest and the newest that are supported.
const VERSIONS: [&str; 2] = ["1.36.4", "1.40.0"];

/// The number of moments that are played before the file is written.
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
    /// a file of its own; made if it is not there, with the versions that are played. What is
    /// played is compared with the committed file all the same. The documentation stays as it is
    #[arg(long)]
    table: Option<PathBuf>,
    /// Plays nothing: takes the cells of such a file
    #[arg(long)]
    take: Vec<PathBuf>,
    /// The number of Envoys that run at a time
    #[arg(long, default_value_t = 2)]
    at_a_time: usize,
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
    // The outcomes are compared with the committed table, wherever they are written.
    let committed = if table::file().exists() { Table::read()? } else { Table::default() };
    let mut file = cli.read(&envoys)?;
    let is_part = cli.new || cli.harmful || !cli.outcome.is_empty() || !cli.moment.is_empty() || !cli.call.is_empty();
    let is_like =
        |name: &str, part: &str| part.strip_prefix('=').map_or_else(|| name.contains(part), |all| all == name);
    let is_named = |name: &str, parts: &[String]| parts.is_empty() || parts.iter().any(|part| is_like(name, part));
    let is_wanted = |moment: &Moment, call: &Call| {
        let harms = committed.worst(&moment.name(), call.name).is_some_and(Outcome::harms);
        let outcomes = committed.outcomes(&moment.name(), call.name);
        let is_in = |outcomes: &[Option<Outcome>]| !outcomes.is_empty() && outcomes.iter().all(Option::is_some);
        let has_outcome = outcomes.iter().flatten().any(|outcome| cli.outcome.contains(outcome));
        let is_chosen = (harms || !cli.harmful)
            && !(cli.new && is_in(file.outcomes(&moment.name(), call.name)))
            && (has_outcome || !is_in(outcomes) || cli.outcome.is_empty());
        is_named(&moment.name(), &cli.moment) && is_named(call.name, &cli.call) && is_chosen
    };
    let moments = MOMENTS.iter().map(|moment| (moment, CALLS.iter().filter(|call| is_wanted(moment, call)).collect()));
    let wanted: Vec<(&Moment, Vec<&Call>)> = moments.filter(|(_, calls): &(_, Vec<_>)| !calls.is_empty()).collect();
    let mut table = Table { versions: envoys.iter().map(|envoy| envoy.version.clone()).collect(), ..Table::default() };
    for envoy in &envoys {
        let envoys = Envoys { envoy, module: &module, at_a_time: cli.at_a_time.max(1) };
        let play = Play::new(envoys, cli.verbose);
        // The outcomes are kept if a later Envoy does not start.
        for part in wanted.chunks(PART) {
            let outcomes = play.outcomes(part, &committed)?;
            if cli.merge {
                let cells = outcomes.iter().map(|(cell, outcome)| (cell.clone(), vec![*outcome])).collect();
                file.merge(&Table { versions: vec![envoy.version.clone()], cells })?;
                file.drop_pairs();
                cli.write(&file)?;
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
