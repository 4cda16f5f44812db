//! Counts requests over all worker threads, in a value that their VMs share.

use sluicegate::prelude::*;
use sluicegate::shared_data;

const KEY: &str = "shared_data_key";

#[derive(Default)]
struct Vm;

#[sluicegate::vm_context]
impl VmContext for Vm {
    fn on_vm_start(&mut self, _: &mut VmHandle<'_>) -> Result<StartStatus> {
        // Each worker starts a VM, and so does each reload of the configuration. The count so far
        // stays.
        let created = shared_data::update(KEY, |value| value.unwrap_or_default().to_vec());
        if let Err(error) = created {
            warn!("error setting shared data on OnVMStart: {error}");
        }
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    type Vm = Vm;
}

#[derive(Default)]
struct SharedData;

#[sluicegate::http_filter]
impl HttpFilter for SharedData {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, _: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        match count() {
            Ok(requests) => info!("shared value: {requests}"),
            Err(error) if error.call() == Some("proxy_get_shared_data") => {
                warn!("error getting shared data on OnHttpRequestHeaders: {error}");
            }
            Err(error) => warn!("error setting shared data on OnHttpRequestHeaders: {error}"),
        }
        Ok(Action::Continue)
    }
}

/// Adds one to the count, and returns it. If another VM was faster, the closure runs again on the
/// value that the other VM wrote.
fn count() -> Result<u64> {
    let mut requests = 0;
    shared_data::update(KEY, |value| {
        requests = value.map_or(0, number).wrapping_add(1);
        requests.to_le_bytes()
    })?;
    Ok(requests)
}

/// Reads a number of eight bytes in little endian. Any VM of this `vm_id` may write the key, so a
/// value that is no number counts as zero.
fn number(value: &[u8]) -> u64 {
    value.try_into().map_or(0, u64::from_le_bytes)
}

sluicegate::plugin!(vm: Vm, plugin: Plugin, http: SharedData);

#[cfg(test)]
mod tests;
