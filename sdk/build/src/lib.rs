//! Builds filters with cargo, for tests and tools that cargo itself runs.
//!
//! ```no_run
//! use sluicegate_build::{Build, add_target, run};
//!
//! let build = Build::new(env!("CARGO_MANIFEST_DIR"), "filter", "release");
//! add_target(run)?;
//! assert!(run(&mut build.command()).is_ok_and(|output| output.status.success()));
//! println!("{}", build.module().display());
//! # Ok::<_, String>(())
//! ```
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, io};

/// The default platform of the modules. [`Build::target`] sets another one.
pub const TARGET: &str = "wasm32-wasip1";

/// A filter to build: a package whose library is a `cdylib` of the package's name.
#[derive(Clone, Debug)]
pub struct Build {
    package: String,
    profile: String,
    /// The folder in which cargo runs. Cargo looks for its configuration from here upwards.
    folder: PathBuf,
    target_dir: PathBuf,
    target: String,
    features: String,
    default_features: bool,
}

impl Build {
    /// Describes a package of the workspace that `folder` is in, with one of the workspace's
    /// profiles.
    ///
    /// The default target folder is `target/guests/none` in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, package: &str, profile: &str) -> Self {
        let folder = folder.into();
        let target_dir = folder.join("target/guests/none");
        Self {
            package: package.to_owned(),
            profile: profile.to_owned(),
            folder,
            target_dir,
            target: TARGET.to_owned(),
            features: String::new(),
            default_features: true,
        }
    }

    /// Sets the target folder. Builds that differ in their features each need their own, because
    /// otherwise they overwrite each other.
    #[must_use]
    pub fn target_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.target_dir = folder.into();
        self
    }

    /// Sets the compiler's target platform.
    #[must_use]
    pub fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Turns off the default features.
    #[must_use]
    pub fn no_default_features(mut self) -> Self {
        self.default_features = false;
        self
    }

    /// Turns on features. Commas separate them.
    #[must_use]
    pub fn features(mut self, features: impl Into<String>) -> Self {
        self.features = features.into();
        self
    }

    /// Returns the cargo command.
    ///
    /// Cargo locks the target folder, so several processes may run the command at a time. If the
    /// module is up to date, the command takes a fraction of a second.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "-p", &self.package, "--lib", "--target", &self.target, "--profile", &self.profile]);
        cargo.arg("--target-dir").arg(&self.target_dir).current_dir(&self.folder);
        cargo.arg(format!("--features={}", self.features));
        cargo.args((!self.default_features).then_some("--no-default-features"));
        shed_outer_build(&mut cargo);
        cargo
    }

    /// Returns the path of the module that the command builds.
    #[must_use]
    pub fn module(&self) -> PathBuf {
        // Only the profile `dev` has a folder of another name.
        let profile = if self.profile == "dev" { "debug" } else { &self.profile };
        self.target_dir.join(&self.target).join(profile).join(format!("{}.wasm", self.package.replace('-', "_")))
    }
}

/// Runs a command to its end, without input, and returns its output.
///
/// # Errors
///
/// Fails if the command cannot be started, or if its output cannot be read.
pub fn run(command: &mut Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).output()
}

/// Adds the compiler's target if it is missing. `run` runs the commands; [`run()`] is such a
/// function.
///
/// # Errors
///
/// Fails if the target is missing and rustup cannot add it. The message says how to add it.
pub fn add_target(run: impl Fn(&mut Command) -> io::Result<Output>) -> Result<(), String> {
    if has_target(&run)? {
        return Ok(());
    }
    match run(Command::new("rustup").args(["target", "add", TARGET])) {
        Ok(answer) if answer.status.success() => Ok(()),
        Ok(answer) => {
            let said = String::from_utf8_lossy(&answer.stderr).into_owned();
            let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no reason given");
            Err(format!("rustup could not add the target {TARGET}: {last}"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
            "this compiler lacks the target {TARGET}, and there is no rustup to add it; install its std library"
        )),
        Err(error) => Err(format!("cannot run rustup: {error}")),
    }
}

/// Returns whether the compiler can build for the target.
///
/// # Errors
///
/// Fails if the compiler does not return its sysroot.
pub fn has_target(run: impl Fn(&mut Command) -> io::Result<Output>) -> Result<bool, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = run(Command::new(rustc).args(["--print", "sysroot"]));
    let answer = answer.map_err(|error| format!("cannot run rustc: {error}"))?;
    if !answer.status.success() {
        return Err("rustc does not tell its sysroot".to_owned());
    }
    let sysroot = String::from_utf8_lossy(&answer.stdout);
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).is_dir())
}

/// Removes the variables that the outer cargo has set for its own build: flags for another
/// platform, its target folder, and facts about our package.
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
    fn a_module_is_where_cargo_leaves_it() {
        let build = Build::new("/folder", "a-filter", "dev").target_dir("/target");
        assert_eq!(build.module(), Path::new("/target/wasm32-wasip1/debug/a_filter.wasm"));
        let build = Build::new("/folder", "filter", "release");
        assert_eq!(build.module(), Path::new("/folder/target/guests/none/wasm32-wasip1/release/filter.wasm"));
    }

    #[test]
    fn a_missing_target_is_told_with_what_to_do() {
        let nothing = |command: &mut Command| match command.get_program().to_str() {
            Some("rustup") => Err(io::ErrorKind::NotFound.into()),
            _ => run(Command::new("true").args(command.get_args())),
        };
        let error = add_target(nothing).unwrap_err();
        assert!(error.contains("lacks the target wasm32-wasip1"), "{error}");
    }
}
