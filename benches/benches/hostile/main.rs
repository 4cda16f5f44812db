//! The hostile traces natively: the worst operation in time, and the pages that the system gives.
//!
//! ```sh
//! cargo bench -p sluicegate-benches --bench hostile -- [--runs N] [--write] [TRACE…]
//! ```
//!
//! Each allocator plays each trace in a process of its own, which holds nothing but a table of its
//! blocks, made and touched before: what its resident memory grows by is the allocator's. The
//! operations come through a pipe, so the trace's own tables lie here. A time is the processor's,
//! of one call, with some 0.3 µs of the clock's own; a trace is played some times over, and of each
//! operation the least counts: what the system did in between is gone, as it hardly hits the same
//! operation each time. First uses of a page are part of a time on the first run and on all, as
//! each run is a new process.
#![allow(unsafe_code, reason = "allocators are compared through their raw interface")]

mod child;
mod rivals;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sluicegate_benches::table::Table;
use sluicegate_benches::written;
use sluicegate_traces::hostile::{Block, Blocks, Op, Player, Script, TRACES, Trace};

use child::{CHILD, Order};

/// The results of one allocator on one trace.
struct Found {
    /// Nanoseconds of each operation.
    times: Vec<u32>,
    /// Pages of 64 KiB that resident memory grew by, at most and in the end.
    peak: u64,
    end: u64,
}

/// A child process that plays.
struct Remote {
    process: Child,
    failed: bool,
}

impl Player for Remote {
    fn play(&mut self, ops: &[Op], blocks: &mut Blocks) {
        if !self.failed && self.exchange(ops, blocks).is_err() {
            self.failed = true;
        }
    }
}

impl Remote {
    fn start(rival: &str) -> std::io::Result<Self> {
        let process = Command::new(std::env::current_exe()?)
            .env(CHILD, rival)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self { process, failed: false })
    }

    fn exchange(&mut self, ops: &[Op], blocks: &mut Blocks) -> std::io::Result<()> {
        let orders: Vec<Order> = ops.iter().filter_map(Order::of).collect();
        let mut bytes = (orders.len() as u64).to_le_bytes().to_vec();
        orders.iter().for_each(|order| bytes.extend(order.encode()));
        let input = self.process.stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        input.write_all(&bytes)?;
        input.flush()?;
        let mut granted = vec![0; orders.len()];
        self.process.stdout.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?.read_exact(&mut granted)?;
        for (order, granted) in orders.iter().zip(granted) {
            match *order {
                Order::Free { block } => blocks.take(block),
                Order::Allocate { block, size, align, .. } if granted == 1 => {
                    blocks.put(block, Block { address: 1, size, align });
                }
                Order::Resize { block, size } if granted == 1 => {
                    let align = blocks.get(block).map_or(1, |block| block.align);
                    blocks.put(block, Block { address: 1, size, align });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks for the figures, and waits for the end.
    fn finish(mut self) -> std::io::Result<Found> {
        let mut bytes = Vec::new();
        if let Some(mut input) = self.process.stdin.take() {
            input.write_all(&u64::MAX.to_le_bytes())?;
        }
        if let Some(mut output) = self.process.stdout.take() {
            output.read_to_end(&mut bytes)?;
        }
        self.process.wait()?;
        let words: Vec<u64> = bytes.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect();
        let [peak, end, times @ ..] = words.as_slice() else { return Err(std::io::ErrorKind::UnexpectedEof.into()) };
        let times = times.iter().map(|&time| u32::try_from(time).unwrap_or(u32::MAX)).collect();
        Ok(Found { times, peak: *peak, end: *end })
    }
}

fn once(rival: &str, trace: &Trace) -> std::io::Result<Found> {
    let mut remote = Remote::start(rival)?;
    let mut script = Script::new(&mut remote);
    (trace.write)(&mut script);
    script.finish();
    remote.finish()
}

/// Returns the least time of each operation, and the largest number of pages, over all runs.
/// Returns `None` if the allocator fails.
fn measured(rival: &str, trace: &Trace, runs: usize) -> Option<Found> {
    let mut best = once(rival, trace).ok()?;
    for _ in 1..runs {
        let again = once(rival, trace).ok()?;
        best.times.iter_mut().zip(&again.times).for_each(|(best, again)| *best = (*best).min(*again));
        best.peak = best.peak.max(again.peak);
        best.end = best.end.max(again.end);
    }
    Some(best)
}

fn main() -> std::io::Result<()> {
    if let Some(rival) = std::env::var_os(CHILD) {
        return child::serve(&rival.to_string_lossy());
    }
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let smoke = arguments.iter().position(|argument| argument == "--test").map(|at| arguments.remove(at)).is_some();
    let writes = arguments.iter().position(|argument| argument == "--write").map(|at| arguments.remove(at)).is_some();
    let runs = arguments.iter().position(|argument| argument == "--runs").map(|at| {
        let number = arguments.drain(at..(at + 2).min(arguments.len())).next_back();
        number.and_then(|number| number.parse().ok()).unwrap_or(1)
    });
    let runs = if smoke { 1 } else { runs.unwrap_or(3) };
    let names: Vec<&str> = rivals::names().collect();
    let mut worst = Table::new(std::iter::once("ns of the worst operation").chain(names.iter().copied()));
    let mut often = Table::new(std::iter::once("of one operation in a thousand, or more").chain(names.iter().copied()));
    let mut pages = Table::new(std::iter::once("pages at most / in the end").chain(names.iter().copied()));
    // At a cap of a module's memory there is nothing to see here.
    for trace in TRACES.iter().filter(|trace| trace.pages) {
        let wanted = arguments.is_empty() || arguments.iter().any(|text| trace.title.contains(text));
        if !wanted || smoke && !trace.title.starts_with("64 live") {
            continue;
        }
        let rows = names.iter().map(|name| {
            let able = rivals::runs(name, trace);
            let Some(mut found) = able.then(|| measured(name, trace, runs)).flatten() else {
                return ["-"; 3].map(str::to_owned);
            };
            found.times.sort_unstable();
            let last = found.times.len().saturating_sub(1);
            let time = |at: usize| found.times.get(at).map_or_else(String::new, u32::to_string);
            [time(last), time(last - last / 1000), format!("{} / {}", found.peak, found.end)]
        });
        let rows: Vec<[String; 3]> = rows.collect();
        for (column, table) in [&mut worst, &mut often, &mut pages].into_iter().enumerate() {
            let cells = rows.iter().map(|row| row[column].clone());
            table.add(std::iter::once(trace.title.to_owned()).chain(cells).collect());
        }
    }
    let text = format!("{worst}\n{often}\n{pages}");
    println!("{text}");
    if writes {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/hostile-native.md");
        written::write(&document, "hostile", &text)?;
    }
    Ok(())
}
