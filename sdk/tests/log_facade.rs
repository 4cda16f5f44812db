//! Lines of the `log` crate's macros, at the proxy's level.

use sluicegate::LogLevel;
use sluicegate::prelude::*;
use sluicegate_host::Host;

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {}

sluicegate::plugin!(plugin: Plugin);

#[test]
fn a_dependencys_lines_reach_the_proxy_at_the_proxys_level() {
    let host = Host::new(&PLUGIN).log_level(LogLevel::Warn).start();
    log::trace!("below");
    log::info!("below {}", 1);
    log::warn!("kept {}", 2);
    log::error!("kept as it is");
    let lines: Vec<_> = host.log().into_iter().map(|line| (line.level, line.text)).collect();
    let expected = [(LogLevel::Warn, "kept 2".to_owned()), (LogLevel::Error, "kept as it is".to_owned())];
    assert_eq!(lines, expected);
    assert!(log::log_enabled!(log::Level::Warn) && !log::log_enabled!(log::Level::Info));

    let before = host.all_calls();
    log::info!("costs no host call");
    assert_eq!(host.all_calls(), before);
}
