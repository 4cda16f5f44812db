//! An HTTP stream or a connection.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::body::Body;
use crate::model::direction::Way;
use crate::model::flow::Flow;
use crate::model::map::Map;
use crate::model::property::Properties;
use crate::model::reply::LocalReply;

/// An HTTP stream or a connection.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The plugin's context.
    pub(crate) plugin: u32,
    /// True for a connection, false for an HTTP stream.
    pub(crate) is_connection: bool,
    pub(crate) maps: BTreeMap<u32, Map>,
    /// The bodies, or the data of both directions, by the number of their buffer.
    pub(crate) bodies: BTreeMap<u32, Body>,
    pub(crate) reply: Option<LocalReply>,
    /// The number of local replies. A later reply replaces one that goes through the filter.
    pub(crate) replies: u32,
    /// The headers of each direction as they came from the peer.
    pub(crate) came: [Map; 2],
    /// The directions that the filter resumed, by number, in order.
    pub(crate) resumed: Vec<u32>,
    /// The directions that the filter closed, by number, in order.
    pub(crate) closed: Vec<u32>,
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The objects of Envoy's own in the filter state, each with its life span.
    pub(crate) envoy_filter_state: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
    pub(crate) routes_cleared: usize,
    /// The properties that the test set for the stream, in place of the proxy's.
    pub(crate) properties: Properties,
    /// The progress of the request and of the response.
    pub(crate) flows: [Flow; 2],
    /// The maps that the filter can see and edit: those that have not gone on.
    pub(crate) visible: BTreeSet<u32>,
    /// The headers as they went on, for each direction in which the filter still sees them. Edits
    /// of these have no effect any more.
    pub(crate) went: [Option<Map>; 2],
    /// True while a local reply goes through the filter.
    pub(crate) answering: bool,
    /// True once nothing comes any more but the last callbacks.
    pub(crate) completed: bool,
    /// True once the stream was logged. Its properties end then.
    pub(crate) logged: bool,
    /// The directions of a connection whose end the filter was told, by number.
    pub(crate) ended: BTreeSet<u32>,
    /// True once the filter was told that the connection ended.
    pub(crate) disconnected: bool,
    /// True if the VM was dead when the stream began.
    pub(crate) unfiltered: bool,
}

impl Stream {
    pub(crate) fn flow(&self, way: Way) -> &Flow {
        &self.flows[way as usize]
    }

    /// Lets everything go on that came to the filter in a direction.
    pub(crate) fn go_on(&mut self, way: Way) {
        let flow = &mut self.flows[way as usize];
        flow.stopped = None;
        let goes = flow.begun && !flow.gone;
        flow.gone = flow.begun;
        if goes && let Some(map) = self.maps.get_mut(&(way.headers() as u32)) {
            self.went[way as usize] = Some(map.clone());
            if way == Way::Response {
                // From here on `transfer-encoding` is the proxy's.
                map.remove(b"transfer-encoding");
            }
        }
        let body = self.bodies.get_mut(&(way.body() as u32));
        if body.as_ref().is_none_or(|body| !body.passing) {
            self.flows[way as usize].keeps_end = false;
            if let Some(body) = body {
                body.resumed = body.keeps;
                body.release();
            }
        }
    }

    /// Returns the headers of a direction as the peer sees them.
    pub(crate) fn head(&self, way: Way) -> Option<&Map> {
        self.went[way as usize].as_ref().or_else(|| self.maps.get(&(way.headers() as u32)))
    }

    /// Returns whether the filter replied to or reset the stream. Only a local reply comes to the
    /// filter then.
    pub(crate) fn is_over(&self) -> bool {
        !self.closed.is_empty() || !self.answering && self.reply.is_some()
    }
}

impl Stream {
    /// Returns whether a message went on from its head to its end.
    pub(crate) fn sent_whole(&self, way: Way) -> bool {
        let flow = &self.flows[way as usize];
        let body = self.bodies.get(&(way.body() as u32));
        let waits = body.is_some_and(|body| body.len() > 0 || !body.unread.is_empty())
            || flow.waiting.is_some()
            || flow.waiting_trailers.is_some();
        let keeps_end = flow.keeps_end || !flow.ended_by_trailers && self.maps.contains_key(&(way.trailers() as u32));
        flow.ended && flow.gone && !flow.refused && !waits && !keeps_end
    }

    /// Returns the length in `content-length` and the length of the body, if the message has gone
    /// on and the length is wrong because the filter changed the body.
    pub(crate) fn misframed(&self, way: Way) -> Option<(usize, usize)> {
        let flow = &self.flows[way as usize];
        let body = self.bodies.get(&(way.body() as u32))?;
        let waits = body.len() > 0 || !body.unread.is_empty() || flow.waiting.is_some();
        if !flow.ended || !flow.gone || waits || body.dropped || flow.came == body.sent.len() {
            return None;
        }
        let said = self.head(way)?.get(b"content-length")?;
        let said = str::from_utf8(said).ok()?.parse().ok()?;
        (said != body.sent.len()).then_some((said, body.sent.len()))
    }
}
