//! The frame of a command: its arguments, its one line of error, and its children's end.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use clap::error::ErrorKind;

use crate::children;

/// Parses the arguments of this process, runs the command, and returns the exit code.
///
/// A signal ends all children of the command. An error becomes one line on stderr.
pub fn run<C: Parser>(command: impl FnOnce(&C) -> Result<()>) -> ExitCode {
    let cli = match C::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::InvalidValue || error.kind() == ErrorKind::ValueValidation => {
            // The message and the right values, without the hint at `--help`, which follows after
            // an empty line.
            let text = error.render().to_string();
            eprintln!("{}", words(text.split("\n\n").next().unwrap_or(&text)));
            return ExitCode::from(2);
        }
        Err(error) => error.exit(),
    };
    let result = children::end_with_signals().map_err(anyhow::Error::from).and_then(|()| command(&cli));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain of causes.
            eprintln!("error: {}", words(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

/// Returns a text as one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
