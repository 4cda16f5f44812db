//! The tick that the host calls.

use core::cell::Cell;

use crate::abi::call;
use crate::error::{Error, Result, Subject};

crate::__vm_local! {
    /// `true` if a plugin of the VM has asked for ticks.
    static TICKS: Cell<bool> = Cell::new(false);
}

/// Returns whether a plugin of the VM has asked for ticks, so that code may run later.
pub(crate) fn ticks() -> bool {
    TICKS.with(Cell::get)
}

/// Sets the period of the host's ticks, in milliseconds. The number of the plugin is not needed,
/// because the host call acts on the plugin.
///
/// # Errors
///
/// Fails if the host refuses.
pub(crate) fn set_at_host(_: u32, milliseconds: u32) -> Result<()> {
    TICKS.with(|ticks| ticks.set(ticks.get() || milliseconds != 0));
    call::set_tick_period(milliseconds)
        .map_err(|status| Error::host("proxy_set_tick_period_milliseconds", Subject::Nothing, status))
}
