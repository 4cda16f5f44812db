//! Does what the guest asked for, once the guest has returned.

use sluicegate::abi::BufferType;

use crate::drive::plugin::Plugin;
use crate::drive::running::RunningHost;
use crate::drive::{flow, tcp};
use crate::model::act::Deferred;
use crate::model::direction::Way;

impl RunningHost {
    /// Does what the guest asked for during its callback. Does nothing while an outer callback
    /// runs.
    pub(crate) fn run_deferred(&self) {
        if self.is_inside() {
            return;
        }
        let deferred = self.state().take_deferred();
        for (id, what, is_judged) in deferred {
            match what {
                Deferred::Delete => Plugin::of(self, id).delete(),
                Deferred::RefuseCall(token) => self.refuse_call_headers(token),
                Deferred::CloseGrpc(plugin, token) => self.close_grpc_at_once(plugin, token),
                Deferred::Resume(direction) => {
                    if let Some(stream) = self.state().streams.get_mut(&id) {
                        stream.resumed.push(direction);
                    }
                    match Way::from_number(direction) {
                        Some(way) => flow::resume(self, id, way, is_judged),
                        // Envoy resumes only the downstream side of a connection.
                        None => {
                            if let Some(body) = self.state().body(id, BufferType::DownstreamData) {
                                body.release();
                            }
                            tcp::read_on(self, id, BufferType::DownstreamData);
                        }
                    }
                }
                Deferred::Close(direction) => {
                    if let Some(stream) = self.state().streams.get_mut(&id) {
                        stream.closed.push(direction);
                    }
                    if Way::from_number(direction).is_none() {
                        tcp::closed_by_filter(self, id);
                    }
                }
                Deferred::Answer => {
                    let reply = self.state().streams.get(&id).and_then(|stream| stream.reply.clone());
                    if let Some(reply) = reply {
                        flow::answer(self, id, &reply);
                    }
                }
            }
        }
    }
}
