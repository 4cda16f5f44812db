//! The soaks: pages at the half and at the end, which must be the same.

use anyhow::Result;

use crate::guest::{Guest, Running};
use sluicegate_benches::table::Table;

struct Soak {
    title: &'static str,
    /// Runs, and returns the pages to print.
    run: fn(&mut Running) -> Result<Vec<u64>>,
    /// Whether the last two figures must be equal.
    flat: bool,
    /// Too slow for an allocator that walks a list of all that is free.
    long: bool,
}

const SOAKS: &[Soak] = &[
    Soak {
        title: "S4 K=64 to 32 KiB: half / end",
        run: |r| steps(r, "contexts", &[64, 15], 200_000, 8),
        flat: true,
        long: true,
    },
    Soak {
        title: "S4 K=256 to 1 MiB: half / end",
        run: |r| steps(r, "contexts", &[256, 20], 10_000, 8),
        flat: true,
        long: true,
    },
    Soak { title: "S6 ratchet: once / half / end", run: ratchet, flat: true, long: false },
    Soak { title: "S7 K=128: half / end", run: |r| steps(r, "growing", &[128], 16_000, 8), flat: true, long: true },
    Soak { title: "S12 16 -> 2,048 -> 16: calm / burst / half / end", run: bursts, flat: true, long: true },
    Soak { title: "trace 256, drained, 8 MiB: half / end / big", run: drained, flat: false, long: true },
];

fn steps(running: &mut Running, export: &str, arguments: &[u32], count: u32, times: usize) -> Result<Vec<u64>> {
    let mut pages = Vec::new();
    let mut all = arguments.to_vec();
    all.push(count);
    for _ in 0..times {
        running.call(export, &all)?;
        pages.push(running.pages()?);
    }
    Ok(vec![pages[times / 2 - 1], pages[times - 1]])
}

fn ratchet(running: &mut Running) -> Result<Vec<u64>> {
    let mut pages = Vec::new();
    for _ in 0..8 {
        running.call("ratchet", &[200])?;
        pages.push(running.pages()?);
    }
    Ok(vec![pages[0], pages[3], pages[7]])
}

fn bursts(running: &mut Running) -> Result<Vec<u64>> {
    running.call("contexts", &[16, 14, 20_000])?;
    let mut pages = vec![running.pages()?];
    for _ in 0..12 {
        running.call("contexts", &[2048, 14, 40_000])?;
        running.call("contexts_drain", &[16])?;
        running.call("contexts", &[16, 14, 20_000])?;
        pages.push(running.pages()?);
    }
    Ok(vec![pages[0], pages[1], pages[6], pages[12]])
}

fn drained(running: &mut Running) -> Result<Vec<u64>> {
    let mut pages = steps(running, "requests", &[256], 20_000, 20)?;
    running.call("requests_drain", &[])?;
    running.call("big", &[8 << 20])?;
    pages.push(running.pages()?);
    Ok(pages)
}

/// Runs and prints.
pub(crate) fn run(std: &Guest, others: &[Guest]) -> Result<()> {
    let guests: Vec<&Guest> = std::iter::once(std).chain(others).filter(|guest| guest.name != "ring").collect();
    let names = guests.iter().map(|guest| guest.name.as_str());
    let mut table = Table::new(std::iter::once("pages beyond the start").chain(names));
    for soak in SOAKS {
        let mut row = vec![soak.title.to_owned()];
        for guest in &guests {
            if soak.long && guest.name == "lol_alloc" {
                row.push("-".to_owned());
                continue;
            }
            let mut running = guest.timed()?;
            row.push(match (soak.run)(&mut running) {
                Ok(pages) => {
                    let flat = !soak.flat || pages[pages.len() - 2] == pages[pages.len() - 1];
                    let mut cell = pages.iter().map(u64::to_string).collect::<Vec<_>>().join(" / ");
                    if !flat {
                        cell.push_str(" (grows)");
                    }
                    running.call("contexts_drain", &[0])?;
                    running.call("cache_drain", &[])?;
                    if let Some(live) = running.live()?.filter(|&live| live != 0) {
                        cell.push_str(&format!(" ({live} B lost)"));
                    }
                    cell
                }
                Err(_) => "out of memory".to_owned(),
            });
        }
        table.add(row);
    }
    println!("{table}");
    Ok(())
}
