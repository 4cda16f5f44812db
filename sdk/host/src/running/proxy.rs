//! What a test sees and sets of the proxy: metrics, shared data, queues, properties and functions.

use std::rc::Rc;

use sluicegate::abi::Status;

use super::{PLUGIN, Running};
use crate::PropertyValue;

impl Running {
    /// What a counter stands at, which is one for all VMs of the proxy; none if there is no counter
    /// of this name. Tags are part of the name: `requests_path=a`.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.state().proxy.borrow().metrics.counter(name)
    }

    /// What a gauge stands at; none if there is no gauge of this name.
    #[must_use]
    pub fn gauge(&self, name: &str) -> Option<u64> {
        self.state().proxy.borrow().metrics.gauge(name)
    }

    /// The values that a histogram recorded, in order; none if there is no histogram of this name.
    #[must_use]
    pub fn histogram(&self, name: &str) -> Option<Vec<u64>> {
        self.state().proxy.borrow().metrics.histogram(name)
    }

    /// The value of a key of the VM's shared store; none if it was never set.
    #[must_use]
    pub fn shared_data(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let state = self.state();
        let (value, _) = state.proxy.borrow().shared_data.get(&state.vm_id, key.as_ref()).ok()?;
        Some(value)
    }

    /// Sets a key of the shared store, as another VM of this one's id would.
    pub fn set_shared_data(&self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        let state = self.state();
        let set = state.proxy.borrow_mut().shared_data.set(&state.vm_id, key.into(), value.into(), 0);
        set.expect("0 compares nothing");
    }

    /// Registers a queue as another VM of this `vm_id` would, and gives its number; the own `vm_id`
    /// is empty. This VM's plugin is not told of its items.
    pub fn register_queue(&self, vm_id: &str, name: &str) -> u32 {
        let state = self.state();
        let vm_id = if vm_id.is_empty() { &state.vm_id } else { vm_id.as_bytes() };
        state.proxy.borrow_mut().queues.register(vm_id, name.as_bytes(), None)
    }

    /// The number of the queue that a VM of this `vm_id` registered; the own `vm_id` is empty. None
    /// if there is no such queue.
    #[must_use]
    pub fn resolve_queue(&self, vm_id: &str, name: &str) -> Option<u32> {
        let state = self.state();
        let vm_id = if vm_id.is_empty() { &state.vm_id } else { vm_id.as_bytes() };
        state.proxy.borrow().queues.resolve(vm_id, name.as_bytes()).ok()
    }

    /// Puts an item into a queue, as another VM would. Whether there is such a queue.
    pub fn enqueue(&self, queue: u32, item: impl Into<Vec<u8>>) -> bool {
        self.state().proxy.borrow_mut().queues.enqueue(queue, item.into()).is_ok()
    }

    /// Takes the first item of a queue, as another VM would.
    pub fn dequeue(&self, queue: u32) -> Option<Vec<u8>> {
        self.state().proxy.borrow_mut().queues.dequeue(queue).ok()
    }

    /// How many items are in a queue.
    #[must_use]
    pub fn queue_len(&self, queue: u32) -> usize {
        self.state().proxy.borrow().queues.len(queue)
    }

    /// Calls `on_queue_ready` once for each item that went into a queue of the VM's plugins since
    /// the last time; how often. Like a proxy it never does so while another callback runs, so what
    /// a filter enqueues is told here.
    pub fn deliver_queues(&self) -> usize {
        let untold = {
            let state = self.state();
            state.proxy.borrow_mut().queues.take_untold(state.vm)
        };
        for &(plugin, queue) in &untold {
            self.enter(plugin, "proxy_on_queue_ready", &[plugin, queue]);
            self.run_deferred();
        }
        untold.len()
    }

    /// What the plugin would read as a property now; none if there is nothing of this path.
    #[must_use]
    pub fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.property_of(PLUGIN, path)
    }

    pub(crate) fn property_of(&self, context: u32, path: &[&str]) -> Option<Vec<u8>> {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.effective, context);
        let value = state.property(path.join("\0").as_bytes());
        state.effective = before;
        value.ok()
    }

    /// Gives the proxy a property, over what it has of its own at this path:
    /// `host.set_property(&["xds", "cluster_name"], "backend")`.
    pub fn set_property(&self, path: &[&str], value: impl Into<PropertyValue>) {
        self.state().properties.set(path, value.into());
    }

    /// Gives the proxy a function that filters call by name, over one that it has of its own. It
    /// answers bytes, or the status that the filter gets.
    pub fn add_foreign_function(&self, name: &str, function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + 'static) {
        self.state().functions.add(name, Rc::new(function));
    }
}
