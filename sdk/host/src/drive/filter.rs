//! The callbacks of a filter, with what follows if the VM is dead.

use crate::drive::flow;
use crate::drive::running::{Outcome, RunningHost};

impl RunningHost {
    /// Runs a callback of an HTTP stream, and returns the filter's action.
    ///
    /// If the VM is dead, this returns `stop`, unless the proxy fails open. Envoy then responds
    /// with 503, or resets the stream if a response is on its way.
    pub(crate) fn filter(&self, id: u32, callback: &'static str, arguments: &[u32], stop: u32) -> u32 {
        match self.enter(id, callback, arguments) {
            Outcome::Answer(action) => action,
            Outcome::Absent => 0,
            Outcome::Failed if self.passes(id) => 0,
            Outcome::Failed => {
                flow::fail(self, id);
                stop
            }
        }
    }

    /// Runs a callback of a connection, and returns the filter's action.
    ///
    /// If the VM is dead, this returns `stop`, unless the proxy fails open. Envoy then closes both
    /// sides.
    pub(crate) fn connection_filter(&self, id: u32, callback: &'static str, arguments: &[u32], stop: u32) -> u32 {
        match self.enter(id, callback, arguments) {
            Outcome::Answer(action) => action,
            Outcome::Absent => 0,
            Outcome::Failed if self.passes(id) => 0,
            Outcome::Failed => {
                if let Some(stream) = self.state().streams.get_mut(&id) {
                    stream.closed.extend([2, 3]);
                }
                stop
            }
        }
    }
}
