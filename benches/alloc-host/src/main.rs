//! Allocators on wasm, side by side: `cargo run -p sluicegate-alloc-host [-- --help]`.
//!
//! Every guest is the same traces over another allocator. Instructions (fuel) and pages are exact and repeat to the digit; time is the CPU time of the thread,
//! each measurement paired with one of std right before it, and the figure is the median of the ratios.

use anyhow::Result;
use clap::Parser;
use sluicegate_alloc_host::guest::{Engines, Guest};
use sluicegate_alloc_host::{node, soak, speed};
use sluicegate_benches::table::Table;

const ALL: &str = "std,freelist,arena,heap,talc,dlmalloc,rlsf,lol_alloc,wasmalloc,ring,null";

/// Runs allocation traces on wasm under several allocators.
#[derive(Parser)]
struct Options {
    /// The allocators: features of the guest, `+` joins several; std and null are always there.
    #[arg(long, default_value = ALL, value_delimiter = ',')]
    allocators: Vec<String>,
    /// Measurements of time; 0 leaves time out.
    #[arg(long, default_value_t = 11)]
    repetitions: usize,
    /// Leaves the soaks out.
    #[arg(long)]
    no_soak: bool,
    /// Leaves the traces out.
    #[arg(long)]
    no_traces: bool,
    /// Times the request trace on addresses that were written down before, too: what no allocator that keeps blocks apart can save.
    #[arg(long)]
    placed: bool,
    /// Times the traces on V8 too, through `node --no-liftoff`; without node it says so.
    #[arg(long)]
    node: bool,
}

fn main() -> Result<()> {
    let mut options = Options::parse();
    options.allocators.retain(|name| name != "std" && name != "null");
    let engines = Engines::new()?;
    let std = Guest::build(&engines, "std")?;
    let null = Guest::build(&engines, "null")?;
    let others = options.allocators.iter().map(|name| Guest::build(&engines, name)).collect::<Result<Vec<_>>>()?;

    println!("module bytes over a module whose allocator does nothing");
    let mut table = Table::new(["allocator", "bytes"]);
    let nothing = null.code()? as i64;
    for guest in std::iter::once(&std).chain(&others) {
        table.add(vec![guest.name.clone(), (guest.code()? as i64 - nothing).to_string()]);
    }
    println!("{table}");

    if !options.no_traces {
        speed::run(&std, &null, &others, options.repetitions)?;
    }
    if options.placed {
        speed::placed(&std, &Guest::build(&engines, "placed")?, &others, options.repetitions)?;
    }
    if options.node {
        node::run(&std, &null, &others, options.repetitions)?;
    }
    if !options.no_soak {
        let names = others.iter().map(|guest| guest.name.as_str()).filter(|name| !["ring", "bump"].contains(name));
        soak::table(&engines, std::iter::once("std").chain(names))?;
    }
    Ok(())
}
