//! `compat`: runs the end-to-end tests of the examples on several versions of Envoy, and writes the
//! table of results into docs/versions.md.

mod results;
mod table;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use sluicegate_envoy::Envoy;
use sluicegate_envoy::binary::DEFAULT_VERSION;
use sluicegate_workspace::allocator::ONLY_ALLOCATOR;
use sluicegate_workspace::{self as workspace, Allocator, children, progress};

use results::Outcomes;

/// The default versions: of each minor version the newest patch in the package index that can run
/// Wasm. The package's 1.38.3 was built without V8.
pub const VERSIONS: [&str; 5] = ["1.36.4", "1.37.0", "1.38.2", "1.39.3", DEFAULT_VERSION];

/// The package and the target of the tests.
const TESTS: [&str; 4] = ["-p", "sluicegate-examples", "--test", "e2e"];

/// The arguments of `compat`: the allocator, and the versions to try.
#[derive(Args, Clone, Debug)]
pub struct CompatArgs {
    /// The versions of Envoy [default: five, which also writes the table into docs/versions.md]
    #[arg(value_name = "VERSION")]
    versions: Vec<String>,
    /// The allocator of the examples
    #[arg(long, default_value_t = Allocator::Talc)]
    alloc: Allocator,
}

/// Runs the tests on each version and prints the table. Writes the table into the guide if no
/// versions were given.
///
/// # Errors
///
/// Fails if an Envoy cannot be provisioned, or if the tests do not build. Fails at the end if a
/// test failed.
pub fn compat(args: &CompatArgs) -> Result<()> {
    let all = args.versions.is_empty();
    let versions: Vec<&str> = if all { VERSIONS.to_vec() } else { args.versions.iter().map(String::as_str).collect() };
    let examples = workspace::examples()?;
    // Everything is fetched before the first test, so that a missing Envoy is known at once.
    let envoys: Vec<_> =
        versions.iter().map(|version| Envoy::provision_version(Some(version))).collect::<Result<_>>()?;
    let mut columns = Vec::new();
    for envoy in &envoys {
        let _step = progress::Step::new(&format!("testing the examples on Envoy {}", envoy.version));
        columns.push((envoy.version.as_str(), run(envoy, args.alloc, &examples)?));
    }
    let table = table::render(&examples, &columns);
    println!("{table}");
    if all {
        let page = page();
        let text = fs::read_to_string(&page).context("cannot read docs/versions.md")?;
        fs::write(&page, table::insert(&text, &table)?).context("cannot write docs/versions.md")?;
    }
    let failed: Vec<_> = columns
        .iter()
        .flat_map(|(version, outcomes)| outcomes.failed().map(move |test| format!("{test} on Envoy {version}")))
        .collect();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Returns the path of the page with the table.
fn page() -> PathBuf {
    workspace::root().join("docs/versions.md")
}

fn run(envoy: &Envoy, allocator: Allocator, examples: &[String]) -> Result<Outcomes> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("test").args(TESTS).args(["--", "--skip", "modules::"]);
    cargo.env("ENVOY", &envoy.path).env(ONLY_ALLOCATOR, allocator.name()).current_dir(workspace::root());
    let answer = children::output(&mut cargo).context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&answer.stdout);
    let outcomes = Outcomes::read(&said, examples)?;
    if !answer.status.success() {
        eprint!("{}{said}", String::from_utf8_lossy(&answer.stderr));
        ensure!(!outcomes.is_empty(), "the tests could not be built");
    }
    ensure!(!outcomes.is_empty(), "no test ran");
    Ok(outcomes)
}
