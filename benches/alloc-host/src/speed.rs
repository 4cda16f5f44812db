//! The traces: instructions, time, pages and growths, compared with std.

use std::collections::HashSet;

use anyhow::Result;

use crate::guest::{Guest, Running};
use sluicegate_benches::clock::{median, time};
use sluicegate_benches::table::Table;

/// A trace, as calls of one export.
#[derive(Debug)]
pub struct Trace {
    /// The title in a few words.
    pub title: &'static str,
    pub(crate) export: &'static str,
    /// The arguments before the count.
    arguments: &'static [u32],
    /// `true` if the count is the first argument.
    count_first: bool,
    /// The count of one measurement, which takes std about 10 ms.
    pub(crate) count: u32,
    /// `true` if the trace runs on allocators whose blocks overlap.
    pub(crate) floors: bool,
}

const fn trace(
    title: &'static str,
    export: &'static str,
    arguments: &'static [u32],
    count: u32,
    floors: bool,
) -> Trace {
    Trace { title, export, arguments, count_first: false, count, floors }
}

const fn first(trace: Trace) -> Trace {
    Trace { count_first: true, ..trace }
}

/// All traces. Those in a region differ from the others only with the arena, which otherwise works
/// like its free lists.
pub const TRACES: &[Trace] = &[
    trace("request 64", "requests", &[64], 4_000, true),
    trace("request 256", "requests", &[256], 4_000, true),
    trace("request 1024", "requests", &[1024], 4_000, true),
    trace("rust 64", "rust", &[64], 1_500, false),
    trace("rust 256", "rust", &[256], 1_500, false),
    trace("rust 1024", "rust", &[1024], 1_500, false),
    trace("pair", "pair", &[], 200_000, true),
    trace("pair in a region", "pair_within", &[], 200_000, true),
    first(trace("batch LIFO", "batch", &[0], 4_000, true)),
    first(trace("batch LIFO in a region", "batch_within", &[0], 4_000, true)),
    first(trace("batch FIFO", "batch", &[1], 4_000, true)),
    first(trace("batch FIFO in a region", "batch_within", &[1], 4_000, true)),
    trace("churn 1k", "churn", &[1_000], 100_000, true),
    trace("churn 1k in a region", "churn_within", &[1_000], 100_000, true),
    trace("churn 10k", "churn", &[10_000], 100_000, true),
    trace("churn 10k in a region", "churn_within", &[10_000], 100_000, true),
    trace("mixed 1k", "mixed", &[1_000], 50_000, true),
    trace("growing 100", "growing_buffers", &[100], 50_000, true),
];

/// The number of calls of a trace before its instructions are counted. Pages and growths are those
/// after one further call.
pub const WARM: usize = 4;

/// The factor over std's instructions at which an allocator counts as unfinished, because it walks
/// a list of all free blocks.
const PATIENCE: f64 = 100.0;

/// The exact results of one allocator on one trace.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// The instructions for each unit of the trace.
    pub instructions: f64,
    /// The pages beyond the start, after [`WARM`] calls and one more.
    pub pages: u64,
    /// The growths of memory up to then.
    pub grows: u64,
}

#[derive(Clone, Copy)]
struct Figures {
    counts: Counts,
    nanoseconds: f64,
    /// The median of the ratios of time to std's.
    ratio: f64,
}

impl Trace {
    pub(crate) fn arguments(&self) -> Vec<u32> {
        let mut all = self.arguments.to_vec();
        all.insert(if self.count_first { 0 } else { all.len() }, self.count);
        all
    }

    /// Returns whether an allocator can run the trace. The blocks of the lower bounds overlap.
    #[must_use]
    pub fn runs(&self, guest: &str) -> bool {
        match guest {
            "null" | "ring" => self.floors,
            // It frees nothing: what allocates bodies by the megabyte runs out of memory.
            "bump" => self.export == "rust",
            _ => true,
        }
    }

    /// Counts the instructions, pages and growths. Returns `None` if an allocator does not finish
    /// within a hundred times std's instructions.
    ///
    /// # Errors
    ///
    /// Fails if the guest traps, or is out of memory.
    pub fn counts(&self, guest: &Guest, std: Option<Counts>) -> Result<Option<Counts>> {
        let arguments = self.arguments();
        let count = f64::from(self.count);
        let calls = (WARM + 1) as f64;
        let fuel = std.map_or(u64::MAX, |std| (std.instructions.max(1.0) * count * calls * PATIENCE) as u64);
        let mut counted = guest.counted(fuel)?;
        let run = |counted: &mut Running| -> Result<u64> {
            for _ in 0..WARM {
                counted.call(self.export, &arguments)?;
            }
            let before = counted.fuel()?;
            counted.call(self.export, &arguments)?;
            Ok(before - counted.fuel()?)
        };
        match run(&mut counted) {
            Ok(spent) => {
                Ok(Some(Counts { instructions: spent as f64 / count, pages: counted.pages()?, grows: counted.grows() }))
            }
            Err(_) if counted.fuel()? == 0 => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn time(&self, guest: &Guest, std: &Guest, repetitions: usize) -> Result<(f64, f64)> {
        let arguments = self.arguments();
        let (mut ours, mut theirs) = (guest.timed()?, std.timed()?);
        let (mut ratios, mut times) = (Vec::new(), Vec::new());
        // The first two warm up.
        for repetition in 0..if repetitions > 0 { repetitions + 2 } else { 0 } {
            let (result, base) = time(|| theirs.call(self.export, &arguments));
            result?;
            let (result, own) = time(|| ours.call(self.export, &arguments));
            result?;
            if repetition >= 2 {
                ratios.push(own.as_secs_f64() / base.as_secs_f64());
                times.push(own.as_nanos() as f64 / f64::from(self.count));
            }
        }
        Ok((median(ratios), median(times)))
    }
}

/// The results of the traces.
#[derive(Debug, Default)]
pub struct Found {
    /// The ratios of time, empty without repetitions.
    pub times: Vec<Table>,
    /// The instructions, pages and growths.
    pub counts: Vec<Table>,
    /// The traces, by title, that an allocator does not finish.
    pub unfinished: HashSet<(&'static str, String)>,
}

/// Measures the traces.
///
/// # Errors
///
/// Fails if the guest traps, or is out of memory.
pub fn run(std: &Guest, null: &Guest, others: &[Guest], repetitions: usize) -> Result<Found> {
    let guests: Vec<&Guest> = std::iter::once(std).chain(others).chain([null]).collect();
    let header: Vec<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
    let table = |title| Table::new(std::iter::once(title).chain(header.iter().copied()));
    let mut ratios = table("time, ratio to std");
    let mut net = table("time less the trace's own, ratio to std");
    let mut fuel = table("instructions less the trace's own, ratio to std");
    let mut absolute = table("ns each");
    let mut instructions = table("instructions each");
    let mut pages = table("pages beyond the start");
    let mut grows = table("grows");
    let mut unfinished = HashSet::new();
    for trace in TRACES {
        let base = trace.counts(std, None)?;
        let mut figures = Vec::new();
        for guest in &guests {
            let runs = trace.runs(&guest.name);
            let counts = if runs { trace.counts(guest, base)? } else { None };
            if runs && counts.is_none() {
                unfinished.insert((trace.title, guest.name.clone()));
            }
            let timed = |counts| {
                let (ratio, nanoseconds) = trace.time(guest, std, repetitions)?;
                anyhow::Ok(Figures { counts, nanoseconds, ratio })
            };
            figures.push(counts.map(timed).transpose()?);
        }
        let own = figures.last().copied().flatten();
        let row = |table: &mut Table, cell: &dyn Fn(Figures) -> Option<String>| {
            let cells = figures.iter().map(|f| f.and_then(cell).unwrap_or_else(|| "-".to_owned()));
            table.add(std::iter::once(trace.title.to_owned()).chain(cells).collect());
        };
        let less = |value: f64, own: Option<f64>, base: Option<f64>| {
            let own = own.unwrap_or(0.0);
            Some(format!("{:.2}", (value - own) / (base? - own)))
        };
        if repetitions > 0 {
            row(&mut ratios, &|f| Some(format!("{:.2}", f.ratio)));
            row(&mut net, &|f| less(f.ratio, own.map(|o| o.ratio), Some(1.0)));
            row(&mut absolute, &|f| Some(format!("{:.1}", f.nanoseconds)));
        }
        row(&mut fuel, &|f| {
            less(f.counts.instructions, own.map(|o| o.counts.instructions), base.map(|b| b.instructions))
        });
        row(&mut instructions, &|f| Some(format!("{:.0}", f.counts.instructions)));
        row(&mut pages, &|f| Some(f.counts.pages.to_string()));
        row(&mut grows, &|f| Some(f.counts.grows.to_string()));
    }
    let times = if repetitions > 0 { vec![ratios, net, absolute] } else { Vec::new() };
    Ok(Found { times, counts: vec![fuel, instructions, pages, grows], unfinished })
}

/// Measures the part of the request trace that is not the allocator's: the same run on the
/// addresses that the free lists chose before.
///
/// # Errors
///
/// Fails if the guest traps, or is out of memory.
pub fn placed(std: &Guest, placed: &Guest, others: &[&Guest], repetitions: usize) -> Result<Table> {
    let guests: Vec<&Guest> = std::iter::once(std).chain(others.iter().copied()).chain([placed]).collect();
    let mut table = Table::new(
        std::iter::once("time from an empty heap, ratio to std").chain(guests.iter().map(|g| g.name.as_str())),
    );
    for trace in TRACES.iter().filter(|trace| trace.export == "requests") {
        let arguments = trace.arguments();
        let mut cells = vec![trace.title.to_owned()];
        for guest in &guests {
            let (mut ours, mut theirs) = (guest.timed()?, std.timed()?);
            let mut ratios = Vec::new();
            // The first two warm up.
            for repetition in 0..repetitions + 2 {
                let mut elapsed = [0.0; 2];
                for (running, elapsed) in [&mut theirs, &mut ours].into_iter().zip(&mut elapsed) {
                    running.call("requests_drain", &[])?;
                    running.call("requests_rewind", &[])?;
                    let (result, took) = time(|| running.call("requests", &arguments));
                    result?;
                    *elapsed = took.as_secs_f64();
                }
                if repetition >= 2 {
                    ratios.push(elapsed[1] / elapsed[0]);
                }
                if guest.name != placed.name {
                    continue;
                }
                if repetition == 1 {
                    ours.call("requests_drain", &[])?;
                    ours.call("requests_rewind", &[])?;
                    ours.call("placed_record", &[])?;
                    ours.call("requests", &arguments)?;
                    ours.call("requests_drain", &[])?;
                }
                if repetition >= 1 {
                    ours.call("placed_replay", &[])?;
                }
            }
            cells.push(format!("{:.2}", median(ratios)));
        }
        table.add(cells);
    }
    Ok(table)
}
