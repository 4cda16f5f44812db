//! Hostile traces on wasm: the instructions of the worst operation, and the pages.
//!
//! The guest does one operation of the host after another, and the host reads the fuel in between.
//! So each figure is that of one operation. It is exact, and the same on every machine. The cost of
//! asking for the next operation is subtracted. Bytes that `memory.copy` and `memory.fill` touch
//! cost nothing, so an allocator's bound excludes the bytes that it copies or clears.

mod costs;
mod player;
mod table;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Result;
use serde::Serialize;
use sluicegate_traces::hostile::{Script, TRACES, Trace};
use wasmtime::{Config, Engine, Module, OperatorCost};

use crate::guest::{Kind, build};
use player::Wasm;

pub use costs::{Costs, Worst};
pub use table::tables;

/// The factor over the instructions of the first allocator at which another one counts as
/// unfinished: some walk over all free blocks in each operation.
const PATIENCE: u64 = 20;

/// The instructions that each allocator may take on the shortest trace.
const LEAST_PATIENCE: u64 = 100_000_000;

/// The module of one allocator.
pub struct Guest {
    /// Its features, joined with `+`, or `std` if it has none.
    pub name: String,
    module: Module,
}

/// The results of one allocator on one trace.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// The allocator.
    pub allocator: String,
    /// The trace.
    pub trace: &'static str,
    /// The reason why the allocator did not finish the trace, or `None` if it did.
    pub ended: Option<String>,
    /// The instructions.
    #[serde(flatten)]
    pub costs: Costs,
    /// The pages beyond those of the start. Linear memory never shrinks, so this is both the final
    /// number and the maximum.
    pub pages: u64,
    /// The maximum of the bytes in live blocks, in pages.
    pub live: u64,
}

/// Makes an engine that counts instructions, and does not count copied bytes.
///
/// # Errors
///
/// Fails if the processor is not supported.
pub fn engine() -> Result<Engine> {
    let mut cost = OperatorCost::default();
    cost.variable.memory_copy_per_byte = 0;
    cost.variable.memory_fill_per_byte = 0;
    let mut config = Config::new();
    config.consume_fuel(true).operator_cost(cost);
    Ok(Engine::new(&config)?)
}

impl Guest {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// Fails if the module does not build.
    pub fn build(engine: &Engine, name: &str) -> Result<Self> {
        let wasm = std::fs::read(build(name, Kind::Hostile)?)?;
        Ok(Self { name: name.to_owned(), module: Module::new(engine, wasm)? })
    }

    /// Plays a trace on a new instance, with a limit of instructions.
    ///
    /// # Errors
    ///
    /// Fails if the module does not start.
    pub fn run(&self, trace: &Trace, patience: u64) -> Result<Found> {
        let mut player = Wasm::start(&self.module, patience)?;
        let mut script = Script::new(&mut player);
        (trace.write)(&mut script);
        let peak = script.finish();
        let (costs, pages, ended) = player.finish();
        let live = peak.div_ceil(65_536) as u64;
        Ok(Found { allocator: self.name.clone(), trace: trace.title, ended, costs, pages, live })
    }
}

/// Plays all traces whose titles contain `filter` on all allocators, in as many threads as there
/// are processors. Returns a list for each allocator, in the order of the traces. The first
/// allocator sets the limit for the others.
///
/// # Errors
///
/// Fails if a module does not start.
pub fn run(guests: &[Guest], filter: &str) -> Result<Vec<Vec<Found>>> {
    let traces: Vec<&Trace> = TRACES.iter().filter(|trace| trace.title.contains(filter)).collect();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(trace) = traces.get(number) else { return Ok(()) };
            let mut patience = u64::MAX;
            for (which, guest) in guests.iter().enumerate() {
                let result = guest.run(trace, patience)?;
                if which == 0 {
                    patience = PATIENCE * result.costs.total + LEAST_PATIENCE;
                }
                if let Ok(mut found) = found.lock() {
                    found.push((number, which, result));
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a thread panicked")))
    })?;
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_by_key(|(number, ..)| *number);
    let mut lists = vec![Vec::new(); guests.len()];
    for (_, which, result) in found {
        lists[which].push(result);
    }
    Ok(lists)
}
