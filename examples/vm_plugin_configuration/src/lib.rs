//! Logs the two configurations: that of the VM, and that of each plugin in it.

use sluicegate::prelude::*;

#[derive(Default)]
struct Vm;

#[sluicegate::vm_context]
impl VmContext for Vm {
    fn on_vm_start(&mut self, vm: &mut VmHandle<'_>) -> Result<StartStatus> {
        match vm.configuration() {
            Ok(configuration) => info!("vm config: {}", ByteStr::new(&configuration).display()),
            Err(error) => critical!("error reading vm configuration: {error}"),
        }
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    type Vm = Vm;

    fn on_configure(&mut self, plugin: &mut PluginHandle<'_, Vm>) -> Result<StartStatus> {
        match plugin.configuration() {
            Ok(configuration) => info!("plugin config: {}", ByteStr::new(&configuration).display()),
            Err(error) => critical!("error reading plugin configuration: {error}"),
        }
        Ok(StartStatus::Ok)
    }
}

sluicegate::plugin!(vm: Vm, plugin: Plugin);

#[cfg(test)]
mod tests;
