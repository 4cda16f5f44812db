//! The proxy's metrics, shared data, queues, properties and functions, for tests.

use std::rc::Rc;

use sluicegate::abi::Status;

use crate::drive::running::{PLUGIN, RunningHost};
use crate::model::property::PropertyValue;

impl RunningHost {
    /// Returns the value of a counter, or `None` if there is no counter of this name.
    ///
    /// All VMs of the proxy share the counter. Tags are part of the name: `requests_path=a`.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.state().proxy.borrow().metrics.counter(name)
    }

    /// Returns the value of a gauge, or `None` if there is no gauge of this name.
    #[must_use]
    pub fn gauge(&self, name: &str) -> Option<u64> {
        self.state().proxy.borrow().metrics.gauge(name)
    }

    /// Returns the values that a histogram recorded, in order, or `None` if there is no histogram
    /// of this name.
    #[must_use]
    pub fn histogram(&self, name: &str) -> Option<Vec<u64>> {
        self.state().proxy.borrow().metrics.histogram(name)
    }

    /// Returns the value of a key of the VM's shared data, or `None` if the key was never set.
    #[must_use]
    pub fn shared_data(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let state = self.state();
        let (value, _) = state.proxy.borrow().shared_data.get(&state.vm_id, key.as_ref()).ok()?;
        Some(value)
    }

    /// Sets a key of the shared data, as another VM with this VM's id would.
    pub fn set_shared_data(&self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        let state = self.state();
        let set = state.proxy.borrow_mut().shared_data.set(&state.vm_id, key.into(), value.into(), 0);
        set.expect("0 compares nothing");
    }

    /// Registers a queue as another VM with this `vm_id` would, and returns the queue's number.
    ///
    /// An empty `vm_id` stands for the VM's own. This VM's plugins get no callback for the queue's
    /// items.
    pub fn register_queue(&self, vm_id: &str, name: &str) -> u32 {
        let state = self.state();
        let vm_id = if vm_id.is_empty() { &state.vm_id } else { vm_id.as_bytes() };
        state.proxy.borrow_mut().queues.register(vm_id, name.as_bytes(), None)
    }

    /// Returns the number of the queue that a VM with this `vm_id` registered, or `None` if there
    /// is no such queue.
    ///
    /// An empty `vm_id` stands for the VM's own.
    #[must_use]
    pub fn resolve_queue(&self, vm_id: &str, name: &str) -> Option<u32> {
        let state = self.state();
        let vm_id = if vm_id.is_empty() { &state.vm_id } else { vm_id.as_bytes() };
        state.proxy.borrow().queues.resolve(vm_id, name.as_bytes()).ok()
    }

    /// Puts an item into a queue, as another VM would. Returns whether there is such a queue.
    pub fn enqueue(&self, queue: u32, item: impl Into<Vec<u8>>) -> bool {
        self.state().proxy.borrow_mut().queues.enqueue(queue, item.into()).is_ok()
    }

    /// Takes the first item of a queue, as another VM would. Returns `None` if the queue is empty
    /// or does not exist.
    pub fn dequeue(&self, queue: u32) -> Option<Vec<u8>> {
        self.state().proxy.borrow_mut().queues.dequeue(queue).ok()
    }

    /// Returns the number of items in a queue.
    #[must_use]
    pub fn queue_len(&self, queue: u32) -> usize {
        self.state().proxy.borrow().queues.len(queue)
    }

    /// Calls `on_queue_ready` once for each item that went into a queue of the VM's plugins since
    /// the last time. Returns the number of callbacks.
    ///
    /// Like a proxy, the host never calls `on_queue_ready` while another callback runs. The
    /// callbacks for items that a filter enqueues are made here.
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

    /// Returns the property that the plugin would read now, or `None` if there is no property at
    /// this path.
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

    /// Sets a property of the proxy, in place of the proxy's own at this path:
    /// `host.set_property(&["xds", "cluster_name"], "backend")`.
    pub fn set_property(&self, path: &[&str], value: impl Into<PropertyValue>) {
        self.state().properties.set(path, value.into());
    }

    /// Adds a foreign function, which filters call by name, in place of the proxy's own of this
    /// name.
    ///
    /// The function returns bytes, or the status that the filter gets.
    pub fn add_foreign_function(&self, name: &str, function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + 'static) {
        self.state().functions.add(name, Rc::new(function));
    }
}
