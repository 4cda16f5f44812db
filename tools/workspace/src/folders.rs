//! Paths of the workspace: the repository's root, its target folder, its examples.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use anyhow::{Context as _, Result};

/// The file that makes a folder a package.
const MANIFEST: &str = "Cargo.toml";

/// Returns the repository's root, from which guests are built and Envoy is started.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package)
}

/// Returns cargo's target folder: `CARGO_TARGET_DIR`, or `target` in the root. A relative path is
/// relative to the root.
pub fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()).unwrap_or_else(|| "target".into()))
}

/// Returns the names of the examples, sorted: the folders of `examples/` that hold an Envoy
/// configuration.
///
/// # Errors
///
/// Fails if the folder cannot be read.
pub fn examples() -> Result<Vec<String>> {
    folders_with("envoy.yaml", &root().join("examples"))
}

/// Returns the packages of an example: one of its own name, or one for each folder in it, such as
/// `shared_queue_sender` in `shared_queue/sender`.
///
/// # Errors
///
/// Fails if its folder cannot be read.
pub fn example_packages(name: &str) -> Result<Vec<String>> {
    let folder = root().join("examples").join(name);
    if folder.join(MANIFEST).is_file() {
        return Ok(vec![name.to_owned()]);
    }
    let inner = folders_with(MANIFEST, &folder)?;
    Ok(inner.into_iter().map(|inner| format!("{name}_{inner}")).collect())
}

/// Returns the names of the guests that benchmarks compare, sorted.
///
/// # Errors
///
/// Fails if their folder cannot be read.
pub fn bench_guests() -> Result<Vec<String>> {
    let folders = folders_with(MANIFEST, &root().join("benches/guests"))?;
    Ok(folders.into_iter().map(|folder| format!("guest-{folder}")).collect())
}

/// Returns the path of an example's Envoy configuration.
pub fn example_config(name: &str) -> PathBuf {
    root().join("examples").join(name).join("envoy.yaml")
}

fn folders_with(file: &str, folder: &Path) -> Result<Vec<String>> {
    let names = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.join(file).is_file() {
                names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        Ok(names)
    };
    names().with_context(|| format!("cannot read {}", folder.display()))
}
