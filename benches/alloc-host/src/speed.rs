//! The traces: instructions, time and pages against std.

use anyhow::Result;

use crate::guest::Guest;
use sluicegate_benches::clock::{median, time};
use sluicegate_benches::table::Table;

pub(crate) struct Trace {
    pub(crate) title: &'static str,
    pub(crate) export: &'static str,
    /// What comes before the count.
    arguments: &'static [u32],
    /// Whether the count comes first.
    count_first: bool,
    /// The count of one measurement: about 10 ms of std.
    pub(crate) count: u32,
    /// Runs on allocators whose blocks overlap.
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

pub(crate) const TRACES: &[Trace] = &[
    trace("request 64", "requests", &[64], 4_000, true),
    trace("request 256", "requests", &[256], 4_000, true),
    trace("request 1024", "requests", &[1024], 4_000, true),
    trace("rust 64", "rust", &[64], 1_500, false),
    trace("rust 256", "rust", &[256], 1_500, false),
    trace("rust 1024", "rust", &[1024], 1_500, false),
    trace("pair", "pair", &[], 200_000, true),
    Trace { count_first: true, ..trace("batch LIFO", "batch", &[0], 4_000, true) },
    Trace { count_first: true, ..trace("batch FIFO", "batch", &[1], 4_000, true) },
    trace("churn 1k", "churn", &[1_000], 100_000, true),
    trace("churn 10k", "churn", &[10_000], 100_000, true),
];

/// What one allocator did on one trace.
#[derive(Clone, Copy)]
struct Figures {
    instructions: f64,
    nanoseconds: f64,
    /// The median of the ratios of time to std's.
    ratio: f64,
    pages: u64,
}

impl Trace {
    pub(crate) fn arguments(&self) -> Vec<u32> {
        let mut all = self.arguments.to_vec();
        all.insert(if self.count_first { 0 } else { all.len() }, self.count);
        all
    }

    fn measure(&self, guest: &Guest, std: &Guest, repetitions: usize) -> Result<Figures> {
        let arguments = self.arguments();
        let count = f64::from(self.count);
        let mut counted = guest.counted()?;
        for _ in 0..4 {
            counted.call(self.export, &arguments)?;
        }
        let before = counted.instructions()?;
        counted.call(self.export, &arguments)?;
        let instructions = (counted.instructions()? - before) as f64 / count;

        let (mut ours, mut theirs) = (guest.timed()?, std.timed()?);
        let (mut ratios, mut times) = (Vec::new(), Vec::new());
        for repetition in 0..repetitions + 2 {
            let (result, base) = time(|| theirs.call(self.export, &arguments));
            result?;
            let (result, own) = time(|| ours.call(self.export, &arguments));
            result?;
            // The first two warm up.
            if repetition >= 2 {
                ratios.push(own.as_secs_f64() / base.as_secs_f64());
                times.push(own.as_nanos() as f64 / count);
            }
        }
        let (ratio, nanoseconds) = (median(ratios), median(times));
        Ok(Figures { instructions, nanoseconds, ratio, pages: counted.pages()? })
    }
}

/// Measures and prints.
pub fn run(std: &Guest, null: &Guest, others: &[Guest], repetitions: usize) -> Result<()> {
    let guests: Vec<&Guest> = std::iter::once(std).chain(others).chain([null]).collect();
    let header: Vec<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
    let table = |title| Table::new(std::iter::once(title).chain(header.iter().copied()));
    let mut time = table("time, ratio to std");
    let mut net = table("time less the trace's own, ratio to std");
    let mut fuel = table("instructions less the trace's own, ratio to std");
    let mut absolute = table("ns each; instructions each");
    let mut pages = table("pages beyond the start");
    for trace in TRACES {
        let mut figures = Vec::new();
        for guest in &guests {
            let runs = match guest.name.as_str() {
                "null" | "ring" => trace.floors,
                // It frees nothing: what allocates bodies by the megabyte runs out of memory.
                "bump" => trace.export == "rust",
                _ => true,
            };
            figures.push(runs.then(|| trace.measure(guest, std, repetitions)).transpose()?);
        }
        let own = figures.last().copied().flatten();
        let base = figures[0];
        let row = |table: &mut Table, cell: &dyn Fn(Figures) -> Option<String>| {
            let cells = figures.iter().map(|f| f.and_then(cell).unwrap_or_else(|| "-".to_owned()));
            table.add(std::iter::once(trace.title.to_owned()).chain(cells).collect());
        };
        let less = |value: f64, own: Option<f64>, base: Option<f64>| {
            let own = own.unwrap_or(0.0);
            Some(format!("{:.2}", (value - own) / (base? - own)))
        };
        if repetitions > 0 {
            row(&mut time, &|f| Some(format!("{:.2}", f.ratio)));
            row(&mut net, &|f| less(f.ratio, own.map(|o| o.ratio), Some(1.0)));
        }
        row(&mut fuel, &|f| less(f.instructions, own.map(|o| o.instructions), base.map(|b| b.instructions)));
        row(&mut absolute, &|f| Some(format!("{:.1}; {:.0}", f.nanoseconds, f.instructions)));
        row(&mut pages, &|f| Some(f.pages.to_string()));
    }
    for table in [time, net, fuel, absolute, pages] {
        println!("{table}");
    }
    Ok(())
}

/// Measures and prints what of the request trace is not the allocator's: the same run on the addresses that the free lists chose before.
pub fn placed(std: &Guest, placed: &Guest, others: &[Guest], repetitions: usize) -> Result<()> {
    let guests: Vec<&Guest> = std::iter::once(std).chain(others).chain([placed]).collect();
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
    println!("{table}");
    Ok(())
}
