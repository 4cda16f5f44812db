//! Plays the same traffic through Envoy and through the simulated host, with a filter that logs
//! every callback and every host call's answer, and wants the same lines.
//!
//! A difference between the two is a bug of the simulation, and is corrected there. The simulation
//! follows the newest Envoy. The differences of older ones are in `by_version.txt`. To compare with
//! an older one, name it: `ENVOY_VERSION=1.36.4`.

mod bench;
mod bodies;
mod by_version;
mod envoy;
mod http;
mod limits;
mod properties;
mod random;
mod scenarios;
mod simulated;
mod unloadable;

use std::fmt::Write as _;
use std::thread;

use anyhow::{Result, anyhow, ensure};
use by_version::Otherwise;
use sluicegate_envoy::Envoy as Binary;

/// The traffic through the proxy, with a filter that does something.
struct Scenario {
    name: &'static str,
    setup: Setup,
    /// The actions of the filter, by callback.
    script: &'static str,
    steps: &'static [Step],
}

/// The setup of the proxy.
#[derive(Clone, Copy, Debug)]
struct Setup {
    /// The largest number of bytes that a connection holds back.
    limit: Option<usize>,
    /// The treatment of streams when a VM is dead.
    failure: &'static str,
    /// `true` if a filter that holds headers back sees the body.
    shows_body: bool,
    /// The actions of the filter on the proxy.
    harm: Harm,
    /// The version of the ABI that the filter speaks.
    abi: Abi,
    /// Further plugins of the VM, each with its root id and what it does.
    others: &'static [(&'static str, &'static str)],
}

/// A version of the ABI.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Abi {
    V0_1_0,
    V0_2_0,
    V0_2_1,
}

impl Abi {
    const ALL: [Self; 3] = [Self::V0_1_0, Self::V0_2_0, Self::V0_2_1];

    /// The feature with which the filter speaks it.
    const fn feature(self) -> &'static str {
        match self {
            Self::V0_1_0 => "abi-0-1-0",
            Self::V0_2_0 => "abi-0-2-0",
            Self::V0_2_1 => "",
        }
    }
}

/// The harmful actions of a filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Harm {
    None,
    /// It makes the proxy send what a peer takes for something else.
    Garbles,
    /// It ends the proxy, or makes it send or complete something twice.
    Ends,
}

impl Setup {
    const DEFAULT: Self = Self {
        limit: None,
        failure: "FAIL_CLOSED",
        shows_body: false,
        harm: Harm::None,
        abi: Abi::V0_2_1,
        others: &[],
    };
}

/// One move of a client or of a server.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Headers of a request, and whether that is all.
    Request(Pairs, bool),
    /// A part of its body, and whether it is the last.
    RequestBody(&'static str, bool),
    RequestTrailers(Pairs),
    Response(Pairs, bool),
    ResponseBody(&'static str, bool),
    ResponseTrailers(Pairs),
    /// A called service answers: headers, body, trailers.
    Answer(Pairs, &'static str, Pairs),
    /// A called service breaks the connection within its answer.
    Break,
    /// A called service is not there.
    Unreachable,
    /// A called service does not answer in time.
    TimeOut,
    /// A called gRPC service answers with a message.
    GrpcAnswer(&'static str),
    /// The service of a gRPC call responds in another protocol.
    GrpcGarbage,
    /// A tick comes due.
    Tick,
    /// The client resets its stream.
    Leave,
    /// The next steps are those of another client.
    Again,
    /// The next steps are those of another client, of the plugin with this place among the VM's.
    Of(usize),
    Connect,
    FromClient(&'static str),
    FromUpstream(&'static str),
    CloseClient,
    CloseUpstream,
}

type Pairs = &'static [(&'static str, &'static str)];

/// The lines that the filter logged, and the data that the upstream and the client got.
#[derive(Debug, Default)]
struct Played {
    lines: Vec<String>,
    /// The number of lines that the filter had logged before the first step, after each, and at the
    /// end.
    marks: Vec<usize>,
    /// The filter's actions that harm a proxy, which the simulation knows.
    harm: Option<String>,
}

/// The number of Envoys that run at a time. They wait more than they work.
const AT_A_TIME: usize = 4;

/// The proxy that the scenarios run on.
struct Bench {
    binary: Binary,
    files: envoy::Modules,
    modules: simulated::Modules,
    otherwise: Otherwise,
}

impl Bench {
    fn new() -> Result<Self> {
        let files = envoy::Modules::build()?;
        let modules = simulated::Modules::load(&files)?;
        let binary = envoy::binary()?;
        let otherwise = Otherwise::of(&binary.version)?;
        Ok(Self { binary, files, modules, otherwise })
    }

    /// Plays scenarios one after the other in one Envoy and on the simulated host; says what
    /// differs.
    fn compare(&self, scenarios: &[&Scenario]) -> Result<String> {
        let proxy = envoy::Envoy::start(&self.binary, &self.files, scenarios)?;
        let process = self.modules.process();
        let mut report = String::new();
        for (at, scenario) in scenarios.iter().enumerate() {
            let simulated = simulated::play(&self.modules, &process, scenario);
            let real = proxy.play(at, scenario, &simulated.marks)?;
            if simulated.harm.is_some() != (scenario.setup.harm != Harm::None) {
                writeln!(
                    report,
                    "\n{} does {:?}, and the simulation finds {:?}",
                    scenario.name, scenario.setup.harm, simulated.harm
                )?;
            }
            let (simulated, real) = (normal(simulated.lines), normal(real.lines));
            let lines = differences(&real, &simulated);
            let differ: Vec<_> = lines.iter().filter(|line| !line.starts_with("  ")).cloned().collect();
            if !self.otherwise.is(scenario.name, &differ) {
                writeln!(report, "\n{}:\n{}", scenario.name, lines.join("\n"))?;
            }
        }
        Ok(report)
    }

    /// Plays a scenario that ends a proxy; says what is not found on either side.
    fn harm(&self, scenario: &Scenario) -> Result<String> {
        let simulated = simulated::play(&self.modules, &self.modules.process(), scenario);
        let proxy = envoy::Envoy::start(&self.binary, &self.files, &[scenario])?;
        let real = proxy.play(0, scenario, &simulated.marks)?;
        let harm = harm_in(&real.lines).or_else(|| (!proxy.serves(0, scenario)).then_some("ended"));
        if harm.is_some() == self.otherwise.is_harmless(scenario.name) || simulated.harm.is_none() {
            return Ok(format!("\n{}: Envoy {harm:?}, the simulation {:?}", scenario.name, simulated.harm));
        }
        Ok(String::new())
    }
}

/// Runs a function with each of these, some at a time, and joins what they say.
fn joined<T: Sync>(those: &[T], run: impl Fn(&T) -> Result<String> + Sync) -> Result<String> {
    let of_thread = |first: usize| -> Result<String> {
        let mine = those.iter().skip(first).step_by(AT_A_TIME);
        mine.map(&run).collect()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME).map(|first| scope.spawn(move || of_thread(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))).collect()
    })
}

#[test]
fn the_simulation_is_envoys() -> Result<()> {
    let bench = Bench::new()?;
    let scenarios: Vec<_> = scenarios::all().chain(scenarios::made()).filter(|scenario| is_wanted(scenario)).collect();
    // Slow ones stand together.
    let mut parts = vec![Vec::new(); AT_A_TIME];
    for (at, scenario) in scenarios.into_iter().enumerate() {
        parts[at % AT_A_TIME].push(scenario);
    }
    parts.retain(|part| !part.is_empty());
    let report = joined(&parts, |part| bench.compare(part))?;
    ensure!(report.is_empty(), "Envoy {} (-) and the simulation (+) differ:{report}", bench.binary.version);
    Ok(())
}

#[test]
fn the_simulation_knows_what_harms_a_proxy() -> Result<()> {
    let bench = Bench::new()?;
    let scenarios: Vec<_> = scenarios::harm::ALL.iter().filter(|scenario| is_wanted(scenario)).collect();
    let report = joined(&scenarios, |scenario| bench.harm(scenario))?;
    let version = &bench.binary.version;
    ensure!(report.is_empty(), "Envoy {version} and the simulation do not find the same harm:{report}");
    Ok(())
}

#[test]
fn every_difference_between_versions_is_of_a_scenario() -> Result<()> {
    let names: Vec<_> =
        scenarios::all().chain(scenarios::made()).chain(scenarios::harm::ALL).map(|scenario| scenario.name).collect();
    for version in by_version::VERSIONS {
        for name in Otherwise::of(version)?.names() {
            ensure!(names.contains(&name), "by_version.txt has {name}, and there is no such scenario");
        }
    }
    Ok(())
}

/// Says what harm Envoy came to.
fn harm_in(lines: &[String]) -> Option<&'static str> {
    let heads = |who: &str| {
        let of_peer = lines.iter().filter(|line| line.starts_with(who));
        of_peer.map(|line| line.matches("HTTP/1.1").count()).sum::<usize>()
    };
    let after_the_end = || {
        let deleted = lines.iter().position(|line| line == "2 delete []");
        deleted.is_some_and(|at| lines[at + 1..].iter().any(|line| line.starts_with("2 ")))
    };
    if heads("upstream got") > 1 || heads("client got") > 1 {
        Some("sent a message twice")
    } else if lines.iter().any(|line| line.contains(" got body ") && line.contains("\\r\\n0\\r\\n")) {
        Some("sent trailers twice")
    } else if lines.iter().filter(|line| *line == "2 log []").count() > 1 || after_the_end() {
        Some("completed a stream twice")
    } else {
        None
    }
}

/// Returns whether the variable `SCENARIO` names a scenario, or nothing.
fn is_wanted(scenario: &Scenario) -> bool {
    let only = std::env::var("SCENARIO").ok();
    only.as_deref().is_none_or(|only| only.split(',').any(|name| scenario.name == name))
}

/// Without what legitimately differs: times, and what a codec of HTTP/1.1 adds to a head.
fn normal(lines: Vec<String>) -> Vec<String> {
    let of_codec = [" got transfer-encoding: ", " got content-length: 0", " got connection: ", " got date: "];
    let kept = lines.into_iter().filter(|line| !of_codec.iter().any(|part| line.contains(part)));
    kept.map(|line| {
        // The details of a failure are for people.
        let line = line.split_once('{').map_or(line.clone(), |(text, _)| text.to_owned());
        let (step, answer) = line.split_once(" -> ").unwrap_or((&line, ""));
        let answer = answer.split_inclusive(' ').scan(0, |of_date, word| {
            // A date has six words.
            *of_date = if word.starts_with("date=") { 6 } else { i32::max(*of_date - 1, 0) };
            Some(if *of_date > 0 || word.starts_with("connection=") {
                ""
            } else if word.starts_with("x-envoy-upstream-service-time=") {
                "TIME "
            } else {
                word
            })
        });
        let answer: String = answer.collect();
        if answer.is_empty() && !line.contains(" -> ") { line } else { format!("{step} -> {}", answer.trim_end()) }
    })
    .collect()
}

/// All lines, those of one side marked: the longest common subsequence is not.
fn differences(real: &[String], simulated: &[String]) -> Vec<String> {
    let mut common = vec![vec![0; simulated.len() + 1]; real.len() + 1];
    for a in (0..real.len()).rev() {
        for b in (0..simulated.len()).rev() {
            common[a][b] =
                if real[a] == simulated[b] { common[a + 1][b + 1] + 1 } else { common[a + 1][b].max(common[a][b + 1]) };
        }
    }
    let (mut a, mut b, mut lines) = (0, 0, Vec::new());
    while a < real.len() || b < simulated.len() {
        if a < real.len() && b < simulated.len() && real[a] == simulated[b] {
            lines.push(format!("  {}", real[a]));
            (a, b) = (a + 1, b + 1);
        } else if b == simulated.len() || a < real.len() && common[a + 1][b] >= common[a][b + 1] {
            lines.push(format!("- {}", real[a]));
            a += 1;
        } else {
            lines.push(format!("+ {}", simulated[b]));
            b += 1;
        }
    }
    lines
}
