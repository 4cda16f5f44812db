//! Runs a built command as its users run it, and finds out what it leaves behind.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable by which a command's descendants are recognised, wherever they end up.
const MARK: &str = "SLUICEGATE_COMMAND_MARK";

/// A command, marked, without the developer's own settings for pip.
#[derive(Debug)]
pub struct Cli {
    /// The command, for further arguments and pipes.
    pub command: Command,
    mark: String,
}

impl Cli {
    /// Returns a command that runs `program` with these arguments.
    pub fn new(program: &str, args: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{MARK}={}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(program);
        command.args(args).env(MARK, &mark[MARK.len() + 1..]).stdin(Stdio::null());
        for own in ["PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"] {
            command.env_remove(own);
        }
        Self { command, mark }
    }

    /// Sets a variable of the command's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes a variable from the command's environment.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs the command to its end, and returns its output.
    ///
    /// # Panics
    ///
    /// Panics if the command cannot be run.
    pub fn output(&mut self) -> Output {
        self.command.output().expect("the command was built")
    }

    /// Returns the names of the processes that the command started and that still run, itself
    /// included. Only Linux tells.
    pub fn left_running(&self) -> Vec<String> {
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

/// Runs a command that must fail, and returns its one line of error.
///
/// # Panics
///
/// Panics if the command succeeds, if its error is not one line, or if a process remains.
pub fn refusal(mut cli: Cli) -> String {
    let output = cli.output();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "this must fail:\n{stderr}");
    assert_eq!(cli.left_running(), [""; 0], "nothing may run on");
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors[..] else { panic!("not one line of error:\n{stderr}") };
    assert!(!stderr.contains("panicked"), "{stderr}");
    error["error: ".len()..].to_owned()
}
