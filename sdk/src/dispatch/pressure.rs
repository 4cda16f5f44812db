//! The check of the memory after a callback, which reports the pressure to the plugin.

use super::contexts::Plugin;
#[cfg(feature = "budget")]
use super::contexts::{note_failure, within_plugin};
#[cfg(feature = "budget")]
use crate::budget;
use crate::context::PluginContext;
#[cfg(feature = "budget")]
use crate::effective::set_effective_context;
#[cfg(feature = "budget")]
use crate::handle::PluginHandle;
#[cfg(feature = "metrics")]
use crate::memory_metrics;
use crate::stream_state::Streams;

impl<P: PluginContext> Plugin<P> {
    /// Checks the memory after a callback of the plugin, or of one of its streams, when nothing is
    /// borrowed.
    #[cfg(feature = "budget")]
    pub(super) fn settle(&self, streams: &(dyn Streams + 'static), stream: Option<u32>) {
        budget::boundary(stream.is_none(), |pressure| {
            let (Ok(vm), Ok(mut context)) = (self.vm.try_borrow(), self.context.try_borrow_mut()) else {
                // A callback of the plugin is running. The plugin gets the pressure after it.
                return false;
            };
            let vm: &P::Vm = &vm;
            let handle = &mut PluginHandle::new(self.id, vm);
            // The callback of the stream is not over for the host, and the failure policy may reply
            // after this. So host calls act on the stream again, whatever the plugin reached.
            let act_on = |context| stream.map_or(Ok(()), |_| set_effective_context(context));
            let acts = act_on(self.id);
            let told = within_plugin::<P, _>(streams, || context.on_memory_pressure(handle, pressure));
            note_failure("on_memory_pressure", self.id, Some(acts.and(told)));
            if let Some(stream) = stream {
                note_failure("on_memory_pressure", self.id, Some(act_on(stream)));
            }
            true
        });
        look(stream.is_none());
    }

    #[cfg(not(feature = "budget"))]
    #[inline]
    #[expect(clippy::unused_self, reason = "the twin uses it")]
    pub(super) fn settle(&self, _: &(dyn Streams + 'static), stream: Option<u32>) {
        look(stream.is_none());
    }
}

/// Tells the proxy the figures of memory, if it is time to.
#[cfg(feature = "metrics")]
#[inline]
fn look(of_plugin: bool) {
    if of_plugin {
        memory_metrics::after_plugin();
    } else {
        memory_metrics::after_stream();
    }
}

#[cfg(not(feature = "metrics"))]
#[inline]
const fn look(_: bool) {}

/// Checks the memory after a callback of a stateless filter.
#[cfg(feature = "budget")]
pub(super) fn settle() {
    budget::boundary(false, |_| true);
}

#[cfg(not(feature = "budget"))]
#[inline]
pub(super) const fn settle() {}
