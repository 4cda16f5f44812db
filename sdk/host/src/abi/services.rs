//! The host calls on the plugin and the proxy: configuration, log, ticks, metrics and queues.

use sluicegate::abi::{LogLevel, Status};

use crate::model::act::Deferred;
use crate::model::state::State;

impl State {
    pub(crate) fn set_tick_period(&mut self, period: u32) {
        let passed = self.proxy.borrow().passed;
        if let Some(plugin) = self.plugin() {
            plugin.tick_period = period;
            plugin.next_tick = passed + u64::from(period) * 1_000_000;
        }
    }

    pub(crate) fn set_effective(&mut self, context: u32) -> Result<(), Status> {
        if !self.plugins.contains_key(&context) && !self.streams.contains_key(&context) {
            return Err(Status::BadArgument);
        }
        self.effective = context;
        Ok(())
    }

    /// Returns the configuration that the guest can read. ABI 0.1.0 has one function for both
    /// configurations.
    pub(crate) fn configuration(&self) -> Vec<u8> {
        let plugin = self.configuring.and_then(|plugin| self.plugins.get(&plugin));
        plugin.map_or(&self.vm_configuration, |plugin| &plugin.configuration).clone()
    }

    pub(crate) fn define_metric(&mut self, kind: u32, name: Vec<u8>) -> Result<u32, Status> {
        self.proxy.borrow_mut().metrics.define(&mut self.metrics, kind, name)
    }

    pub(crate) fn register_queue(&mut self, name: &[u8]) -> u32 {
        // If a stream's callback registers the queue, the stream's plugin is told of the items.
        let owner = (self.vm, self.plugin_of(self.effective));
        self.proxy.borrow_mut().queues.register(&self.vm_id, name, Some(owner))
    }

    /// Returns the number of a queue. An empty `vm_id` is the VM's own.
    pub(crate) fn resolve_queue(&self, vm_id: &[u8], name: &[u8]) -> Result<u32, Status> {
        let vm_id = if vm_id.is_empty() { &self.vm_id } else { vm_id };
        self.proxy.borrow().queues.resolve(vm_id, name)
    }

    /// Ends the plugin that asked to end later, when the guest has returned.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::NotFound`] if the plugin did not ask to end later.
    pub(crate) fn finish(&mut self) -> Result<(), Status> {
        let plugin = self.plugin_of(self.effective);
        let ending = self.plugins.get_mut(&plugin).filter(|plugin| plugin.ending).ok_or(Status::NotFound)?;
        ending.ending = false;
        self.deferred.push((plugin, Deferred::Delete));
        Ok(())
    }

    pub(crate) fn log(&mut self, level: u32, message: &[u8]) -> Result<(), Status> {
        if level > LogLevel::Critical as u32 {
            return Err(Status::BadArgument);
        }
        self.note(level, message);
        Ok(())
    }
}
