//! Random programs through two modules in Envoy, one on this SDK and one on `proxy-wasm`: the same
//! bytes must reach the upstream, the called service and the client, and the same lines the log.
//! The module on this SDK runs on the simulated host, too, which must say the same.
//!
//! Without `DRIFT_MINUTES` it plays a few hundred programs.
//! `DRIFT_MINUTES=120 cargo test -p sluicegate-drift --test drift random` plays for two hours.
//! `DRIFT_SEED` says with which seed it begins, and `DRIFT_PROGRAMS` how many programs it plays. A
//! difference is shrunk before it is shown, with the command that plays its program again.
//!
//! | file | has |
//! |---|---|
//! | `program` | programs: drawn from a seed, and made smaller |
//! | `simulation` | a program on the simulated host, which makes the plan for Envoy: who moves when |
//! | `pair` | a program in Envoy |
//! | `message` | how far a message has come |
//!
//! A quarter of the programs comes to the filter over HTTP/2, through a listener of the same Envoy
//! that turns HTTP/1.1 into it. A third comes through a listener that keeps little of a body: over
//! HTTP/2, the limit is the window of a stream, so the bodies are about as large. In a third the
//! client sends cookies, which HTTP/2 cuts and Envoy puts together again. In a fifth of them the
//! client or the upstream goes away. In a third the filter sees bodies when they are complete: with
//! this SDK it has the callback for that, and with `proxy-wasm` it keeps the parts itself.
//!
//! The test compares every byte but the value of `date`. The simulated host has no codec, so its
//! results are compared as lines, with the chunks of a body joined.

mod message;
mod pair;
mod program;
mod simulation;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sluicegate_host::wasm::Module;
use sluicegate_host::{Host, RunningHost};

use pair::{Got, Pair, Side};
use program::{Limit, Program, Random};
use simulation::Played;

/// The number of programs that are played if neither their number nor a time is given.
const PROGRAMS: u64 = 400;
/// The filter that sees bodies in parts, and the one that sees complete ones.
const ROOTS: [&str; 2] = ["root", "whole"];
/// The number of differences that are shown, and the time for making one smaller.
const SHOWN: usize = 3;
const SHRINKING: Duration = Duration::from_secs(30);

struct Bench {
    pair: Pair,
    /// With parts of bodies and with complete ones, each with every limit.
    simulated: [[RunningHost; 3]; 2],
    /// The number of programs that were played.
    played: u32,
    /// The number of differences that did not come again.
    once: usize,
}

impl Bench {
    fn start() -> Result<Self> {
        let (ours, theirs) = (pair::build(Side::Ours)?, pair::build(Side::Theirs)?);
        let host = Host::wasm(&Module::load(&ours)?).clusters(["upstream", "service"]);
        let simulated = ROOTS.map(|root| {
            let host = host.clone().root_id(root);
            Limit::ALL.map(|limit| match limit.bytes() {
                Some(bytes) => host.clone().buffer_limit(bytes).start(),
                None => host.clone().start(),
            })
        });
        Ok(Self { pair: Pair::start(&ours, &theirs)?, simulated, played: 0, once: 0 })
    }

    /// Says what differs, if it does so three times; `None` if all is the same.
    fn difference(&mut self, program: &Program) -> Result<Option<String>> {
        if self.compare(program, 1)?.is_none() {
            return Ok(None);
        }
        // On a machine that does much else a peer may come too late, once.
        let again = if self.compare(program, 2)?.is_some() { self.compare(program, 4)? } else { None };
        self.once += usize::from(again.is_none());
        Ok(again)
    }

    fn compare(&mut self, program: &Program, patience: u32) -> Result<Option<String>> {
        self.played += 1;
        let number = self.played;
        let simulated =
            simulation::play(&self.simulated[usize::from(program.whole)][program.limit() as usize], number, program);
        let ours = self.pair.play(Side::Ours, number, program, &simulated.moves, patience)?;
        let theirs = self.pair.play(Side::Theirs, number, program, &simulated.moves, patience)?;
        Ok(differ(program, self.pair.keeps_order(), &simulated, &ours, &theirs))
    }

    /// Makes a program smaller as long as a difference stays.
    fn shrink(&mut self, mut program: Program) -> Result<Program> {
        let end = Instant::now() + SHRINKING;
        'smaller: loop {
            for smaller in program.smaller() {
                if Instant::now() > end {
                    return Ok(program);
                }
                if self.difference(&smaller)?.is_some() {
                    program = smaller;
                    continue 'smaller;
                }
            }
            return Ok(program);
        }
    }
}

fn differ(program: &Program, keeps_order: bool, simulated: &Played, ours: &Got, theirs: &Got) -> Option<String> {
    if ours != theirs || ours.ended {
        return Some(format!("moves {:?}\nthis SDK {ours:#?}\nproxy-wasm {theirs:#?}", simulated.moves));
    }
    if let Some(harm) = &simulated.harm {
        return Some(format!("the simulation says that it harms: {harm}\nEnvoy {ours:#?}"));
    }
    let said = |lines: &[String], peers: &[Vec<String>; 2]| {
        let [upstream, mut client] = peers.clone().map(crate::normal);
        if program.http2 {
            // Of a response, too, the proxy in front joins the cookies.
            client.retain(|line| !line.starts_with("client got cookie: "));
            if !keeps_order {
                client.iter_mut().for_each(sort_trailers);
                client.sort_unstable();
            }
        }
        // The proxy in front of the filter answers for a stream that is reset, and for a body of
        // another length than its headers say.
        let client = if program.http2 && (simulated.reset || simulated.misleads) { Vec::new() } else { client };
        [lines, &upstream, &client].concat()
    };
    let (simulation, real) = if simulated.upstream_left {
        let known = simulated.lines.len().min(ours.lines.len());
        (simulated.lines.clone(), ours.lines[..known].to_vec())
    } else {
        (said(&simulated.lines, &simulated.peers), said(&ours.lines, &ours.peers()))
    };
    let differs = simulation != real;
    differs.then(|| {
        let lines = crate::differences(&real, &simulation);
        format!("Envoy (-) and the simulation (+):\n{}", lines.join("\n"))
    })
}

/// Sorts the trailers behind a body.
fn sort_trailers(line: &mut String) {
    if let Some((body, trailers)) = line.strip_suffix('"').and_then(|line| line.rsplit_once(" and ")) {
        let mut trailers: Vec<_> = trailers.split("\\r\\n").collect();
        trailers.sort_unstable();
        *line = format!("{body} and {}\"", trailers.join("\\r\\n"));
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_programs_do_the_same_on_both_sdks() -> Result<()> {
    let minutes = number("DRIFT_MINUTES");
    let programs = number("DRIFT_PROGRAMS").unwrap_or(if minutes.is_some() { u64::MAX } else { PROGRAMS });
    let first = number("DRIFT_SEED").unwrap_or(1);
    let mut bench = Bench::start()?;
    // The builds do not count.
    let start = Instant::now();
    let end = start + Duration::from_secs(60 * minutes.unwrap_or(10));
    let mut found = Vec::new();
    let mut seed = first;
    while Instant::now() < end && seed - first < programs && found.len() < SHOWN {
        let program = Program::random(&mut Random::new(seed));
        if let Some(first) = bench.difference(&program)? {
            let smallest = bench.shrink(program)?;
            let difference = bench.difference(&smallest)?.unwrap_or(first);
            let again = "cargo test -p sluicegate-drift --test drift random";
            let difference = format!("DRIFT_SEED={seed} DRIFT_PROGRAMS=1 {again}\n{smallest:?}\n{difference}");
            found.push(difference);
        }
        seed += 1;
    }
    println!(
        "{} programs from seed {first} in {:?}; {} differences did not come again",
        seed - first,
        start.elapsed(),
        bench.once
    );
    ensure!(seed > first && found.is_empty(), "{} programs differ:\n{}", found.len(), found.join("\n\n"));
    Ok(())
}
