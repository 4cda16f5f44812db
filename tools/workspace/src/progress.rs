//! The progress of a command, on stderr: a spinner or a bar on a terminal, a plain line elsewhere.

use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A piece of work that takes a while. Dropping it removes its spinner.
#[derive(Debug)]
pub struct Step {
    bar: ProgressBar,
}

impl Step {
    /// Announces work of an unknown length.
    pub fn new(message: &str) -> Self {
        if !stderr().is_terminal() {
            eprintln!("{message}");
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new_spinner().with_message(message.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    /// Announces work of a known number of parts.
    pub fn counted(message: &str, parts: u64) -> Self {
        if !stderr().is_terminal() {
            eprintln!("{message}");
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new(parts).with_message(message.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// Counts one part as done.
    pub fn advance(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
