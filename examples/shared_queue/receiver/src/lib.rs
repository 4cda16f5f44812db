//! Registers the queue that its configuration names, and logs the items of the queue.

use sluicegate::prelude::*;
use sluicegate::queue::Queue;

#[derive(Default)]
struct Receiver {
    name: String,
}

#[sluicegate::plugin_context]
impl PluginContext for Receiver {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        // An error in this callback is logged. It refuses the plugin, as the status below does.
        let name = plugin.configuration().inspect_err(|error| critical!("failed to get plugin config: {error}"))?;
        self.name = String::from_utf8_lossy(&name).into_owned();
        match Queue::register(&self.name) {
            Ok(queue) => {
                info!(r#"queue "{}" registered as queueID={} by contextID={}"#, self.name, queue.id(), plugin.id());
                Ok(StartStatus::Ok)
            }
            Err(error) => {
                critical!("failed register queue: {error}");
                Ok(StartStatus::Failed)
            }
        }
    }

    /// Takes all items. The callbacks for items that came meanwhile find the queue empty.
    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_>, queue: Queue) -> Result<()> {
        let (id, context, name) = (queue.id(), plugin.id(), &self.name);
        let dequeue = || {
            let item = queue.dequeue();
            item.inspect_err(|error| critical!("error retrieving data from queue {id}: {error}"))
        };
        while let Some(item) = dequeue()? {
            let data = ByteStr::new(&item);
            info!("(contextID={context}) dequeued data from {name}(queueID={id}): {}", data.display());
        }
        Ok(())
    }
}

sluicegate::plugin!(plugin: Receiver);

#[cfg(test)]
mod tests;
