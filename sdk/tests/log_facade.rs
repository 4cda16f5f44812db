//! Lines of the `log` crate's macros, at the proxy's level; and only the filter's.

use sluicegate::LogLevel;
use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate_host::Host;

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        log::trace!("below");
        log::info!("below {}", 1);
        log::warn!("kept {}", 2);
        log::error!("kept as it is");
        assert!(log::log_enabled!(log::Level::Warn) && !log::log_enabled!(log::Level::Info));
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin);

/// Fails a test that formats it.
struct Unformatted;

impl std::fmt::Display for Unformatted {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("a line that nobody sees was put together")
    }
}

#[test]
fn a_dependencys_lines_reach_the_proxy_at_the_proxys_level() {
    let host = Host::new(&PLUGIN).log_level(LogLevel::Warn).start();
    let before = host.calls(Import::proxy_log);
    host.tick();
    let lines: Vec<_> = host.log().into_iter().map(|line| (line.level, line.text)).collect();
    let expected = [(LogLevel::Warn, "kept 2".to_owned()), (LogLevel::Error, "kept as it is".to_owned())];
    assert_eq!(lines, expected);
    assert_eq!(host.calls(Import::proxy_log) - before, 2, "a line below the level costs no host call");
}

/// Natively the logger is that of the whole process.
#[test]
fn lines_of_what_runs_beside_the_filter_are_not_the_filters() {
    let host = Host::new(&PLUGIN).log_level(LogLevel::Trace).start();
    host.clear_log();
    log::trace!("{Unformatted}");
    log::error!("{Unformatted}");
    assert!(!log::log_enabled!(log::Level::Error));
    assert_eq!(host.log().len(), 0);
}
