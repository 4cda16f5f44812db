//! `load`: compares filters that do the same job, in real Envoys, by the CPU time that each adds to
//! a request.
//!
//! Each variant has an Envoy, and all of them run at once. In each repetition every variant gets
//! the same number of requests, in slices that take turns in an order that rotates. The time that a
//! filter adds is the difference to the Envoy without a filter *within* a turn, so that a machine
//! which slows down slows down both. The figure of a repetition is the median over its turns. The
//! report has the median over the repetitions, and its spread.

mod client;
mod picture;
mod report;
mod stats;
mod variant;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use sluicegate_envoy::{Config, Envoy, Options, Proxy, usage};
use sluicegate_workspace::guest;
use sluicegate_workspace::progress::Step;

use self::client::{Client, Expectation};
pub(crate) use self::report::JsonFile;
use self::report::{Measured, Report};
use self::variant::Variant;

/// The number of slices of a repetition. On a machine of two cores that compiled something else
/// meanwhile, the standard deviation of a repetition's figure was 1.3 µs without slices, 0.7 µs
/// with 12 slices and 0.3 µs with 30 (64 connections).
const SLICES: u32 = 30;

/// The arguments of `load`: the variants, and the number of requests to each.
#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    /// Finish within about two minutes
    #[arg(long)]
    quick: bool,
    /// Write the figures to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw what each filter adds into this SVG file, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Measurements of each variant [default: 21, quick: 9]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repetitions: Option<u32>,
    /// Requests to each variant in a repetition [default: 30000, quick: 12000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    requests: Option<u32>,
    /// Connections to each Envoy
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// The version of Envoy [default: the variable ENVOY, envoy on PATH, or 1.40.0]
    #[arg(long, value_name = "VERSION")]
    envoy: Option<String>,
    /// Only these variants; `filterless` and `by-hand` are always there
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,
}

impl LoadArgs {
    fn repetitions(&self) -> u32 {
        self.repetitions.unwrap_or(if self.quick { 9 } else { 21 })
    }

    fn requests(&self) -> u32 {
        self.requests.unwrap_or(if self.quick { 12_000 } else { 30_000 })
    }
}

/// Runs the comparison, prints its table, and writes its file.
///
/// # Errors
///
/// Fails if something is missing, if a filter does not do its job, or if a response is wrong.
pub fn load(args: &LoadArgs) -> Result<()> {
    let variants = variant::chosen(&args.only)?;
    let json = args.json.as_deref().map(JsonFile::open).transpose()?;
    let envoy = Envoy::provision_version(args.envoy.as_deref())?;
    let contenders = start(&variants, &envoy, args.connections)?;
    let measured = measure(contenders, args)?;
    let report = Report::new(&envoy.version, args.repetitions(), args.requests(), args.connections, &measured);
    println!("{report}");
    if let Some(path) = &args.svg {
        report.draw(path)?;
    }
    json.map_or(Ok(()), |json| json.write(&report))
}

/// A variant that runs.
struct Contender<'a> {
    variant: &'a Variant,
    proxy: Proxy,
    client: Client,
    module_bytes: u64,
}

fn start<'a>(variants: &'a [Variant], envoy: &Envoy, connections: u32) -> Result<Vec<Contender<'a>>> {
    let modules = variants.iter().map(Variant::build).collect::<Result<Vec<_>>>()?;
    let _step = Step::new(&format!("starting {} Envoys", variants.len()));
    let quiet = Options { log_level: "error".into(), component_log_level: String::new(), ..Options::default() };
    let contenders = variants.iter().zip(modules).map(|(variant, module)| {
        Contender::start(variant, module, envoy, &quiet, connections)
            .with_context(|| format!("variant {}", variant.name()))
    });
    contenders.collect()
}

fn measure(mut contenders: Vec<Contender<'_>>, args: &LoadArgs) -> Result<Vec<Measured>> {
    let repetitions = args.repetitions() as usize;
    let step = Step::counted("measuring", repetitions as u64 + 1);
    for contender in &mut contenders {
        contender.fire(args.requests())?; // V8 compiles what is hot, pools fill
    }
    step.advance();
    let mut cpu_us = vec![Some(Vec::with_capacity(repetitions)); contenders.len()];
    for repetition in 0..repetitions {
        let once = repeat_once(&mut contenders, args.requests(), repetition)?;
        for (all, one) in cpu_us.iter_mut().zip(once) {
            *all = all.take().zip(one).map(|(mut all, one)| {
                all.push(one);
                all
            });
        }
        step.advance();
    }
    drop(step);
    let measured = contenders.iter().zip(cpu_us).map(|(contender, cpu_us)| contender.finish(cpu_us));
    Ok(measured.collect())
}

/// Sends each contender its requests. Returns the CPU time of a request, in µs, for each slice of
/// each contender.
fn repeat_once(contenders: &mut [Contender<'_>], requests: u32, repetition: usize) -> Result<Vec<Option<Vec<f64>>>> {
    let mut slices = vec![Vec::with_capacity(SLICES as usize); contenders.len()];
    for slice in 0..SLICES {
        let share = requests / SLICES + u32::from(slice < requests % SLICES);
        for turn in 0..contenders.len() {
            let at = (turn + repetition + slice as usize) % contenders.len();
            let nanos = contenders[at].fire(share)?;
            slices[at].push(nanos.map(|nanos| nanos as f64 / 1e3 / f64::from(share)));
        }
    }
    Ok(slices.into_iter().map(|slices| slices.into_iter().collect()).collect())
}

impl<'a> Contender<'a> {
    fn start(
        variant: &'a Variant,
        module: Option<PathBuf>,
        envoy: &Envoy,
        options: &Options,
        connections: u32,
    ) -> Result<Self> {
        let config = Config::from_json(variant::envoy_config(module.as_deref()))?;
        let config = module.iter().fold(config, |config, module| config.with_every_module(module));
        let proxy = Proxy::start(envoy, &config, options)?;
        variant.check(&proxy)?;
        let expectation = if variant.has_filter() { Expectation::Filtered } else { Expectation::Unfiltered };
        let client = Client::connect(proxy.port(variant::PORT), connections, expectation)?;
        let module_bytes = module.as_deref().map_or(Ok(0), guest::size)?;
        Ok(Self { variant, proxy, client, module_bytes })
    }

    /// Sends this many requests. Returns the CPU time that Envoy took, in nanoseconds, or `None` if
    /// the system does not provide it.
    fn fire(&mut self, requests: u32) -> Result<Option<u64>> {
        let pid = self.proxy.pid();
        let before = usage::cpu_nanos(pid);
        let tally = self.client.fire(requests).with_context(|| format!("variant {}", self.variant.name()))?;
        let after = usage::cpu_nanos(pid);
        if let Some(problem) = tally.first_problem {
            let (name, bad) = (self.variant.name(), tally.bad);
            bail!("{bad} of {requests} responses of {name} are wrong: {problem}");
        }
        ensure!(self.proxy.is_running(), "the Envoy of {} is gone", self.variant.name());
        Ok(before.zip(after).map(|(before, after)| after.saturating_sub(before)))
    }

    fn finish(&self, cpu_us: Option<Vec<Vec<f64>>>) -> Measured {
        let pid = self.proxy.pid();
        Measured {
            name: self.variant.name().to_owned(),
            cpu_us,
            rss_kib: usage::rss_kib(pid),
            wasm: usage::wasm_memory(pid),
            module_bytes: self.module_bytes,
        }
    }
}
