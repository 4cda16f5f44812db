//! Queues between VMs: one plugin registers a queue, any VM puts items in, and the plugin is told.
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
//! A queue belongs to the proxy, under the `vm_id` of the VM that registered it and a name. If
//! several VMs register it (Envoy runs the same plugin once for each worker thread, and more than
//! once while it starts) it stays one queue, and only the last to register is told. Any VM may take
//! an item, so it may be gone when the plugin is told of it: an empty queue is an answer, not an
//! error.
//!
//! **Nothing bounds a queue.** Items wait in the proxy until somebody takes them; if nobody does,
//! they are a leak. The ABI tells no length and removes no queue.
//!
//! # Cost
//!
//! Putting an item in is one host call; the proxy copies the item, takes a lock that all threads
//! share, and wakes the thread of the plugin. Taking one out is one host call and one block of the
//! host's.

use crate::abi::{HostBytes, Refused, Status, call};
use crate::error::{Error, On, Result};

const QUEUE: On = On::Named(&"queue");

/// A queue, by the number that the host gave it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Queue {
    id: u32,
}

impl Queue {
    /// Returns the queue of this name in the own `vm_id`, new or not. From here on
    /// [`on_queue_ready`](crate::PluginContext::on_queue_ready) of this plugin, and of no other, is
    /// called for its items.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that gives a number back.
    #[doc(alias = "RegisterSharedQueue")]
    #[doc(alias = "register_shared_queue")]
    pub fn register(name: impl AsRef<[u8]>) -> Result<Self> {
        let id = call::register_queue(name.as_ref())
            .map_err(|status| Error::host("proxy_register_shared_queue", QUEUE, status))?;
        Ok(Self { id })
    }

    /// Returns the queue that a VM of this `vm_id` registered under this name; none if none has
    /// yet. An empty `vm_id` is the own one.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that gives a number back. Keep the queue: it stays the same until the last VM
    /// of its `vm_id` is gone.
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

    /// Puts an item at the end; one of no bytes is an item too.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses: [`Status::NotFound`] when the queue is gone with the VMs of its
    /// `vm_id`.
    ///
    /// # Cost
    ///
    /// One host call that gives nothing back; the host copies the item.
    #[doc(alias = "EnqueueSharedQueue")]
    #[doc(alias = "enqueue_shared_queue")]
    pub fn enqueue(&self, item: impl AsRef<[u8]>) -> Result<()> {
        call::enqueue(self.id, item.as_ref()).map_err(|status| Error::host("proxy_enqueue_shared_queue", QUEUE, status))
    }

    /// Takes the first item; none if there is none.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, as for [`enqueue`](Self::enqueue). If the SDK is out of memory:
    /// Envoy has then taken the item all the same, and it is lost.
    ///
    /// # Cost
    ///
    /// One host call, and one block of the host's if there is an item.
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
