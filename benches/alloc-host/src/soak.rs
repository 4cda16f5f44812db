//! The soaks: loads that make allocators grow without end. Their result is the number of pages.
//!
//! Random live data rise to a new maximum again and again, and so do the pages of any allocator. So
//! a soak plays one sequence of events repeatedly. After some rounds the live bytes have reached
//! their maximum, and another page is due to the allocator. The first half of the rounds is for
//! warming up. In the second half memory must not grow ([`Found::verify`]). The number of rounds
//! was set once, for all allocators.

use anyhow::{Context, Result, ensure};

use crate::guest::{Engines, Guest, Running};
use sluicegate_benches::table::Table;

/// The calls of exports, with their arguments.
type Calls = &'static [(&'static str, &'static [u32])];

/// A load, and the number of times that it is played.
#[derive(Debug)]
pub struct Soak {
    /// The title in a few words.
    pub title: &'static str,
    /// The calls of one round.
    round: Calls,
    rounds: usize,
    /// `true` for a burst. A large buffer after it must end within [`Soak::margin`] pages of the
    /// standard library's.
    pub burst: bool,
    /// `true` if memory may still grow a little in the second half. Contexts that are open at the
    /// end of a round go on in the next, so rounds differ, and a rare order of events takes a page
    /// now and then.
    drifts: bool,
    /// `true` if the soak differs from another one only with the arena.
    arena: bool,
    /// `true` if the soak is too slow for an allocator that walks a list of all free blocks.
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

/// The loads in which memory must not grow.
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

/// The number of pages beyond those of the standard library that a large buffer after a burst may
/// end with: see [`Soak::margin`].
const MARGIN: u64 = 8;

const COUNTED: &str = "the guest does not count: it lacks a feature";

/// The size of a buffer after a burst, in bytes.
const BIG: u32 = 8 << 20;

/// The results of a soak.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The pages beyond the start, after each round.
    pub pages: Vec<u64>,
    /// The number of growths over all rounds.
    pub grows: u64,
    /// The number of blocks that outlived their region after all rounds, by the allocator's own
    /// count.
    pub retained: u32,
    /// The number of these blocks after everything was freed.
    pub retained_at_last: u32,
    /// The maximum of the bytes in live blocks up to the end of each round, by the trace's count.
    pub peaks: Vec<usize>,
    /// The bytes in blocks that the trace still holds after everything was freed.
    pub held: usize,
    /// The difference of live bytes to the start, by the allocator's own count, if it counts.
    pub live: Option<i64>,
    /// The pages after one buffer of 8 MiB, which is allocated when everything was freed.
    pub big: u64,
}

impl Found {
    /// Returns the pages after half of the rounds, and at the end.
    #[must_use]
    pub fn halves(&self) -> (u64, u64) {
        (self.pages[self.pages.len() / 2 - 1], self.pages[self.pages.len() - 1])
    }

    /// Returns the pages after each of the first three rounds, and the maximum of live bytes up to
    /// then.
    fn bursts(&self) -> String {
        let rounds = self.pages.iter().zip(&self.peaks).take(3);
        let cells: Vec<_> = rounds.map(|(pages, live)| format!("{pages} ({})", live.div_ceil(65_536))).collect();
        cells.join(" / ")
    }

    /// Returns the maximum of live bytes, in pages.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peaks.last().copied().unwrap_or_default().div_ceil(65_536)
    }

    /// Checks that the second and the third burst took no more pages than their additional live
    /// bytes need, compared with the first. The cache fills up over the bursts.
    ///
    /// # Errors
    ///
    /// Fails if they took more.
    pub fn verify_bursts(&self) -> Result<()> {
        let more = (self.peaks[2] - self.peaks[0]).div_ceil(65_536) as u64;
        let taken = self.pages[2] - self.pages[0];
        ensure!(taken <= more, "the second and the third burst took {taken} pages for {more} of live blocks");
        Ok(())
    }

    /// Checks that memory did not grow in the second half, and that everything was freed.
    ///
    /// If each round places many blocks of many sizes again, a new worst case appears now and then,
    /// and ever more rarely. So it is seldom in the second half. A loss is as fast in the second
    /// half as in the first. So if memory need not `settle`, the second half may take a third of
    /// the pages that the first took after its first round, or a tenth of the held pages if that is
    /// more. The pages that std ends with, `stds`, are allowed in any case.
    ///
    /// # Errors
    ///
    /// Fails if memory grew, or if something was not freed. The message has the figures.
    pub fn verify(&self, settles: bool, stds: u64) -> Result<()> {
        let (half, end) = self.halves();
        let most = if settles { half } else { (half + ((half - self.pages[0]) / 3).max(half / 10)).max(stds) };
        ensure!(end <= most, "grew from {half} to {end} pages in the second half: {:?}", self.pages);
        ensure!(self.held == 0, "{} bytes are still held", self.held);
        ensure!(self.live.unwrap_or(0) == 0, "live bytes are {:+} off the start", self.live.unwrap_or(0));
        ensure!(self.retained_at_last == 0, "{} blocks are still retained", self.retained_at_last);
        Ok(())
    }
}

impl Soak {
    /// Returns whether an allocator must not take a page in the second half. This is the case for
    /// those that reached it. talc and the standard library place a few blocks worse now and then.
    #[must_use]
    pub fn settles(&self, name: &str) -> bool {
        !self.drifts && keeps(name)
    }

    /// Returns the number of pages beyond those of the standard library that the large buffer after
    /// the burst may end with.
    ///
    /// S12 is at its maximum when the buffer comes, with 2,048 contexts and a cache. The free lists
    /// and the arena may hold more memory then than the standard library, and the buffer fits into
    /// it.
    #[must_use]
    pub fn margin(&self, name: &str) -> u64 {
        if self.title.starts_with("S12") && keeps(name) { 2 * MARGIN } else { MARGIN }
    }

    /// Returns whether an allocator runs the soak, and the soak shows something.
    #[must_use]
    pub fn runs(&self, name: &str) -> bool {
        !(self.slow && name == "lol_alloc" || self.arena && !name.starts_with("arena"))
    }

    /// Plays all rounds, `times` times over. Then frees everything, and allocates one large buffer.
    ///
    /// # Errors
    ///
    /// Fails if the guest is out of memory, or traps.
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

/// Returns whether an allocator is one of this repository that keeps freed blocks.
fn keeps(name: &str) -> bool {
    name.starts_with("freelist") || name.starts_with("arena")
}

/// Returns the guest of an allocator for the soaks. It counts blocks. The allocators of this
/// repository count them too.
///
/// # Errors
///
/// Fails if the guest does not build.
pub fn guest(engines: &Engines, name: &str) -> Result<Guest> {
    let ours = ["freelist", "arena", "heap", "system"].contains(&name);
    Guest::build(engines, &format!("{}count{}", prefix(name), if ours { "+stats" } else { "" }))
}

fn prefix(name: &str) -> String {
    if name == "std" { String::new() } else { format!("{name}+") }
}

/// Runs the soaks with `filter` in their titles with each allocator.
///
/// # Errors
///
/// Fails if a guest does not build.
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
