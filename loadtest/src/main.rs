//! The commands: `serve` an example, `load` the comparison, `exhaust` a budget, `compat` with
//! versions of Envoy, `image` for a registry, `flame` for a picture of a heap profile.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use sluicegate_loadtest::{children, compat, exhaust, flame, image, load, serve};

/// Proxy-Wasm filters in a real Envoy.
#[derive(Parser)]
#[command(name = "sluicegate-loadtest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build an example and run it in Envoy until Ctrl-C
    Serve(serve::ServeArgs),
    /// Compare filters under load: ours with each allocator, one on `proxy-wasm`, one by hand
    Load(load::LoadArgs),
    /// Send more uploads at once than a filter's budget of memory has room for
    Exhaust(exhaust::ExhaustArgs),
    /// Run the end-to-end tests of the examples on several versions of Envoy
    Compat(compat::CompatArgs),
    /// Write an example as an OCI image, for Istio and Envoy Gateway
    Image(image::ImageArgs),
    /// Draw a heap profile as a flame graph
    Flame(flame::FlameArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
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
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    children::end_with_signals()?;
    match &cli.command {
        Command::Serve(args) => serve::serve(args),
        Command::Load(args) => load::load(args),
        Command::Exhaust(args) => exhaust::exhaust(args),
        Command::Compat(args) => compat::compat(args),
        Command::Image(args) => image::image(args),
        Command::Flame(args) => flame::flame(args),
    }
}

/// Returns the whole chain of causes, without line breaks.
fn one_line(error: &anyhow::Error) -> String {
    words(&format!("{error:#}"))
}

/// Returns a text as one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
