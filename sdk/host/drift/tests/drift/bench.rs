//! The parts that the benches of this test have in common: modules that are built, sockets of the
//! upstreams, and streams that are read as far as they have come.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sluicegate_build::{Build, run};
use sluicegate_workspace as workspace;

/// Builds a package with a feature, in a folder of its own, and returns the module.
pub(crate) fn build(package: &str, feature: &str, folder: &str) -> Result<PathBuf> {
    let folder = workspace::target_dir().join("guests").join(folder);
    let build = Build::new(env!("CARGO_MANIFEST_DIR"), package, "guest").target_dir(folder).features(feature);
    let answer = run(&mut build.command()).context("cannot run cargo")?;
    ensure!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    Ok(build.module())
}

/// Listens on a socket in a folder, without blocking.
pub(crate) fn listen(folder: &Path, name: &str) -> Result<UnixListener> {
    let listener = UnixListener::bind(folder.join(name))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Reads everything that has come. Returns whether more may come.
pub(crate) fn drain(stream: &mut impl Read, got: &mut Vec<u8>) -> bool {
    let mut part = [0; 64 << 10];
    loop {
        match stream.read(&mut part) {
            Ok(0) => return false,
            Ok(size) => got.extend(&part[..size]),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
