//! Local replies: how Envoy makes them, and how they go through the filter.

use sluicegate::abi::{BufferType, MapType};

use crate::drive::flow::body::body;
use crate::drive::flow::headers::headers;
use crate::drive::running::RunningHost;
use crate::model::body::Body;
use crate::model::direction::Way;
use crate::model::map::{Kind, Map};
use crate::model::reply::{LocalReply, is_bodiless};
use crate::model::stream::Stream;
use crate::model::valid;

/// Fails a stream whose VM is dead. The stream gets a reply that does not go through the filter, or
/// a reset if a response is on its way.
pub(crate) fn fail(host: &RunningHost, id: u32) {
    let (details, body, headers) = ("wasm_fail_stream".to_owned(), Vec::new(), Map::default());
    let reply = LocalReply { status: 503, details, body, headers, grpc_status: 14 };
    let mut state = host.state();
    let Some(stream) = state.streams.get_mut(&id) else { return };
    let flow = &mut stream.flows[Way::Response as usize];
    if flow.gone {
        stream.closed.push(Way::Response as u32);
    } else {
        (flow.begun, flow.gone, flow.checked) = (true, true, true);
        let (map, _) = stream.answered(&reply);
        stream.maps.insert(MapType::HttpResponseHeaders as u32, map);
        stream.reply.get_or_insert(reply);
    }
}

/// Replies to a stream in place of the upstream, once the filter has returned.
///
/// The reply goes through the filter as a response does. If a response is in the filter, the reply
/// replaces it without going through the filter. If a response went on, the stream is closed.
pub(crate) fn answer(host: &RunningHost, id: u32, reply: &LocalReply) {
    let (map, sent, number) = {
        let mut state = host.state();
        let Some(stream) = state.streams.get_mut(&id) else { return };
        stream.replies += 1;
        let number = stream.replies;
        let flow = &stream.flows[Way::Response as usize];
        let (begun, gone) = (flow.begun, flow.gone);
        if gone {
            stream.closed.push(Way::Request as u32);
            return;
        }
        let (map, sent) = stream.answered(reply);
        stream.maps.insert(MapType::HttpResponseHeaders as u32, map.clone());
        if begun {
            let body = stream.bodies.entry(BufferType::HttpResponseBody as u32).or_default();
            *body = Body { sent: sent.to_vec(), ..Body::default() };
            let flow = &mut stream.flows[Way::Response as usize];
            // The reply does not go through the filter, and only the filter's edits are checked.
            (flow.gone, flow.checked) = (true, true);
            if let Some(why) = garbled(&map, sent) {
                state.harm(why);
            }
            return;
        }
        stream.answering = true;
        if let Some(why) = garbled(&map, sent) {
            state.harm(why);
        }
        (map, sent, number)
    };
    headers(host, id, Way::Response, map, sent.is_empty());
    let superseded = || host.state().streams.get(&id).is_none_or(|stream| stream.replies != number);
    if !sent.is_empty() && !superseded() {
        body(host, id, Way::Response, sent, true);
    }
    if let Some(stream) = host.state().streams.get_mut(&id) {
        stream.answering = false;
    }
}

/// Returns a description of what the client misreads in a local reply, or `None` if it is sound.
fn garbled(map: &Map, sent: &[u8]) -> Option<String> {
    let status = map.get(b":status").unwrap_or_default();
    let number = str::from_utf8(status).ok()?.parse::<u32>().ok()?;
    if !(200..=999).contains(&number) {
        return Some(format!("a local reply of status {number}, which begins no final response"));
    }
    if is_bodiless(Some(status)) && !sent.is_empty() {
        return Some(format!("a local reply of status {number} with a body: the client takes it for another response"));
    }
    valid::garbled(&Map::default(), map)
}

impl Stream {
    /// Returns the headers of a local reply as Envoy makes them, and the part of the body that
    /// Envoy sends. A `HEAD` gets no body. A gRPC request gets no body either, because the headers
    /// say everything.
    fn answered<'a>(&self, reply: &'a LocalReply) -> (Map, &'a [u8]) {
        let request = self.maps.get(&(MapType::HttpRequestHeaders as u32));
        let asked = |name: &[u8]| request.and_then(|request| request.get(name)).unwrap_or_default();
        let is_grpc = asked(b"content-type").strip_prefix(GRPC).is_some_and(|rest| matches!(rest, [] | [b'+', ..]));
        let status = if is_grpc { 200 } else { u16::try_from(reply.status & 0xffff).expect("masked") };
        let mut map = Map::default().of(Kind::Response);
        map.add(b":status", b"");
        map.extend(&reply.headers);
        map.set(b":status", status.to_string().as_bytes());
        if is_grpc {
            let number = u32::try_from(reply.grpc_status).unwrap_or_else(|_| of_http(reply.status));
            map.set(b"content-type", GRPC);
            map.set(b"grpc-status", number.to_string().as_bytes());
            if !reply.body.is_empty() {
                map.set(b"grpc-message", percent_encoded(&reply.body).as_bytes());
            }
            return (map, &[]);
        }
        if reply.body.is_empty() {
            map.remove(b"content-length");
            map.remove(b"content-type");
            return (map, &[]);
        }
        map.set(b"content-length", reply.body.len().to_string().as_bytes());
        if map.get(b"content-type").is_none() {
            map.add(b"content-type", b"text/plain");
        }
        (map, if asked(b":method") == b"HEAD" { &[] } else { &reply.body })
    }
}

const GRPC: &[u8] = b"application/grpc";

/// Returns the gRPC status for an HTTP status.
fn of_http(status: u32) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

fn percent_encoded(text: &[u8]) -> String {
    let encoded = |byte: &u8| match byte {
        b'%' | ..b' ' | 0x7f.. => format!("%{byte:02X}"),
        plain => char::from(*plain).to_string(),
    };
    text.iter().map(encoded).collect()
}
