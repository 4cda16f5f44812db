//! Allocators on wasm, side by side: `cargo run -p sluicegate-alloc-host [-- --help]`.
//!
//! All guests have the same traces, and each has another allocator. Instructions (fuel) and pages
//! are exact, and repeat to the digit. Time is the CPU time of the thread. Each measurement is
//! paired with one of std right before it, and the figure is the median of the ratios.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::Parser;
use sluicegate_alloc_host::guest::{Engines, Guest};
use sluicegate_alloc_host::{hostile, node, soak, speed};
use sluicegate_benches::table::Table;
use sluicegate_benches::written;
use sluicegate_traces::hostile::TRACES;

const WASMTIME: &str = "wasm32-wasip1.md";
const HOSTILE: &str = "hostile.md";

const ALL: &str = "std,freelist,arena,heap,talc,dlmalloc,rlsf,lol_alloc,wasmalloc,ring,null";

/// Runs allocation traces on wasm under several allocators.
#[derive(Parser)]
struct Options {
    /// The allocators: features of the guest, joined with `+`; std and null are always included.
    #[arg(long, default_value = ALL, value_delimiter = ',')]
    allocators: Vec<String>,
    /// Measurements of time; 0 leaves time out.
    #[arg(long, default_value_t = 11)]
    repetitions: usize,
    /// Leaves the soaks out.
    #[arg(long)]
    no_soak: bool,
    /// Plays only the soaks with this text in their titles.
    #[arg(long, default_value = "")]
    soak: String,
    /// Plays each soak this many times as long.
    #[arg(long, default_value_t = 1)]
    times: usize,
    /// Leaves the traces out.
    #[arg(long)]
    no_traces: bool,
    /// Also times the request trace on recorded addresses: no allocator that keeps blocks apart can
    /// be faster.
    #[arg(long)]
    placed: bool,
    /// Also times the traces on V8, with `node --no-liftoff`. Reports if there is no node.
    #[arg(long)]
    node: bool,
    /// Plays only the hostile traces: instructions of the worst operation, and pages.
    #[arg(long)]
    hostile: bool,
    /// Plays only the hostile traces with this text in their titles.
    #[arg(long, default_value = "")]
    trace: String,
    /// Writes all figures of the hostile traces into a file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Also writes the results into the documents in `results`, as parts whose names begin with
    /// this text.
    #[arg(long)]
    write: Option<String>,
}

impl Options {
    /// Prints tables, and writes them into a document if the options say so.
    fn publish(&self, document: &str, part: &str, tables: &[Table]) -> Result<()> {
        self.publish_under("", document, part, tables)
    }

    /// Publishes tables with a line above them.
    fn publish_under(&self, line: &str, document: &str, part: &str, tables: &[Table]) -> Result<()> {
        let text = line.to_owned() + &tables.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        println!("{text}");
        if let Some(prefix) = &self.write
            && !text.is_empty()
        {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results").join(document);
            written::write(&path, format!("{prefix} {part}").trim_start(), &text)?;
        }
        Ok(())
    }
}

/// Plays the hostile traces on std and the named allocators. Without names it takes all allocators
/// except the lower bounds, which are no allocators.
fn hostile(options: &Options) -> Result<()> {
    let engine = hostile::engine()?;
    let names = options.allocators.iter().map(String::as_str).filter(|name| !["ring", "bump"].contains(name));
    let guests = std::iter::once("std")
        .chain(names)
        .map(|name| hostile::Guest::build(&engine, name))
        .collect::<Result<Vec<_>>>()?;
    let found = hostile::run(&guests, &options.trace)?;
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&found.concat())?)?;
    }
    let paged = |title: &str| TRACES.iter().any(|trace| trace.title == title && trace.pages);
    options.publish_under(&provenance()?, HOSTILE, "hostile", &hostile::tables(&found, paged))
}

/// Returns a line about the machine and the versions of the figures.
fn provenance() -> Result<String> {
    let output = |program: &str, arguments: &[&str]| -> Result<String> {
        let output = Command::new(program).args(arguments).output()?.stdout;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    };
    let commit = output("git", &["log", "-1", "--format=%cs, commit %h"])?;
    let changed = if output("git", &["status", "--porcelain", "alloc/src"])?.is_empty() { "" } else { " and changes" };
    let rustc = output("rustc", &["--version"])?;
    Ok(format!("{commit}{changed}; {rustc}; wasmtime 48.\n\n"))
}

fn main() -> Result<()> {
    let mut options = Options::parse();
    options.allocators.retain(|name| name != "std" && name != "null");
    if options.hostile {
        return hostile(&options);
    }
    let engines = Engines::new()?;
    let std = Guest::build(&engines, "std")?;
    let null = Guest::build(&engines, "null")?;
    let others = options.allocators.iter().map(|name| Guest::build(&engines, name)).collect::<Result<Vec<_>>>()?;

    let mut unfinished = HashSet::new();
    if !options.no_traces {
        let mut code = Table::new(["allocator", "module bytes over one whose allocator does nothing"]);
        let nothing = null.code()? as i64;
        for guest in std::iter::once(&std).chain(&others) {
            code.add(vec![guest.name.clone(), (guest.code()? as i64 - nothing).to_string()]);
        }
        let found = speed::run(&std, &null, &others, options.repetitions)?;
        options.publish(WASMTIME, "times", &found.times)?;
        options.publish(WASMTIME, "counts", &[vec![code], found.counts].concat())?;
        unfinished = found.unfinished;
    }
    if options.placed {
        let finished = |guest: &&Guest| !unfinished.iter().any(|(_, name)| *name == guest.name);
        let others: Vec<&Guest> = others.iter().filter(finished).collect();
        let table = speed::placed(&std, &Guest::build(&engines, "placed")?, &others, options.repetitions)?;
        options.publish(WASMTIME, "placed", &[table])?;
    }
    if options.node {
        match node::run(&std, &null, &others, options.repetitions, &unfinished)? {
            Some(tables) => options.publish("v8.md", "times", &tables)?,
            None => println!("node is not here: no times on V8"),
        }
    }
    if !options.no_soak {
        let names = others.iter().map(|guest| guest.name.as_str()).filter(|name| !["ring", "bump"].contains(name));
        let tables = soak::tables(&engines, std::iter::once("std").chain(names), &options.soak, options.times)?;
        options.publish(WASMTIME, "soaks", &tables)?;
    }
    Ok(())
}
