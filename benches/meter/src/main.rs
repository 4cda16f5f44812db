//! Counts the cost of a filter for each request, instead of timing it: `cargo meter`,
//! `cargo meter EXAMPLE`, or `cargo meter --wasm FILE` for any module.
//!
//! The figures are the same on every machine. A module goes through every scenario whose callbacks
//! it has, on the simulated host of the tests, which responds to the module's calls to other
//! services.
#![forbid(unsafe_code)]

mod assemblyscript;
mod measure;
mod open;
mod scenario;
mod table;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{ArgGroup, Parser};
use measure::{Figures, Setup};
use serde::Serialize;
use sluicegate_host::wasm::Module;
use sluicegate_workspace::{Allocator, guest as build};

/// Counts what filters cost for each request.
#[derive(Parser)]
#[command(name = "meter", version, group = ArgGroup::new("one").args(["example", "wasm"]))]
struct Options {
    /// Only this example, by the name of its package [default: the guests of the load comparison]
    example: Option<String>,
    /// The allocator of the example
    #[arg(long, default_value_t = Allocator::Talc, requires = "example")]
    alloc: Allocator,
    /// Only this module, of any SDK
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// The plugin's configuration
    #[arg(long, value_name = "TEXT|@FILE", requires = "one")]
    configuration: Option<OsString>,
    /// The VM's configuration
    #[arg(long, value_name = "TEXT|@FILE", requires = "one")]
    vm_configuration: Option<OsString>,
    /// The plugin's root id
    #[arg(long, value_name = "ID", requires = "one")]
    root_id: Option<String>,
    /// Count instead what a request costs beside so many open streams, in each order in which
    /// streams end
    #[arg(long, value_name = "COUNT,…", value_delimiter = ',')]
    open: Vec<usize>,
    /// Print the figures of each callback, too, as is done for one module
    #[arg(long)]
    callbacks: bool,
    /// Write the figures to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    modules: Vec<Figures>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beside: Vec<open::Beside>,
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
    let setup = Setup {
        configuration: contents(options.configuration.as_deref()).context("--configuration")?,
        vm_configuration: contents(options.vm_configuration.as_deref()).context("--vm-configuration")?,
        root_id: options.root_id.clone().unwrap_or_default().into_bytes(),
    };
    // The file is created before the work, so that a path that cannot be written fails early.
    let json = options.json.as_deref().map(|path| {
        File::create(path).with_context(|| format!("cannot write {}", path.display())) //
    });
    let json = json.transpose()?;
    let named = named(options)?;
    let callbacks = options.callbacks || named.len() == 1;
    let (mut modules, mut beside) = (Vec::new(), Vec::new());
    for (name, path) in named {
        let module = Module::load(&path).with_context(|| name.clone())?;
        for open in &options.open {
            beside.extend(open::measure(&name, &module, &setup, *open).with_context(|| name.clone())?);
        }
        if !options.open.is_empty() {
            continue;
        }
        let figures = measure::measure(&name, &module, &setup).with_context(|| name.clone())?;
        if figures.is_empty() {
            eprintln!("{name}: no scenario fits it; there are requests, bodies, calls, connections and ticks");
        }
        modules.extend(figures);
    }
    let report = Report { modules, beside };
    if !options.open.is_empty() {
        println!("{}", table::beside(&report.beside));
        println!("wasm instructions of one request and its response, in the {} that were counted", measure::COUNTED);
        return written(json, &report);
    }
    println!("{}", table::modules(&report.modules));
    if callbacks {
        println!("{}", table::callbacks(&report.modules));
    }
    println!(
        "for each request, connection or tick, after {} others; growth in all of the {} that were counted; wasm instructions are wasmtime's fuel",
        measure::WARM_UP,
        measure::COUNTED
    );
    written(json, &report)
}

/// Writes the figures to the file, if there is one.
fn written(json: Option<File>, report: &Report) -> Result<()> {
    json.map_or(Ok(()), |file| serde_json::to_writer_pretty(file, report).context("cannot write the figures"))
}

/// Returns the contents of an option: its text, or the contents of the file that it names after an
/// `@`.
fn contents(option: Option<&OsStr>) -> Result<Vec<u8>> {
    let text = option.map(OsStr::as_encoded_bytes).unwrap_or_default();
    let Some(path) = option.and_then(OsStr::to_str).and_then(|text| text.strip_prefix('@')) else {
        return Ok(text.to_vec());
    };
    fs::read(path).with_context(|| format!("cannot read {path}"))
}

/// Returns the modules to measure: the given one, or those of the load comparison.
fn named(options: &Options) -> Result<Vec<(String, PathBuf)>> {
    if let Some(example) = &options.example {
        return Ok(vec![(example.clone(), build::build(example, Some(options.alloc))?)]);
    }
    if let Some(path) = &options.wasm {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        return Ok(vec![(name.unwrap_or_else(|| "module".into()), path.clone())]);
    }
    let mut named = vec![
        ("by hand".to_owned(), build::build("guest-floor", None)?),
        ("proxy-wasm".to_owned(), build::build("guest-incumbent", None)?),
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
