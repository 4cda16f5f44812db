//! The check of the memory after a callback.

use super::account::used;
use super::state::{is_idle, with, with_reserve};
use super::{Pressure, report};
use crate::abi::LogLevel;
use crate::log;

/// Checks the memory after a callback: reports a new pressure to the plugin, and new figures to the
/// proxy. `deliver` returns whether the plugin got the pressure.
pub(crate) fn boundary(of_plugin: bool, deliver: impl FnOnce(Pressure) -> bool) {
    if is_idle() {
        return;
    }
    settle(of_plugin, deliver);
}

fn settle(of_plugin: bool, deliver: impl FnOnce(Pressure) -> bool) {
    let used = used();
    let (before, level) = with(|state| (state.level.get(), state.look(used)));
    if level != before {
        let line = match (before, level) {
            (_, Pressure::Over) => Some("memory is over its budget, streams are shed; bytes"),
            (Pressure::Over, _) => Some("memory is back in its budget; bytes"),
            _ => None,
        };
        if let Some(line) = line {
            log::note(LogLevel::Warn, line, u32::try_from(used).unwrap_or(u32::MAX));
        }
        if with_reserve(|| deliver(level)) {
            with(|state| state.level.set(level));
        }
    }
    if with(|state| state.served.get()) {
        report::publish(of_plugin, level != before);
    }
}
