//! Queues between VMs: one plugin registers a queue, any VM puts items in, and the host notifies
//! the plugin.
//!
//! ```
//! use sluicegate::prelude::*;
//! use sluicegate::queue::Queue;
//!
//! #[derive(Default)]
//! struct Collector {
//!     paths: Vec<Vec<u8>>,
//! }
//!
//! #[sluicegate::plugin_context]
//! impl PluginContext for Collector {
//!     fn on_configure(&mut self, _: &mut PluginHandle<'_>) -> Result<StartStatus> {
//!         Queue::register("paths")?;
//!         Ok(StartStatus::Ok)
//!     }
//!
//!     fn on_queue_ready(&mut self, _: &mut PluginHandle<'_>, queue: Queue) -> Result<()> {
//!         while let Some(path) = queue.dequeue()? {
//!             self.paths.push(path.to_vec());
//!         }
//!         Ok(())
//!     }
//! }
//!
//! sluicegate::plugin!(plugin: Collector);
//! # fn main() {}
//! ```
//!
//! A queue belongs to the proxy, under a name and the `vm_id` of the VM that registered it. Several
//! VMs may register it: Envoy runs the same plugin once for each worker thread, and more than once
//! while it starts. The queue stays one queue, and only the last VM to register is notified. Any VM
//! may take an item, so the item may be gone when the plugin is notified. An empty queue is a
//! result, not an error.
//!
//! **Nothing bounds a queue.** Items wait in the proxy until somebody takes them. If nobody does,
//! they are a leak. The ABI has no call for the length of a queue, and none to remove it.
//!
//! # Cost
//!
//! Putting an item in is one host call. The proxy copies the item, takes a lock that all threads
//! share, and wakes the thread of the plugin. Taking an item out is one host call and one block,
//! which the host allocates.

use crate::abi::{HostBytes, Refused, Status, call};
use crate::error::{Error, Result, Subject};

const QUEUE: Subject = Subject::Named(&"queue");

/// A queue, by the number that the host gave it.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::queue::Queue;
/// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
///     let queue = Queue::register("paths")?;
///     queue.enqueue("/a")?;
///     assert_eq!(queue.dequeue()?.as_deref(), Some(&b"/a"[..]));
///     assert!(queue.dequeue()?.is_none());
///     info!("plugin {} has queue {}", plugin.id(), queue.id());
///     Ok(())
/// }
/// # sluicegate_host::example::plugin(example);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Queue {
    id: u32,
}

impl Queue {
    /// Returns the queue of this name in the VM's own `vm_id`, and registers it if it is new. From
    /// now on the host calls [`on_queue_ready`](crate::PluginContext::on_queue_ready) of this
    /// plugin, and of no other, for items of the queue.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that returns a number.
    #[doc(alias = "RegisterSharedQueue")]
    #[doc(alias = "register_shared_queue")]
    pub fn register(name: impl AsRef<[u8]>) -> Result<Self> {
        let id = call::register_queue(name.as_ref())
            .map_err(|status| Error::host("proxy_register_shared_queue", QUEUE, status))?;
        Ok(Self { id })
    }

    /// Returns the queue that a VM of this `vm_id` registered under this name, or `None` if no VM
    /// has registered it yet. An empty `vm_id` is the VM's own.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// use sluicegate::queue::Queue;
    /// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
    ///     match Queue::resolve("collector", "paths")? {
    ///         Some(queue) => queue.enqueue(format!("plugin {}", plugin.id())),
    ///         None => Ok(()), // the collector has not started yet
    ///     }
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
    /// One host call that returns a number. Keep the queue: its number stays the same until the
    /// last VM of its `vm_id` is gone.
    #[doc(alias = "ResolveSharedQueue")]
    #[doc(alias = "resolve_shared_queue")]
    pub fn resolve(vm_id: impl AsRef<[u8]>, name: impl AsRef<[u8]>) -> Result<Option<Self>> {
        match call::resolve_queue(vm_id.as_ref(), name.as_ref()) {
            Ok(id) => Ok(Some(Self { id })),
            Err(Status::NotFound) => Ok(None),
            Err(status) => Err(Error::host("proxy_resolve_shared_queue", QUEUE, status)),
        }
    }

    pub(crate) const fn of(id: u32) -> Self {
        Self { id }
    }

    /// Returns the number that the host gave the queue.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Puts an item at the end of the queue. An item may have no bytes.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses: with [`Status::NotFound`] if the queue is gone with the VMs of
    /// its `vm_id`.
    ///
    /// # Cost
    ///
    /// One host call that returns nothing. The host copies the item.
    #[doc(alias = "EnqueueSharedQueue")]
    #[doc(alias = "enqueue_shared_queue")]
    pub fn enqueue(&self, item: impl AsRef<[u8]>) -> Result<()> {
        call::enqueue(self.id, item.as_ref()).map_err(|status| Error::host("proxy_enqueue_shared_queue", QUEUE, status))
    }

    /// Takes the first item, or returns `None` if the queue is empty.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, as for [`enqueue`](Self::enqueue). Fails if the SDK is out of
    /// memory: Envoy has then removed the item from the queue, and the item is lost.
    ///
    /// # Cost
    ///
    /// One host call. If there is an item, one block, which the host allocates.
    #[doc(alias = "DequeueSharedQueue")]
    #[doc(alias = "dequeue_shared_queue")]
    pub fn dequeue(&self) -> Result<Option<HostBytes>> {
        match call::dequeue(self.id) {
            Ok(item) => Ok(Some(item)),
            Err(Refused::Status(Status::Empty)) => Ok(None),
            Err(refused) => Err(Error::host("proxy_dequeue_shared_queue", QUEUE, refused)),
        }
    }
}
