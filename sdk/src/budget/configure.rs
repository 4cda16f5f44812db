//! The budgets that the code and the configuration set.

use super::state::with;
use super::{Budget, json};
use crate::abi::{BufferType, CallbackScope, LogLevel, try_slice};
use crate::error::Result;
use crate::host_buffer::{WHOLE, read};
use crate::log;
use crate::memory_metrics;

/// Sets the budget of the code. The configuration takes precedence.
///
/// # Errors
///
/// Fails if the fields do not fit each other, if there is no memory for the reserve, or if there
/// are `pages` and the allocator takes no limit.
pub(crate) fn apply(code: Budget) -> Result<()> {
    let operator = with(|state| state.operator.get());
    set(code, operator)
}

#[cold]
fn set(code: Budget, operator: Budget) -> Result<()> {
    let budget = operator.or(code);
    budget.check()?;
    let reserve = match budget.reserve {
        None | Some(0) => None,
        Some(size) => Some(try_slice(size, || 0)?),
    };
    limit(budget.pages)?;
    memory_metrics::turn_off(budget.metrics == Some(false));
    with(|state| {
        state.code.set(code);
        state.operator.set(operator);
        state.budget.set(budget);
        state.active.set(budget != Budget::new());
        state.reserve.set(reserve);
    });
    Ok(())
}

fn limit(pages: Option<usize>) -> Result<()> {
    if pages.is_none_or(sluicegate_alloc::limit) {
        return Ok(());
    }
    Err(crate::Error::new("memory.pages: the module's allocator has no limit of pages"))
}

/// Reads the plugin's configuration. Returns whether the plugin may start with the budget that it
/// sets.
#[cold]
pub(crate) fn configure(plugin: u32, size: usize) -> bool {
    let _scope = CallbackScope::new();
    if size == 0 {
        return true;
    }
    // The filter judges a configuration that cannot be read.
    let Ok(configuration) = read(BufferType::PluginConfiguration, 0, WHOLE) else { return true };
    let applied = json::memory(&configuration).and_then(|found| {
        let Some(operator) = found else { return Ok(()) };
        set(with(|state| state.code.get()), operator)
    });
    if let Err(error) = &applied {
        log::failure(LogLevel::Critical, "on_configure", plugin, error);
    }
    applied.is_ok()
}
