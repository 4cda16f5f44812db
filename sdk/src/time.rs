//! The proxy's clock.

use core::time::Duration;

use crate::abi::call;
use crate::error::{Error, Result, Subject};

/// Returns the current time, as the time since the Unix epoch.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::time;
/// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
///     let start = time::now()?;
///     info!("plugin {} started {} s after 1970", plugin.id(), start.as_secs());
///     Ok(())
/// }
/// # sluicegate_host::example::plugin(example);
/// ```
///
/// # Errors
///
/// Fails if the host refuses.
///
/// # Cost
///
/// One host call (0.05 µs in Envoy), and no WASI import.
#[doc(alias = "get_current_time")]
pub fn now() -> Result<Duration> {
    let nanoseconds =
        call::time().map_err(|status| Error::host("proxy_get_current_time_nanoseconds", Subject::Nothing, status))?;
    Ok(Duration::from_nanos(nanoseconds))
}
