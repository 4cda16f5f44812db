//! The soaks: loads that make allocators grow for ever. What counts is the pages.
//!
//! Live data that are drawn at random rise to new peaks for as long as one looks, and any allocator's pages with them. So a soak is one sequence of
//! events, played again and again: after some rounds live bytes rise no further, and a page more is the allocator's own. The first half of the rounds is warm-up;
//! in the second half memory must stand still ([`Found::verify`]). How many rounds there are was set once, for all allocators.

use anyhow::{Context, Result, ensure};

use crate::guest::{Engines, Guest, Running};
use sluicegate_benches::table::Table;

/// Calls of exports, with their arguments.
type Calls = &'static [(&'static str, &'static [u32])];

/// A load, and how often it is played.
#[derive(Debug)]
pub struct Soak {
    /// What it is, in a few words.
    pub title: &'static str,
    /// One round.
    round: Calls,
    rounds: usize,
    /// Whether it is a burst: a large buffer after it must fit into what it left, to within [`MARGIN`] pages of the standard library's.
    pub burst: bool,
    /// Too slow for an allocator that walks a list of all that is free.
    slow: bool,
}

/// The loads that must stand still.
pub const SOAKS: &[Soak] = &[
    Soak {
        title: "S4: 64 contexts, bodies to 32 KiB",
        burst: false,
        round: &[("contexts_rewind", &[]), ("contexts", &[64, 15, 20_000])],
        rounds: 80,
        slow: true,
    },
    Soak {
        title: "S4: 256 contexts, bodies to 1 MiB",
        burst: false,
        round: &[("contexts_rewind", &[]), ("contexts", &[256, 20, 1_000])],
        rounds: 100,
        slow: true,
    },
    Soak { title: "S6: ratchet", burst: false, round: &[("ratchet", &[200])], rounds: 8, slow: false },
    Soak {
        title: "S7: 128 growing buffers",
        burst: false,
        round: &[("contexts_rewind", &[]), ("growing", &[128, 2_000])],
        rounds: 8,
        slow: true,
    },
    Soak {
        title: "S12: 16, 2,048, 16 contexts",
        burst: false,
        round: &[
            ("contexts_rewind", &[]),
            ("contexts", &[2048, 14, 8_000]),
            ("contexts_drain", &[16]),
            ("contexts", &[16, 14, 4_000]),
        ],
        rounds: 40,
        slow: true,
    },
    Soak {
        title: "trace: 256 requests",
        burst: true,
        round: &[("requests_rewind", &[]), ("requests", &[256, 4_000])],
        rounds: 80,
        slow: true,
    },
];

/// How many pages more than the standard library's a large buffer after a burst may end with.
pub const MARGIN: u64 = 8;

/// One buffer after a burst, in bytes.
const BIG: u32 = 8 << 20;

/// What a soak found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Pages beyond the start, after each round.
    pub pages: Vec<u64>,
    /// Bytes in live blocks at most, by the trace's count.
    pub peak: usize,
    /// Bytes in blocks that the trace still holds after all was freed.
    pub held: usize,
    /// The same less what there was at first, by the allocator's own count, if it has one.
    pub live: Option<i64>,
    /// Pages after one buffer of 8 MiB, when all was freed.
    pub big: u64,
}

impl Found {
    /// Pages when half of the rounds were over, and at the end.
    #[must_use]
    pub fn halves(&self) -> (u64, u64) {
        (self.pages[self.pages.len() / 2 - 1], self.pages[self.pages.len() - 1])
    }

    /// Whether memory stood still in the second half, and everything came back.
    ///
    /// Where many blocks of many sizes are placed anew each round, a worst case so far turns up now and then, ever more rarely: seldom in the second half. What is lost, however, is lost as fast in the second half as in the first. So where memory need not
    /// `settle`, the second may take a fifth of what the first took after its first round, rounded down: nothing where the first took less than five pages.
    ///
    /// # Errors
    ///
    /// What did not.
    pub fn verify(&self, settles: bool) -> Result<()> {
        let (half, end) = self.halves();
        let slack = if settles { 0 } else { (half - self.pages[0]) / 5 };
        ensure!(end <= half + slack, "grew from {half} to {end} pages in the second half: {:?}", self.pages);
        ensure!(self.held == 0, "{} bytes are still held", self.held);
        ensure!(self.live.unwrap_or(0) == 0, "live bytes are {:+} off the start", self.live.unwrap_or(0));
        Ok(())
    }
}

impl Soak {
    /// Whether an allocator must not take a page in the second half: those whose placement is ours. talc and the standard library's are not.
    #[must_use]
    pub fn settles(name: &str) -> bool {
        name.starts_with("freelist") || name.starts_with("arena")
    }

    /// Plays all rounds, frees everything, and asks for one large buffer.
    ///
    /// # Errors
    ///
    /// Out of memory, or a trap.
    pub fn run(&self, running: &mut Running) -> Result<Found> {
        let live = running.count("live")?;
        let mut found = Found::default();
        for _ in 0..self.rounds {
            for (export, arguments) in self.round {
                running.call(export, arguments)?;
            }
            found.pages.push(running.pages()?);
        }
        let counted = "the guest does not count: it lacks a feature";
        found.peak = running.count("peak")?.context(counted)? as usize;
        for (export, arguments) in
            [("contexts_drain", &[0][..]), ("cache_drain", &[]), ("requests_drain", &[]), ("big", &[BIG])]
        {
            running.call(export, arguments)?;
        }
        found.held = running.count("held")?.context(counted)? as usize;
        found.live = running.count("live")?.zip(live).map(|(after, before)| i64::from(after) - i64::from(before));
        found.big = running.pages()?;
        Ok(found)
    }
}

/// The guest of an allocator for the soaks: the blocks are counted, by the allocator too if it is one of ours.
///
/// # Errors
///
/// It does not build.
pub fn guest(engines: &Engines, name: &str) -> Result<Guest> {
    let ours = ["freelist", "arena", "heap", "system"].contains(&name);
    Guest::build(engines, &format!("{}count{}", prefix(name), if ours { "+stats" } else { "" }))
}

fn prefix(name: &str) -> String {
    if name == "std" { String::new() } else { format!("{name}+") }
}

/// Runs all soaks under each allocator, and prints.
///
/// # Errors
///
/// A guest does not build.
pub fn table<'a>(engines: &Engines, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let names: Vec<&str> = names.collect();
    let mut pages = Table::new(std::iter::once("pages: one round / half / end").chain(names.iter().copied()));
    let mut big =
        Table::new(std::iter::once("pages after all was freed and one buffer of 8 MiB").chain(names.iter().copied()));
    let guests = names.iter().map(|name| guest(engines, name)).collect::<Result<Vec<_>>>()?;
    for soak in SOAKS {
        let (mut row, mut last) = (vec![soak.title.to_owned()], vec![soak.title.to_owned()]);
        for (guest, name) in guests.iter().zip(&names) {
            if soak.slow && *name == "lol_alloc" {
                row.push("-".to_owned());
                last.push("-".to_owned());
                continue;
            }
            match soak.run(&mut guest.timed()?) {
                Ok(found) => {
                    let (half, end) = found.halves();
                    let fault = if found.verify(Soak::settles(name)).is_ok() { "" } else { " (grows)" };
                    row.push(format!("{} / {half} / {end}{fault}", found.pages[0]));
                    last.push(found.big.to_string());
                }
                Err(_) => {
                    row.push("out of memory".to_owned());
                    last.push("-".to_owned());
                }
            }
        }
        pages.add(row);
        big.add(last);
    }
    println!("{pages}\n{big}");
    Ok(())
}
