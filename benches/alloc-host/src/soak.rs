//! The soaks: loads that make allocators grow for ever. What counts is the pages.
//!
//! Live data that are drawn at random rise to new peaks for as long as one looks, and any
//! allocator's pages with them. So a soak is one sequence of events, played again and again: after
//! some rounds live bytes rise no further, and a page more is the allocator's own. The first half
//! of the rounds is warm-up; in the second half memory must stand still ([`Found::verify`]). How
//! many rounds there are was set once, for all allocators.

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
    /// Whether it is a burst: a large buffer after it must end within [`Soak::margin`] pages of the
    /// standard library's.
    pub burst: bool,
    /// Whether memory may still grow a little in the second half: what is open at a round's end
    /// goes on in the next, so rounds differ, and a rare order of events takes a page now and then.
    drifts: bool,
    /// Whether it differs from another with the arena alone.
    arena: bool,
    /// Too slow for an allocator that walks a list of all that is free.
    slow: bool,
}

const fn soak(title: &'static str, round: Calls, rounds: usize) -> Soak {
    Soak { title, round, rounds, burst: false, drifts: false, arena: false, slow: true }
}

const fn drifting(soak: Soak) -> Soak {
    Soak { drifts: true, ..soak }
}

const fn burst(soak: Soak) -> Soak {
    Soak { burst: true, ..soak }
}

/// The loads that must stand still.
pub const SOAKS: &[Soak] = &[
    drifting(soak("S4: 1 context, bodies to 64 KiB", &[("contexts_rewind", &[]), ("contexts", &[1, 16, 20_000])], 20)),
    drifting(soak(
        "S4: 16 contexts, bodies to 64 KiB",
        &[("contexts_rewind", &[]), ("contexts", &[16, 16, 20_000])],
        20,
    )),
    drifting(soak(
        "S4: 64 contexts, bodies to 32 KiB",
        &[("contexts_rewind", &[]), ("contexts", &[64, 15, 20_000])],
        80,
    )),
    Soak {
        arena: true,
        ..drifting(soak(
            "S4: 64 contexts, entries made outside",
            &[("cache_outside", &[1]), ("contexts_rewind", &[]), ("contexts", &[64, 15, 20_000])],
            80,
        ))
    },
    drifting(soak(
        "S4: 256 contexts, bodies to 1 MiB",
        &[("contexts_rewind", &[]), ("contexts", &[256, 20, 1_000])],
        100,
    )),
    drifting(soak(
        "S4: 2,048 contexts, bodies to 64 KiB",
        &[("contexts_rewind", &[]), ("contexts", &[2048, 16, 20_000])],
        20,
    )),
    Soak { slow: false, ..soak("S6: ratchet", &[("ratchet", &[200])], 8) },
    drifting(soak("S7: 2 growing buffers", &[("contexts_rewind", &[]), ("growing", &[2, 2_000])], 16)),
    drifting(soak("S7: 4 growing buffers", &[("contexts_rewind", &[]), ("growing", &[4, 2_000])], 16)),
    drifting(soak("S7: 16 growing buffers", &[("contexts_rewind", &[]), ("growing", &[16, 2_000])], 16)),
    soak("S7: 128 growing buffers", &[("contexts_rewind", &[]), ("growing", &[128, 2_000])], 8),
    burst(soak(
        "S12: 16, 2,048, 16 contexts",
        &[
            ("contexts_rewind", &[]),
            ("contexts", &[2048, 14, 8_000]),
            ("contexts_drain", &[16]),
            ("contexts", &[16, 14, 4_000]),
        ],
        40,
    )),
    Soak {
        arena: true,
        ..burst(soak(
            "S12: the same, entries made outside",
            &[
                ("cache_outside", &[1]),
                ("contexts_rewind", &[]),
                ("contexts", &[2048, 14, 8_000]),
                ("contexts_drain", &[16]),
                ("contexts", &[16, 14, 4_000]),
            ],
            40,
        ))
    },
    burst(soak("trace: 256 requests", &[("requests_rewind", &[]), ("requests", &[256, 4_000])], 80)),
];

/// How many pages more than the standard library's a large buffer after a burst may end with; see
/// [`Soak::margin`].
const MARGIN: u64 = 8;

const COUNTED: &str = "the guest does not count: it lacks a feature";

/// One buffer after a burst, in bytes.
const BIG: u32 = 8 << 20;

/// What a soak found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Pages beyond the start, after each round.
    pub pages: Vec<u64>,
    /// How often memory grew over all rounds.
    pub grows: u64,
    /// Blocks that outlived their region after all rounds, by the allocator's own count.
    pub retained: u32,
    /// The same after all was freed.
    pub retained_at_last: u32,
    /// Bytes in live blocks at most, up to the end of each round, by the trace's count.
    pub peaks: Vec<usize>,
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

    /// Pages after each of the first three rounds, and what was live at most up to then.
    fn bursts(&self) -> String {
        let rounds = self.pages.iter().zip(&self.peaks).take(3);
        let cells: Vec<_> = rounds.map(|(pages, live)| format!("{pages} ({})", live.div_ceil(65_536))).collect();
        cells.join(" / ")
    }

    /// Pages of live blocks at most.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peaks.last().copied().unwrap_or_default().div_ceil(65_536)
    }

    /// Whether the second and the third burst took no page beyond what more was live in them than
    /// in the first: the cache fills up over them.
    ///
    /// # Errors
    ///
    /// They did.
    pub fn verify_bursts(&self) -> Result<()> {
        let more = (self.peaks[2] - self.peaks[0]).div_ceil(65_536) as u64;
        let taken = self.pages[2] - self.pages[0];
        ensure!(taken <= more, "the second and the third burst took {taken} pages for {more} of live blocks");
        Ok(())
    }

    /// Whether memory stood still in the second half, and everything came back.
    ///
    /// Where many blocks of many sizes are placed anew each round, a worst case so far turns up now
    /// and then, ever more rarely: seldom in the second half. What is lost, however, is lost as
    /// fast in the second half as in the first. So where memory need not `settle`, the second may
    /// take a third of what the first took after its first round, or a tenth of what is held if
    /// that is more.
    ///
    /// # Errors
    ///
    /// What did not.
    pub fn verify(&self, settles: bool) -> Result<()> {
        let (half, end) = self.halves();
        let slack = if settles { 0 } else { ((half - self.pages[0]) / 3).max(half / 10) };
        ensure!(end <= half + slack, "grew from {half} to {end} pages in the second half: {:?}", self.pages);
        ensure!(self.held == 0, "{} bytes are still held", self.held);
        ensure!(self.live.unwrap_or(0) == 0, "live bytes are {:+} off the start", self.live.unwrap_or(0));
        ensure!(self.retained_at_last == 0, "{} blocks are still retained", self.retained_at_last);
        Ok(())
    }
}

impl Soak {
    /// Whether an allocator must not take a page in the second half: where that was reached. talc
    /// and the standard library place a few blocks worse now and then.
    #[must_use]
    pub fn settles(&self, name: &str) -> bool {
        !self.drifts && keeps(name)
    }

    /// How many pages more than the standard library's the large buffer after the burst may end
    /// with.
    ///
    /// S12 is at its peak when the buffer comes, with 2,048 contexts beside a cache that lives on.
    /// The free lists and the arena may hold more then than the standard library, and the buffer
    /// fits into that.
    #[must_use]
    pub fn margin(&self, name: &str) -> u64 {
        if self.title.starts_with("S12") && keeps(name) { 2 * MARGIN } else { MARGIN }
    }

    /// Whether an allocator runs it, and it shows anything.
    #[must_use]
    pub fn runs(&self, name: &str) -> bool {
        !(self.slow && name == "lol_alloc" || self.arena && !name.starts_with("arena"))
    }

    /// Plays all rounds, and all of them so many `times`; frees everything, and asks for one large
    /// buffer.
    ///
    /// # Errors
    ///
    /// Out of memory, or a trap.
    pub fn run(&self, running: &mut Running, times: usize) -> Result<Found> {
        let live = running.count("live")?;
        let mut found = Found::default();
        for _ in 0..self.rounds * times {
            for (export, arguments) in self.round {
                running.call(export, arguments)?;
            }
            found.pages.push(running.pages()?);
            found.peaks.push(running.count("peak")?.context(COUNTED)? as usize);
        }
        found.grows = running.grows();
        found.retained = running.count("retained")?.unwrap_or(0);
        for (export, arguments) in
            [("contexts_drain", &[0][..]), ("cache_drain", &[]), ("requests_drain", &[]), ("big", &[BIG])]
        {
            running.call(export, arguments)?;
        }
        found.held = running.count("held")?.context(COUNTED)? as usize;
        found.live = running.count("live")?.zip(live).map(|(after, before)| i64::from(after) - i64::from(before));
        found.retained_at_last = running.count("retained")?.unwrap_or(0);
        found.big = running.pages()?;
        Ok(found)
    }
}

/// Whether an allocator is one of ours that keeps freed blocks.
fn keeps(name: &str) -> bool {
    name.starts_with("freelist") || name.starts_with("arena")
}

/// The guest of an allocator for the soaks: the blocks are counted, by the allocator too if it is
/// one of ours.
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

/// Runs the soaks with `filter` in their titles under each allocator.
///
/// # Errors
///
/// A guest does not build.
pub fn tables<'a>(
    engines: &Engines,
    names: impl Iterator<Item = &'a str>,
    filter: &str,
    times: usize,
) -> Result<Vec<Table>> {
    let names: Vec<&str> = names.collect();
    let table = |title: &str| Table::new(std::iter::once(title).chain(names.iter().copied()));
    let mut live = Table::new(["live at most, in pages", ""]);
    let mut pages = table("pages after one round / half / all");
    let mut big = table("pages after all was freed and one buffer of 8 MiB came");
    let mut grows = table("grows");
    let mut bursts = table("pages (live at most) after one / two / three rounds");
    let mut retained = table("blocks retained by entries");
    let guests = names.iter().map(|name| guest(engines, name)).collect::<Result<Vec<_>>>()?;
    for soak in SOAKS.iter().filter(|soak| soak.title.contains(filter)) {
        if !names.iter().any(|name| soak.runs(name)) {
            continue;
        }
        let mut rows = [const { Vec::new() }; 5].map(|_: Vec<String>| vec![soak.title.to_owned()]);
        let mut most = 0;
        for (guest, name) in guests.iter().zip(&names) {
            let mut running = guest.timed()?;
            let cells = match soak.runs(name).then(|| soak.run(&mut running, times)) {
                None => [const { String::new() }; 5].map(|_| "-".to_owned()),
                Some(Ok(found)) => {
                    let (half, end) = found.halves();
                    most = most.max(found.peak());
                    // The last round in which memory grew.
                    let last = found.pages.windows(2).rposition(|pair| pair[0] < pair[1]).map_or(1, |round| round + 2);
                    let grew = if end > half { format!(" (last in round {last})") } else { String::new() };
                    [
                        format!("{} / {half} / {end}{grew}", found.pages[0]),
                        found.big.to_string(),
                        found.grows.to_string(),
                        found.bursts(),
                        found.retained.to_string(),
                    ]
                }
                Some(Err(_)) => {
                    let end = format!("fails at {}", running.pages()?);
                    [end, "-".to_owned(), "-".to_owned(), "-".to_owned(), "-".to_owned()]
                }
            };
            for (row, cell) in rows.iter_mut().zip(cells) {
                row.push(cell);
            }
        }
        live.add(vec![soak.title.to_owned(), most.to_string()]);
        let [first, second, third, fourth, fifth] = rows;
        pages.add(first);
        big.add(second);
        grows.add(third);
        if soak.burst {
            bursts.add(fourth);
        }
        if names.contains(&"arena") {
            retained.add(fifth);
        }
    }
    Ok([live, pages, big, grows, bursts, retained].into_iter().filter(|table| !table.is_empty()).collect())
}
