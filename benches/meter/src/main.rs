//! What a filter costs for each request, counted instead of timed: `cargo meter`, or `cargo meter --wasm FILE` for anyone's module.
//!
//! The figures repeat to the digit on every machine. A module goes through every scenario whose callbacks it has, on the simulated host of the tests.
#![forbid(unsafe_code)]

mod assemblyscript;
mod measure;
mod scenario;

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use measure::Figures;
use serde::Serialize;
use sluicegate_host::wasm::Module;
use sluicegate_loadtest::{Allocator, guest as build};

/// Counts what filters cost for each request.
#[derive(Parser)]
#[command(name = "meter", version)]
struct Options {
    /// Only this module, of any SDK
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// Write the figures to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    modules: Vec<Figures>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" "));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    // Before the work, so that a file that cannot be written costs nothing.
    let json = options.json.as_deref().map(|path| {
        File::create(path).with_context(|| format!("cannot write {}", path.display())) //
    });
    let json = json.transpose()?;
    let mut modules = Vec::new();
    for (name, path) in named(options)? {
        let module = Module::load(&path).with_context(|| name.clone())?;
        modules.extend(measure::measure(&name, &module).with_context(|| name.clone())?);
    }
    let report = Report { modules };
    println!("{}", table(&report.modules));
    println!(
        "for each request, connection or tick, after {} others; wasm instructions are wasmtime's fuel",
        measure::WARM_UP
    );
    json.map_or(Ok(()), |file| serde_json::to_writer_pretty(file, &report).context("cannot write the figures"))
}

/// The modules: the given one, or those of the load comparison.
fn named(options: &Options) -> Result<Vec<(String, PathBuf)>> {
    if let Some(path) = &options.wasm {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        return Ok(vec![(name.unwrap_or_else(|| "module".into()), path.clone())]);
    }
    let mut named = vec![
        ("floor".to_owned(), build::build("guest-floor", None)?),
        ("incumbent".to_owned(), build::build("guest-incumbent", None)?),
    ];
    match assemblyscript::build() {
        Ok(path) => named.push(("assemblyscript".to_owned(), path)),
        Err(error) => eprintln!("the module of the AssemblyScript SDK is left out: {error:#}"),
    }
    for &allocator in Allocator::ALL {
        named.push((format!("sluicegate-{allocator}"), build::build("guest-sluicegate", Some(allocator))?));
    }
    Ok(named)
}

fn table(modules: &[Figures]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "module",
        "scenario",
        "instructions",
        "VM entries",
        "host calls",
        "host's allocations",
        "pages",
        "grows after",
        "bytes",
    ]);
    for module in modules {
        let figures = [
            module.instructions,
            module.vm_entries,
            module.host_calls,
            module.host_allocations,
            module.pages,
            module.grows_after_warmup,
            module.module_bytes,
        ];
        let cells = figures.iter().map(ToString::to_string);
        table.add_row([module.name.clone(), module.scenario.to_owned()].into_iter().chain(cells));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
