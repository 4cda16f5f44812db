//! Building guests: examples and benchmark guests, each with the allocator that is asked for.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs, io, iter};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::allocator::Allocator;
use crate::{children, progress, workspace};

/// The platform of the modules.
pub const TARGET: &str = "wasm32-wasip1";
/// The cargo profile of the modules.
const PROFILE: &str = "guest";

/// Builds a guest by the name of its package and gives its module. Without an allocator, none is installed.
///
/// Each allocator has a target folder of its own, so that the builds do not overwrite each other, and an up-to-date
/// module costs a fraction of a second.
///
/// # Errors
///
/// When no such guest exists, when the compiler's target cannot be added, or when the build fails; cargo's own messages
/// are then on stderr.
pub fn build(package: &str, allocator: Option<Allocator>) -> Result<PathBuf> {
    build_with(package, allocator, &[])
}

/// The same with features of the SDK, such as `abi-0-1-0`.
///
/// # Errors
///
/// As [`build`].
pub fn build_with(package: &str, allocator: Option<Allocator>, features: &[&str]) -> Result<PathBuf> {
    ensure_known(package)?;
    add_target()?;
    let names: Vec<_> = iter::once(allocator.map_or("none", Allocator::name)).chain(features.iter().copied()).collect();
    let with = names.join("+");
    let folder = workspace::target_dir().join("guests").join(&with);
    let _step = progress::Step::new(&format!("building {package} (allocator: {with})"));

    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "-p", package, "--target", TARGET, "--profile", PROFILE, "--target-dir"]).arg(&folder);
    cargo.args(allocator.map(|allocator| format!("--features={}", allocator.feature())));
    cargo.args(features.iter().map(|feature| format!("--features=sluicegate/{feature}")));
    shed_outer_build(cargo.current_dir(workspace::root()));
    let answer = children::output(&mut cargo).context("cannot run cargo")?;
    if !answer.status.success() {
        eprint!("{}", String::from_utf8_lossy(&answer.stderr));
        bail!("the build of {package} failed");
    }
    let module = folder.join(TARGET).join(PROFILE).join(format!("{}.wasm", package.replace('-', "_")));
    ensure!(module.is_file(), "the build of {package} left no {}", module.display());
    Ok(module)
}

/// The size of a module in bytes.
///
/// # Errors
///
/// When it cannot be read.
pub fn size(module: &std::path::Path) -> Result<u64> {
    Ok(fs::metadata(module).with_context(|| format!("cannot read {}", module.display()))?.len())
}

/// Refuses a name that is neither an example nor a benchmark guest.
///
/// # Errors
///
/// Exactly then; the message lists the examples.
pub fn ensure_known(package: &str) -> Result<()> {
    let examples = workspace::examples()?;
    if examples.iter().any(|name| name == package) || workspace::bench_guests()?.iter().any(|name| name == package) {
        return Ok(());
    }
    bail!(unknown_example(package, &examples))
}

/// What to say to somebody who misspelt an example.
pub(crate) fn unknown_example(name: &str, examples: &[String]) -> String {
    format!("there is no example `{name}`; there are: {}", examples.join(", "))
}

/// Adds the compiler's target if it is missing, once a process.
fn add_target() -> Result<()> {
    static ADDED: OnceLock<Result<(), String>> = OnceLock::new();
    ADDED.get_or_init(|| try_add_target().map_err(|error| format!("{error:#}"))).clone().map_err(|error| anyhow!(error))
}

fn try_add_target() -> Result<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = children::output(Command::new(rustc).args(["--print", "sysroot"]).current_dir(workspace::root()));
    let answer = answer.context("cannot run rustc")?;
    ensure!(answer.status.success(), "rustc does not tell its sysroot");
    let sysroot = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    let _step = progress::Step::new(&format!("adding the compiler's target {TARGET}"));
    match children::output(Command::new("rustup").args(["target", "add", TARGET]).current_dir(workspace::root())) {
        Ok(answer) if answer.status.success() => Ok(()),
        Ok(answer) => {
            let said = String::from_utf8_lossy(&answer.stderr);
            let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no reason given");
            bail!("rustup could not add the target {TARGET}: {last}")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("this compiler lacks the target {TARGET}, and there is no rustup to add it; install its std library")
        }
        Err(error) => Err(error).context("cannot run rustup"),
    }
}

/// Removes what the cargo that runs us has set for its own build: flags for another platform, its target folder, what
/// it tells about our package.
fn shed_outer_build(cargo: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_outer_build) {
            cargo.env_remove(&name);
        }
    }
}

fn is_of_outer_build(variable: &str) -> bool {
    const PREFIXES: [&str; 7] = [
        "CARGO_BIN_",
        "CARGO_BUILD_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
    ];
    const NAMES: [&str; 8] = [
        "CARGO_CRATE_NAME",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_INCREMENTAL",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_DIR",
        "CARGO_TARGET_TMPDIR",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
    ];
    PREFIXES.iter().any(|prefix| variable.starts_with(prefix)) || NAMES.contains(&variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outer_build_is_shed() {
        for gone in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_PKG_NAME", "CARGO_BUILD_TARGET"]
        {
            assert!(is_of_outer_build(gone), "{gone}");
        }
        for kept in
            ["PATH", "CARGO", "CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_REGISTRIES_MINE_INDEX", "RUSTUP_TOOLCHAIN"]
        {
            assert!(!is_of_outer_build(kept), "{kept}");
        }
    }

    #[test]
    fn an_unknown_guest_is_answered_with_the_examples() {
        let error = build("nonesuch", None).unwrap_err().to_string();
        assert!(error.starts_with("there is no example `nonesuch`; there are: "), "{error}");
    }
}
