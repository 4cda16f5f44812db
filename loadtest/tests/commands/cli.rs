//! Runs the built command and finds out what it leaves behind.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable by which a command's descendants are recognised, wherever they end up.
const MARK: &str = "SLUICEGATE_LOADTEST_MARK";

/// The command, marked, with no settings of the developer's own for Envoy and pip.
pub(crate) struct Cli {
    pub(crate) command: Command,
    mark: String,
}

impl Cli {
    pub(crate) fn new(args: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{MARK}={}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate-loadtest"));
        command.args(args).env(MARK, &mark[MARK.len() + 1..]).stdin(Stdio::null());
        for own in ["PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"] {
            command.env_remove(own);
        }
        Self { command, mark }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn output(&mut self) -> Output {
        self.command.output().expect("the command was built")
    }

    /// The processes that it started and that still run, itself included. Only Linux tells.
    pub(crate) fn left_running(&self) -> Vec<String> {
        let mut left = Vec::new();
        for process in Path::new("/proc").read_dir().into_iter().flatten().flatten() {
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            if environment.split(|&byte| byte == 0).any(|variable| variable == self.mark.as_bytes()) {
                let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                left.push(name.trim().to_owned());
            }
        }
        left
    }
}

/// A command that must fail: gives its one line of error, after making sure that it is one and that
/// nothing remains.
pub(crate) fn refusal(mut cli: Cli) -> String {
    let output = cli.output();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "this must fail:\n{stderr}");
    assert_eq!(cli.left_running(), [""; 0], "nothing may run on");
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors[..] else { panic!("not one line of error:\n{stderr}") };
    assert!(!stderr.contains("panicked"), "{stderr}");
    error["error: ".len()..].to_owned()
}
