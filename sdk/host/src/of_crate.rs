//! The crate under test, built for wasm.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use sluicegate_build::{Build, add_target, run};

use crate::backends::wasm::module::{Module, VmError};
use crate::host::Host;

/// Makes a host with the module of a package. In the package itself the call is
/// `of_crate(env!("CARGO_MANIFEST_DIR"), env!("CARGO_PKG_NAME"))`.
///
/// The package is built once a process, before its first use. The environment variable
/// `SLUICEGATE_PROFILE` names the profile; without the variable the profile is `release`.
///
/// # Panics
///
/// Panics if the package cannot be built or loaded. The message says why.
pub fn of_crate(folder: &str, package: &str) -> Host {
    /// The modules of this process, or the reasons why they could not be built.
    static BUILT: LazyLock<Mutex<BTreeMap<String, Result<Module, VmError>>>> = LazyLock::new(Mutex::default);

    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let module = built.entry(package.to_owned()).or_insert_with(|| build(folder, package)).clone();
    // A test that fails here must not fail the others.
    drop(built);
    match module {
        Ok(module) => Host::wasm(&module),
        Err(error) => panic!("{error}"),
    }
}

fn build(folder: &str, package: &str) -> Result<Module, VmError> {
    add_target(run).map_err(VmError::new)?;
    let profile = env::var("SLUICEGATE_PROFILE").unwrap_or_else(|_| "release".to_owned());
    let build = Build::new(folder, package, &profile).target_dir(target_dir(folder).join("guests/none"));
    let answer = run(&mut build.command()).map_err(|error| VmError::new(format!("cannot run cargo: {error}")))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        return Err(VmError::new(format!("the build of {package} for {} failed:\n{said}", sluicegate_build::TARGET)));
    }
    let module = build.module();
    if !module.is_file() {
        let why = "is its library a cdylib of the package's name?";
        return Err(VmError::new(format!("the build of {package} left no {}; {why}", module.display())));
    }
    Module::load(module)
}

/// Returns the target folder of the cargo that runs this test. The test's program is in
/// `target/…/deps`.
fn target_dir(folder: &str) -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map_or_else(|| Path::new(folder).join("target"), Path::to_path_buf)
}
