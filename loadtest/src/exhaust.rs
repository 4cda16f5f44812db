//! `exhaust`: more uploads at once than a budget has room for, and a giant, in real Envoys: ours
//! with a budget, the incumbent's filter that does the same job without, and no filter.
//!
//! For each filter one Envoy with one worker. Every connection is open before the burst; then each
//! sends its upload at once. From the end of the burst on, uploads one after the other show how
//! long it takes until everything is served again.

mod burst;
mod picture;
mod report;
mod sampler;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use self::burst::Answers;
use self::report::{Report, Row};
use self::sampler::Sampler;
use crate::load::JsonFile;
use crate::progress::Step;
use crate::proxy::{Options, Proxy};
use crate::{Allocator, Config, Envoy, Response, guest, workspace};

/// The example with the budget, whose configuration both filters run with.
const EXAMPLE: &str = "upload_budget";
/// The port of its listener.
const PORT: u16 = 18000;
/// How many uploads in a row mean that everything is served again.
const SERVED: u32 = 10;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many uploads, and how large.
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

/// One of the compared.
struct Subject {
    name: &'static str,
    /// None for no filter.
    package: Option<&'static str>,
    allocator: Option<Allocator>,
    /// Whether it has a budget, and so must keep what it promises.
    budgeted: bool,
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        name: "sluicegate, 4 MiB budget",
        package: Some(EXAMPLE),
        allocator: Some(Allocator::Arena),
        budgeted: true,
    },
    Subject { name: "incumbent", package: Some("guest-incumbent-upload"), allocator: None, budgeted: false },
    Subject { name: "no filter", package: None, allocator: None, budgeted: false },
];

/// Runs it, prints the table, writes the files.
///
/// # Errors
///
/// When something is missing, or when the filter with the budget breaks a promise: a VM that
/// failed, an answer that is none of 200, 413 and 503, nothing that was served, or no full service
/// after the burst.
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
        ensure!(right(&response), "before the burst, {} answers an upload with {response:?}", subject.name);
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

/// The example's configuration with the module, or without the filter.
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

/// How long after the burst the first of ten uploads in a row begins that are all served.
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

/// What Envoy says of a VM that trapped.
fn is_vm_failure(line: &str) -> bool {
    line.contains("failed: Uncaught RuntimeError")
}
