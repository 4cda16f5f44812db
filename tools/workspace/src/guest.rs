//! Builds guests: examples and benchmark guests, each with one of the allocators.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::{fs, iter};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use sluicegate_build::Build;

use crate::allocator::Allocator;
use crate::{children, folders, progress};

pub use sluicegate_build::TARGET;

/// The cargo profile of the modules.
const PROFILE: &str = "guest";

/// Builds a guest by the name of its package, and returns the path of its module. Without an
/// allocator, none is installed.
///
/// Each allocator has a target folder of its own, so that the builds do not overwrite each other.
/// If the module is up to date, this takes a fraction of a second.
///
/// # Errors
///
/// Fails if there is no such guest, if the compiler's target cannot be added, or if the build
/// fails. Cargo's own messages are then on stderr.
pub fn build(package: &str, allocator: Option<Allocator>) -> Result<PathBuf> {
    build_with(package, allocator, &[])
}

/// Builds a guest as [`build`] does, with features of the SDK, such as `abi-0-1-0`.
///
/// # Errors
///
/// Fails where [`build`] fails.
pub fn build_with(package: &str, allocator: Option<Allocator>, features: &[&str]) -> Result<PathBuf> {
    ensure_known(package)?;
    add_target()?;
    let names: Vec<_> = iter::once(allocator.map_or("none", Allocator::name)).chain(features.iter().copied()).collect();
    let with = names.join("+");
    let folder = folders::target_dir().join("guests").join(&with);
    let build = Build::new(folders::root(), package, PROFILE).target_dir(folder);
    let allocator = allocator.map(Allocator::feature).into_iter();
    let features: Vec<_> = allocator.chain(features.iter().map(|feature| format!("sluicegate/{feature}"))).collect();
    run(package, &with, &build.features(features.join(",")), &[])
}

/// Builds a guest as small as possible: in the profile `small`, and without its default features,
/// so that it needs no standard library.
///
/// # Errors
///
/// Fails where [`build`] fails.
pub fn build_small(package: &str, allocator: Allocator) -> Result<PathBuf> {
    ensure_known(package)?;
    add_target()?;
    let with = format!("{}+small", allocator.name());
    let build =
        Build::new(folders::root(), package, "small").target_dir(folders::target_dir().join("guests").join(&with));
    run(package, &with, &build.features(allocator.feature()), &["--no-default-features"])
}

fn run(package: &str, with: &str, build: &Build, options: &[&str]) -> Result<PathBuf> {
    let _step = progress::Step::new(&format!("building {package} (allocator: {with})"));
    let answer = children::output(build.command().args(options)).context("cannot run cargo")?;
    if !answer.status.success() {
        eprint!("{}", String::from_utf8_lossy(&answer.stderr));
        bail!("the build of {package} failed");
    }
    let module = build.module();
    ensure!(module.is_file(), "the build of {package} left no {}", module.display());
    Ok(module)
}

/// Returns the size of a module in bytes.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub fn size(module: &std::path::Path) -> Result<u64> {
    Ok(fs::metadata(module).with_context(|| format!("cannot read {}", module.display()))?.len())
}

/// Checks that a name is a package of an example or a benchmark guest.
///
/// # Errors
///
/// Fails if it is neither. The message lists the examples.
pub fn ensure_known(package: &str) -> Result<()> {
    let examples = folders::examples()?;
    for example in &examples {
        if folders::example_packages(example)?.iter().any(|name| name == package) {
            return Ok(());
        }
    }
    if folders::bench_guests()?.iter().any(|name| name == package) {
        return Ok(());
    }
    bail!(unknown_example(package, &examples))
}

/// Checks that a name is an example.
///
/// # Errors
///
/// Fails if it is not. The message lists the examples.
pub fn ensure_example(name: &str) -> Result<()> {
    let examples = folders::examples()?;
    ensure!(examples.iter().any(|example| example == name), unknown_example(name, &examples));
    Ok(())
}

/// Returns the message for a misspelt name of an example.
fn unknown_example(name: &str, examples: &[String]) -> String {
    format!("there is no example `{name}`; there are: {}", examples.join(", "))
}

/// Adds the compiler's target if it is missing, once a process.
fn add_target() -> Result<()> {
    static ADDED: OnceLock<Result<(), String>> = OnceLock::new();
    let add = || {
        if sluicegate_build::has_target(children::output)? {
            return Ok(());
        }
        let _step = progress::Step::new(&format!("adding the compiler's target {TARGET}"));
        sluicegate_build::add_target(children::output)
    };
    ADDED.get_or_init(add).clone().map_err(|error| anyhow!(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_guest_is_answered_with_the_examples() {
        let error = build("nonesuch", None).unwrap_err().to_string();
        assert!(error.starts_with("there is no example `nonesuch`; there are: "), "{error}");
    }
}
