//! Where things are: the repository's root, its target folder, its examples.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use anyhow::{Context as _, Result};

/// What makes a folder a package.
const MANIFEST: &str = "Cargo.toml";

/// The repository's root, from which guests are built and Envoy is started.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Cargo's target folder: `CARGO_TARGET_DIR`, or `target` in the root. A relative one is taken from
/// the root.
pub fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()).unwrap_or_else(|| "target".into()))
}

/// The names of the examples, sorted: the folders of `examples/` which hold an Envoy configuration.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn examples() -> Result<Vec<String>> {
    folders_with("envoy.yaml", &root().join("examples"))
}

/// The packages of an example: one of its own name, or one for each folder in it, as
/// `shared_queue_sender` in `shared_queue/sender`.
///
/// # Errors
///
/// When its folder cannot be read.
pub fn example_packages(name: &str) -> Result<Vec<String>> {
    let folder = root().join("examples").join(name);
    if folder.join(MANIFEST).is_file() {
        return Ok(vec![name.to_owned()]);
    }
    let inner = folders_with(MANIFEST, &folder)?;
    Ok(inner.into_iter().map(|inner| format!("{name}_{inner}")).collect())
}

/// The names of the guests that benchmarks compare, sorted.
///
/// # Errors
///
/// When their folder cannot be read.
pub fn bench_guests() -> Result<Vec<String>> {
    let folders = folders_with(MANIFEST, &root().join("benches/guests"))?;
    Ok(folders.into_iter().map(|folder| format!("guest-{folder}")).collect())
}

/// The Envoy configuration of an example.
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
