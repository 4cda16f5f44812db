//! `exhaust`: sends more uploads at once than a budget has room for, and a giant, to real Envoys:
//! one with our filter and a budget, one with a filter on `proxy-wasm` that does the same job
//! without a budget, and one with no filter.
//!
//! There is one Envoy with one worker for each filter. Every connection is open before the burst,
//! in which each connection sends its upload at once. After the burst, uploads one after the other
//! show how long it takes until everything is served again.

mod burst;
mod picture;
mod report;
mod sampler;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use sluicegate_envoy::{Config, Envoy, Options, Proxy, Response};
use sluicegate_workspace::progress::Step;
use sluicegate_workspace::{self as workspace, Allocator, guest};

use self::burst::Answers;
use self::report::{Report, Row};
use self::sampler::Sampler;
use crate::load::JsonFile;

/// The example with the budget. Both filters run with its configuration.
const EXAMPLE: &str = "upload_budget";
/// The port of the example's listener.
const PORT: u16 = 18000;
/// The number of uploads in a row that show that everything is served again.
const SERVED: u32 = 10;
/// The longest time until everything is served again.
const PATIENCE: Duration = Duration::from_secs(20);

/// The arguments of `exhaust`: the number of uploads, and their size.
#[derive(Args, Clone, Debug)]
pub struct ExhaustArgs {
    /// Uploads at once
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    uploads: u32,
    /// The size of each, in KiB
    #[arg(long, value_name = "KIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    size: u32,
    /// The size of the giant among them, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=1024))]
    giant: u32,
    /// Write the figures to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the memory over time into this SVG file, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The version of Envoy [default: the variable ENVOY, envoy on PATH, or 1.40.0]
    #[arg(long, value_name = "VERSION")]
    envoy: Option<String>,
    /// Only the filter with the budget
    #[arg(long)]
    alone: bool,
}

/// One of the compared filters.
struct Subject {
    name: &'static str,
    /// The package of the filter, or `None` for no filter.
    package: Option<&'static str>,
    allocator: Option<Allocator>,
    /// True if the filter has a budget, and so must keep its promises.
    budgeted: bool,
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        name: "sluicegate, 4 MiB budget",
        package: Some(EXAMPLE),
        allocator: Some(Allocator::Arena),
        budgeted: true,
    },
    Subject { name: "proxy-wasm", package: Some("guest-incumbent-upload"), allocator: None, budgeted: false },
    Subject { name: "no filter", package: None, allocator: None, budgeted: false },
];

/// Runs the comparison, prints the table, and writes the files.
///
/// # Errors
///
/// Fails if something is missing. Fails if the filter with the budget breaks a promise: a VM
/// failed, a response is none of 200, 413 and 503, nothing was served, or the service was not full
/// again after the burst.
pub fn exhaust(args: &ExhaustArgs) -> Result<()> {
    let json = args.json.as_deref().map(JsonFile::open).transpose()?;
    let envoy = Envoy::provision_version(args.envoy.as_deref())?;
    let subjects = if args.alone { &SUBJECTS[..1] } else { &SUBJECTS };
    let rows = subjects.iter().map(|subject| run(subject, &envoy, args)).collect::<Result<Vec<_>>>()?;
    let report = Report::new(&envoy.version, args, rows);
    println!("{report}");
    if let Some(path) = &args.svg {
        report.draw(path)?;
    }
    json.map_or(Ok(()), |json| json.write(&report))?;
    subjects.iter().zip(report.rows()).filter(|(subject, _)| subject.budgeted).try_for_each(|(_, row)| row.check())
}

fn run(subject: &Subject, envoy: &Envoy, args: &ExhaustArgs) -> Result<Row> {
    let config = config(subject)?;
    let right = |response: &Response| {
        response.status == 200 && response.header("x-checksum").is_some() == subject.package.is_some()
    };
    let options = Options { component_log_level: "wasm:warn".into(), ..Options::default() };
    let proxy = Proxy::start(envoy, &config, &options)?;
    let _step = Step::new(&format!("{} uploads at once: {}", args.uploads, subject.name));
    let size = args.size as usize * 1024;
    for _ in 0..SERVED {
        let response = proxy.request("POST", PORT, "/", &[], &vec![7; size])?;
        ensure!(right(&response), "before the burst, {} responds to an upload with {response:?}", subject.name);
    }
    let sampler = Sampler::start(proxy.pid());
    let begun = Instant::now();
    let giant = (args.giant > 0).then_some(args.giant as usize * 1024 * 1024);
    let answers = burst::burst(proxy.port(PORT), args.uploads, size, giant).context("the burst failed")?;
    let took = begun.elapsed();
    let served_after = served_again(&proxy, size, right);
    let samples = sampler.finish();
    let vm_failures = proxy.log().lines().filter(|line| is_vm_failure(line)).count();
    ensure!(proxy.is_running(), "the Envoy of {} is gone", subject.name);
    Ok(Row::new(subject.name, answers, took, served_after, vm_failures, samples))
}

/// Returns the example's configuration with the module, or without the filter.
fn config(subject: &Subject) -> Result<Config> {
    let path = workspace::example_config(EXAMPLE);
    if let Some(package) = subject.package {
        return Ok(Config::read(&path)?.with_every_module(&guest::build(package, subject.allocator)?));
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let filter = text.find("- name: envoy.filters.http.wasm").zip(text.find("- name: envoy.filters.http.router"));
    let (start, end) = filter.context("the example's configuration has no filter before its router")?;
    Config::from_yaml(&format!("{}{}", &text[..start], &text[end..]))
}

/// Returns the time after the burst at which the first of ten uploads in a row begins that are all
/// served, or `None` if there are none within the time limit.
fn served_again(proxy: &Proxy, size: usize, right: impl Fn(&Response) -> bool) -> Option<Duration> {
    let (end, body) = (Instant::now(), vec![7; size]);
    let mut row = None;
    let mut served = 0;
    while end.elapsed() < PATIENCE {
        let begin = end.elapsed();
        let response = proxy.request("POST", PORT, "/", &[], &body);
        if response.is_ok_and(|response| right(&response)) {
            row.get_or_insert(begin);
            served += 1;
            if served == SERVED {
                return row;
            }
        } else {
            (row, served) = (None, 0);
        }
    }
    None
}

/// Returns whether a line of Envoy's log reports a VM that trapped.
fn is_vm_failure(line: &str) -> bool {
    line.contains("failed: Uncaught RuntimeError")
}
