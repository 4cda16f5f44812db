//! `serve`: runs an example in an Envoy of its own, until Ctrl-C.

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use sluicegate_envoy::config::{self, Config};
use sluicegate_envoy::proxy::{self, Options, Proxy};
use sluicegate_envoy::{Envoy, log};
use sluicegate_workspace::{self as workspace, Allocator, guest};

/// The port of every example's main listener in its configuration.
const MAIN_PORT: u16 = 18000;
/// The interval at which the log is asked for more lines.
const POLL: Duration = Duration::from_millis(500);

/// The arguments of `serve`: the example, its allocator or its module, and the port.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// The example: a folder of `examples/`
    name: String,
    /// The allocator that it is built with
    #[arg(long, default_value_t = Allocator::Talc, conflicts_with = "wasm")]
    alloc: Allocator,
    /// The version of Envoy [default: the variable ENVOY, envoy on PATH, or 1.40.0]
    #[arg(long, value_name = "VERSION")]
    envoy: Option<String>,
    /// The port to listen on, 0 for any free one
    #[arg(long, default_value_t = MAIN_PORT)]
    port: u16,
    /// A module that is built already, to run with the example's configuration
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
}

/// Builds and serves an example, until a signal ends this process or Envoy ends.
///
/// # Errors
///
/// Fails if something is missing or taken, if the build fails, if Envoy refuses the module, or if
/// Envoy ends by itself.
pub fn serve(args: &ServeArgs) -> Result<()> {
    // Cheap checks come first. No user wants to wait for a download to learn of a typing error.
    let name = &args.name;
    guest::ensure_example(name)?;
    config::ensure_free(args.port)?;
    if let Some(wasm) = &args.wasm {
        ensure!(wasm.is_file(), "there is no module {}", wasm.display());
    }
    let envoy = Envoy::provision_version(args.envoy.as_deref())?;
    let config = match &args.wasm {
        None => proxy::example(name, Some(args.alloc))?,
        Some(wasm) => {
            let wasm = wasm.canonicalize().with_context(|| format!("cannot find {}", wasm.display()))?;
            Config::read(&workspace::example_config(name))?.with_every_module(&wasm)
        }
    };
    let options =
        Options { component_log_level: "wasm:debug".into(), log_level: "warning".into(), ..Options::default() };
    let proxy = Proxy::start(&envoy, &config.with_port(MAIN_PORT, args.port), &options)?;
    say(&greeting(args, &envoy, &proxy))?;
    follow(&proxy)
}

fn greeting(args: &ServeArgs, envoy: &Envoy, proxy: &Proxy) -> String {
    let module = args.wasm.as_ref().map_or_else(|| args.alloc.to_string(), |wasm| wasm.display().to_string());
    format!(
        "{} ({module}) in Envoy {}, port {}, process {}; Ctrl-C stops it\n\n    curl -i {}\n\nadmin interface: {}\n\n",
        args.name,
        envoy.version,
        proxy.port(MAIN_PORT),
        proxy.pid(),
        proxy.url(MAIN_PORT, "/"),
        proxy.admin_url("/"),
    )
}

/// Prints the lines of the filter and of Envoy that are worth reading.
fn follow(proxy: &Proxy) -> Result<()> {
    let mut last = String::new();
    let mut reading = false;
    while let Some(lines) = proxy.shared_log().take_lines(POLL) {
        for line in lines.lines() {
            // A line without a time in front belongs to the line before: a backtrace, or a message
            // of several lines.
            reading = if line.starts_with('[') { is_worth_reading(line) } else { reading };
            if reading {
                say(&format!("{line}\n"))?;
                line.clone_into(&mut last);
            }
        }
    }
    if proxy.is_running() {
        // A signal is ending everything, this process included.
        std::thread::sleep(POLL);
        return Ok(());
    }
    bail!("Envoy ended by itself: {}", log::reason(&last).unwrap_or_else(|| "it said nothing".into()))
}

fn is_worth_reading(line: &str) -> bool {
    line.contains("wasm log") || ["[warning]", "[error]", "[critical]"].iter().any(|level| line.contains(level))
}

fn say(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_lines_and_envoys_complaints_are_worth_reading() {
        assert!(is_worth_reading("[t][1][debug][wasm] [source/x.cc:1] wasm log tag: hello"));
        assert!(is_worth_reading("[t][1][warning][main] [source/x.cc:1] no limit"));
        assert!(!is_worth_reading("[t][1][debug][wasm] [source/x.cc:1] Base Wasm created"));
    }
}
