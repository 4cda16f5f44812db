//! The commands: `serve` an example, `load` the comparison, `exhaust` a budget, `compat` with
//! versions of Envoy, `image` for a registry, `flame` for a picture of a heap profile.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sluicegate_commands::{compat, flame, image, serve};
use sluicegate_loadtest::{exhaust, load};
use sluicegate_workspace::command;

/// Proxy-Wasm filters in a real Envoy.
#[derive(Parser)]
#[command(name = "sluicegate-commands", version)]
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
    command::run(|cli: &Cli| match &cli.command {
        Command::Serve(args) => serve::serve(args),
        Command::Load(args) => load::load(args),
        Command::Exhaust(args) => exhaust::exhaust(args),
        Command::Compat(args) => compat::compat(args),
        Command::Image(args) => image::image(args),
        Command::Flame(args) => flame::flame(args),
    })
}
