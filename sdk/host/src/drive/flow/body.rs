//! The body of a message, and the data of a connection.

use sluicegate::abi::BufferType;

use crate::drive::flow::headers::leave;
use crate::drive::flow::local_reply::answer;
use crate::drive::flow::{NO_BUFFER, WAITS};
use crate::drive::running::{RunningHost, count};
use crate::model::direction::{Part, Way};
use crate::model::map::Map;
use crate::model::reply::LocalReply;

/// The actions that hold back a body: the filter sees all of it again, or only the next part. An
/// action that is neither and does not let the body go on drops it, as [`NO_BUFFER`] does.
const BUFFER: u32 = 1;

const WATERMARK: u32 = 2;

/// Takes a part of a body from the peer.
pub(crate) fn body_comes(host: &RunningHost, id: u32, way: Way, part: &[u8], end_of_stream: bool) -> u32 {
    if let Some(stream) = host.state().streams.get_mut(&id) {
        let flow = &mut stream.flows[way as usize];
        flow.came += part.len();
        flow.ended |= end_of_stream;
    }
    body(host, id, way, part, end_of_stream)
}

/// Shows the filter a part of a body, unless the headers wait or the proxy reads no more. Returns
/// the filter's action.
pub(super) fn body(host: &RunningHost, id: u32, way: Way, part: &[u8], end_of_stream: bool) -> u32 {
    if host.is_over(id) {
        return NO_BUFFER;
    }
    let too_much = {
        let mut state = host.state();
        let limit = state.buffer_limit;
        let stream = state.streams.get_mut(&id).expect("an open stream");
        let body = stream.bodies.entry(way.body() as u32).or_default();
        let flow = &mut stream.flows[way as usize];
        if body.full {
            body.unread.push_back((part.to_vec(), end_of_stream));
            return WAITS;
        }
        flow.held.then(|| {
            let (waiting, ended) = flow.waiting.get_or_insert_default();
            waiting.extend(part);
            *ended |= end_of_stream;
            let too_much = waiting.len() > limit;
            body.full = too_much && !flow.refuses;
            too_much && flow.refuses
        })
    };
    match too_much {
        Some(true) => return refuse(host, id, way),
        Some(false) => return WAITS,
        None => {}
    }
    if let Some(stream) = host.state().streams.get_mut(&id) {
        stream.flows[way as usize].keeps_end |= end_of_stream;
    }
    let callback = match way {
        Way::Request => "proxy_on_request_body",
        Way::Response => "proxy_on_response_body",
    };
    send(host, id, way.body(), part, |size| {
        host.filter(id, callback, &[id, size, end_of_stream.into()], NO_BUFFER) //
    })
}

/// Ends a stream of which the filter holds back more than the proxy's limit.
///
/// A request gets a response of 413. A response is replaced by a response of 500, or reset if its
/// headers are on their way.
pub(super) fn refuse(host: &RunningHost, id: u32, way: Way) -> u32 {
    let (status, details, body) = match way {
        Way::Request => (413, "request_payload_too_large", "Payload Too Large"),
        Way::Response => (500, "response_payload_too_large", "Internal Server Error"),
    };
    let gone = host.state().streams.get(&id).is_some_and(|stream| stream.flows[Way::Response as usize].gone);
    if gone {
        if let Some(stream) = host.state().streams.get_mut(&id) {
            stream.closed.push(way as u32);
        }
        return NO_BUFFER;
    }
    let (details, body, headers) = (details.to_owned(), body.into(), Map::default());
    let reply = LocalReply { status, details, body, headers, grpc_status: -1 };
    if let Some(stream) = host.state().streams.get_mut(&id) {
        stream.reply = Some(reply.clone());
    }
    answer(host, id, &reply);
    NO_BUFFER
}

/// Takes the next part that the proxy did not read, if the proxy reads again.
pub(crate) fn next_unread(host: &RunningHost, id: u32, buffer: BufferType) -> Option<(Vec<u8>, bool)> {
    let mut state = host.state();
    let body = state.streams.get_mut(&id)?.bodies.get_mut(&(buffer as u32))?;
    if body.full { None } else { body.unread.pop_front() }
}

/// Shows the filter a part of a body, or of a connection's data. The filter's action decides
/// whether the part goes on, waits, or is dropped.
pub(crate) fn send(
    host: &RunningHost,
    id: u32,
    buffer: BufferType,
    part: &[u8],
    filter: impl FnOnce(u32) -> u32,
) -> u32 {
    let way = Way::from_number(buffer as u32);
    let buffer = buffer as u32;
    let (size, too_much, joins, loses, begun) = {
        let mut state = host.state();
        let limit = state.buffer_limit;
        let stream = state.streams.get_mut(&id).expect("an open stream");
        let begun = stream.reply.is_none() && stream.flows[Way::Response as usize].begun;
        let body = stream.bodies.entry(buffer).or_default();
        (body.hidden, body.shows, body.loses) = (false, true, false);
        let (joins, loses) = (body.keeps, body.keeps && body.resumed && part.is_empty());
        body.resumed = false;
        body.passing = body.held.is_empty() && way.is_some() && !body.keeps;
        // The part is joined to the bytes that are held back before the filter sees both.
        let too_much = way.is_some() && !body.held.is_empty() && body.held.len() + part.len() > limit;
        body.held.extend(part);
        (count(body.held.len()), too_much, joins, loses, begun)
    };
    // Once a response has begun, the proxy cannot reply through the filters, and ends the stream at
    // once. Before, the filter sees the part of the request first, and its action has no effect.
    if let Some(way) = way.filter(|way| too_much && (begun || *way == Way::Response)) {
        return refuse(host, id, way);
    }
    let action = filter(size);
    if way.is_some() {
        host.run_deferred();
    }
    let over = host.is_over(id);
    let mut too_much = too_much;
    {
        let mut state = host.state();
        let limit = state.buffer_limit;
        if let Some(stream) = state.streams.get_mut(&id)
            && let Some(body) = stream.bodies.get_mut(&buffer)
        {
            body.passing = false;
            (body.keeps, body.resumed) = (way.is_some() && action == BUFFER, false);
            body.shows = action != 0;
            body.loses = way.is_some() && ![0, BUFFER].contains(&action);
            if let Some(way) = way.filter(|_| action != 0) {
                let flow = &mut stream.flows[way as usize];
                flow.stopped = flow.stopped.or(Some(Part::Body));
            }
            match action {
                0 if over || too_much => {}
                0 => {
                    if loses {
                        body.lose();
                    }
                    body.release();
                }
                // Connections know two actions only.
                _ if way.is_none() && !over => body.show(),
                BUFFER => body.show(),
                WATERMARK => body.keep(),
                // Unknown actions come here, too. A part that the proxy joined to one that it was
                // told to keep is not dropped.
                _ if joins => body.keep(),
                _ => {
                    body.dropped |= !body.held.is_empty();
                    body.held.clear();
                }
            }
            body.watch(limit, way.is_none() || action == WATERMARK);
            too_much |= action == BUFFER && body.len() > limit && !body.late;
            if let Some(way) = way.filter(|_| action == 0 && !over && !too_much) {
                // Headers that wait go with the body.
                stream.go_on(way);
            }
        }
    }
    if let Some(way) = way.filter(|_| action == 0) {
        leave(host, id, way);
        host.state().look_for_a_body(id, way);
    }
    if let Some(way) = way.filter(|_| too_much && !over) {
        refuse(host, id, way);
    }
    host.run_deferred();
    action
}
