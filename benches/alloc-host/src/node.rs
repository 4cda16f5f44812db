//! The traces on V8, with node. V8 is the engine of Envoy. It optimises the code from the first
//! call.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::guest::Guest;
use crate::speed::TRACES;
use sluicegate_benches::table::Table;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/node.mjs");

/// Measures the traces. Returns `None` if there is no node on the path. Leaves out the `unfinished`
/// pairs of a title and an allocator.
///
/// # Errors
///
/// Fails if a trace fails.
pub fn run(
    std: &Guest,
    null: &Guest,
    others: &[Guest],
    repetitions: usize,
    unfinished: &HashSet<(&'static str, String)>,
) -> Result<Option<Vec<Table>>> {
    if Command::new("node").arg("--version").output().is_err() {
        return Ok(None);
    }
    let guests: Vec<&Guest> = std::iter::once(std).chain(others).chain([null]).collect();
    let mut plan = format!("{repetitions}\n");
    for guest in &guests {
        writeln!(plan, "guest\t{}\t{}", guest.name, guest.path.display())?;
    }
    for trace in TRACES {
        let arguments: Vec<String> = trace.arguments().iter().map(u32::to_string).collect();
        let (title, export, count) = (trace.title, trace.export, trace.count);
        let skipped = |guest: &&&Guest| !trace.runs(&guest.name) || unfinished.contains(&(title, guest.name.clone()));
        let skipped: Vec<&str> = guests.iter().filter(skipped).map(|guest| guest.name.as_str()).collect();
        writeln!(plan, "trace\t{title}\t{export}\t{}\t{count}\t{}", arguments.join(","), skipped.join(","))?;
    }
    let mut node = Command::new("node")
        .args(["--no-liftoff", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("node does not start")?;
    node.stdin.take().context("no input")?.write_all(plan.as_bytes())?;
    let output = node.wait_with_output()?;
    ensure!(output.status.success(), "node failed");

    let text = String::from_utf8(output.stdout)?;
    let cells: HashMap<(&str, &str), Vec<&str>> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            Some(((fields.next()?, fields.next()?), fields.collect()))
        })
        .collect();
    let pages = format!("pages beyond the start on V8, after {} calls", repetitions + 2);
    let mut tables = Vec::new();
    for (column, title) in ["time on V8, ratio to std", "ns each on V8", &pages].iter().enumerate() {
        let mut table = Table::new(std::iter::once(*title).chain(guests.iter().map(|guest| guest.name.as_str())));
        for trace in TRACES {
            let figures = guests.iter().map(|guest| {
                let row = cells.get(&(trace.title, guest.name.as_str()));
                row.and_then(|row| row.get(column)).map_or("-", |cell| *cell).to_owned()
            });
            table.add(std::iter::once(trace.title.to_owned()).chain(figures).collect());
        }
        tables.push(table);
    }
    Ok(Some(tables))
}
