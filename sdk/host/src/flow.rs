//! The path of a message through a filter: the parts that the proxy keeps while the filter holds
//! it, and the steps that follow when it goes on.

mod local_reply;

use sluicegate::abi::{BufferType, MapType};

use crate::map::{Kind, Map};
use crate::running::{RunningHost, count};
use crate::state::{LocalReply, Stream};
use crate::valid::{self, Checked};
pub(crate) use local_reply::{answer, fail};

/// The actions that stop a stream that is over or whose VM is dead, as hosts number them: for
/// headers, for data, and for trailers and connections.
pub(crate) const STOP_ALL: u32 = 4;
pub(crate) const NO_BUFFER: u32 = 3;
pub(crate) const STOP: u32 = 1;

/// The action that holds headers and everything after them, and makes the proxy refuse more than
/// its limit. With the other actions that hold headers, the proxy leaves at the peer what is over
/// the limit.
const STOP_ALL_AND_BUFFER: u32 = 3;

/// The actions that hold back a body: the filter sees all of it again, or only the next part. An
/// action that is neither and does not let the body go on drops it, as [`NO_BUFFER`] does.
const BUFFER: u32 = 1;
const WATERMARK: u32 = 2;

/// The action that the proxy reports for a part that it keeps without asking the filter: the part
/// waits.
const WAITS: u32 = 1;

/// One direction of an HTTP stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    Request,
    Response,
}

impl Way {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        [Self::Request, Self::Response].into_iter().find(|way| *way as u32 == number)
    }

    pub(crate) fn headers(self) -> MapType {
        match self {
            Self::Request => MapType::HttpRequestHeaders,
            Self::Response => MapType::HttpResponseHeaders,
        }
    }

    pub(crate) fn trailers(self) -> MapType {
        match self {
            Self::Request => MapType::HttpRequestTrailers,
            Self::Response => MapType::HttpResponseTrailers,
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Request => Kind::Request,
            Self::Response => Kind::Response,
        }
    }

    pub(crate) fn body(self) -> BufferType {
        match self {
            Self::Request => BufferType::HttpRequestBody,
            Self::Response => BufferType::HttpResponseBody,
        }
    }
}

/// A part of a message that a filter holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// The headers, and with them everything after.
    Headers,
    /// The body, and with it the trailers.
    Body,
    Trailers,
}

impl Part {
    /// Returns the names of this part of a direction in the table of phases: first its own, then
    /// those of the parts that are held as this one is.
    pub(crate) fn names(self, way: Way) -> &'static [&'static str] {
        match (way, self) {
            (Way::Request, Self::Headers) => &["request headers"],
            (Way::Request, Self::Body) => &["request body", "request trailers", "request headers"],
            (Way::Request, Self::Trailers) => &["request trailers", "request body", "request headers"],
            (Way::Response, Self::Headers) => &["response headers"],
            (Way::Response, Self::Body) => &["response body", "response trailers", "response headers"],
            (Way::Response, Self::Trailers) => &["response trailers", "response body", "response headers"],
        }
    }
}

/// The progress of one direction.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// True once the headers came to the filter.
    pub(crate) begun: bool,
    /// True once the headers went on from the filter.
    pub(crate) gone: bool,
    /// The part that the filter holds.
    pub(crate) stopped: Option<Part>,
    /// True once the proxy has checked the headers that went on. `refused` is true if the proxy
    /// does not send them.
    checked: bool,
    pub(crate) refused: bool,
    /// True once the trailers went on.
    ended_by_trailers: bool,
    /// True if the proxy keeps the last part of the body, even an empty one.
    pub(crate) keeps_end: bool,
    /// True while everything after the headers waits for the headers.
    held: bool,
    /// True if the proxy replies when too much waits for the headers. Otherwise the proxy reads no
    /// more.
    refuses: bool,
    /// The number of bytes of the body that came from the peer. `ended` is true once the message
    /// ended.
    came: usize,
    pub(crate) ended: bool,
    /// The parts that came since and that the filter has not seen: the body with whether it ended,
    /// and the trailers.
    waiting: Option<(Vec<u8>, bool)>,
    waiting_trailers: Option<Map>,
    /// True while the filter gets, within a resume of the headers, the parts that waited for them.
    late: bool,
    /// True if the kept part of the body is lost.
    loses: bool,
    /// The number of times the waiting parts were shown again.
    shown_again: u32,
}

/// Shows the filter the headers. Returns the filter's action.
pub(crate) fn headers(host: &RunningHost, id: u32, way: Way, headers: Map, end_of_stream: bool) -> u32 {
    if host.is_over(id) {
        return STOP_ALL;
    }
    let headers = headers.of(way.kind());
    let arguments = [id, count(headers.len()), end_of_stream.into()];
    if let Some(stream) = host.state().streams.get_mut(&id) {
        stream.came[way as usize] = headers.clone();
        stream.maps.insert(way.headers() as u32, headers);
        stream.visible.insert(way.headers() as u32);
        let flow = &mut stream.flows[way as usize];
        flow.begun = true;
        flow.ended |= end_of_stream;
    }
    let callback = match way {
        Way::Request => "proxy_on_request_headers",
        Way::Response => "proxy_on_response_headers",
    };
    let action = host.filter(id, callback, &arguments, STOP_ALL);
    let goes_on = [0, 2].contains(&action) && !host.is_over(id);
    let body_follows = action == STOP && host.allows_stop_iteration();
    // Deferred calls come first: a body that follows would never go on if the filter resumed in the
    // callback that stopped it.
    host.run_deferred();
    // A reset is one of the deferred calls.
    let goes_on = goes_on && !host.is_over(id);
    if let Some(stream) = host.state().streams.get_mut(&id) {
        let flow = &mut stream.flows[way as usize];
        flow.gone |= goes_on;
        flow.stopped = (!flow.gone).then_some(Part::Headers);
        flow.held = !goes_on && !body_follows;
        flow.refuses = action == STOP_ALL_AND_BUFFER;
        if goes_on {
            stream.visible.remove(&(way.headers() as u32));
        }
    }
    leave(host, id, way);
    action
}

/// Checks headers that went on, once, as a proxy does. Replies if the proxy does not send them.
fn leave(host: &RunningHost, id: u32, way: Way) {
    let refused = {
        let mut state = host.state();
        let Some(stream) = state.streams.get_mut(&id) else { return };
        let flow = &stream.flows[way as usize];
        if flow.checked || !flow.gone {
            return;
        }
        let checked = match stream.head(way) {
            Some(goes) => valid::check(way, &stream.came[way as usize], goes),
            None => Checked::Sound,
        };
        let flow = &mut stream.flows[way as usize];
        flow.checked = true;
        match checked {
            Checked::Sound => return,
            Checked::Garbled(why) => {
                state.harm(why);
                return;
            }
            Checked::Refused(reply) => {
                flow.refused = true;
                flow.gone = way == Way::Request;
                stream.reply = Some(reply.clone());
                stream.replies += 1;
                reply
            }
        }
    };
    answer(host, id, &refused);
}

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
fn body(host: &RunningHost, id: u32, way: Way, part: &[u8], end_of_stream: bool) -> u32 {
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
fn refuse(host: &RunningHost, id: u32, way: Way) -> u32 {
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

/// Shows the filter the trailers, unless the headers wait. Returns the filter's action.
pub(crate) fn trailers(host: &RunningHost, id: u32, way: Way, trailers: Map) -> u32 {
    if host.is_over(id) {
        return STOP;
    }
    let trailers = trailers.of(Kind::Trailers);
    let arguments = [id, count(trailers.len())];
    let came = trailers.clone();
    if let Some(stream) = host.state().streams.get_mut(&id) {
        stream.flows[way as usize].ended = true;
        let unread = stream.bodies.get(&(way.body() as u32)).is_some_and(|body| !body.unread.is_empty());
        let flow = &mut stream.flows[way as usize];
        if flow.held || unread {
            flow.waiting_trailers = Some(trailers);
            return WAITS;
        }
        stream.maps.insert(way.trailers() as u32, trailers);
        stream.visible.insert(way.trailers() as u32);
    }
    let callback = match way {
        Way::Request => "proxy_on_request_trailers",
        Way::Response => "proxy_on_response_trailers",
    };
    let action = host.filter(id, callback, &arguments, STOP);
    let goes_on = action == 0 && !host.is_over(id);
    let garbled = {
        let state = host.state();
        let goes = state.streams.get(&id).and_then(|stream| stream.maps.get(&(way.trailers() as u32)));
        goes.and_then(|goes| valid::garbled(&came, goes))
    };
    if let Some(why) = garbled {
        host.state().harm(why);
    }
    let mut again = None;
    if let Some(stream) = host.state().streams.get_mut(&id) {
        let flow = &mut stream.flows[way as usize];
        let body = stream.bodies.entry(way.body() as u32).or_default();
        if goes_on && flow.late && body.shows && !flow.loses {
            // The kept part can be read and never goes on, and the trailers come again.
            (flow.loses, again) = (true, stream.maps.get(&(way.trailers() as u32)).cloned());
        } else if goes_on {
            if body.resumed || flow.loses {
                body.lose();
            }
            flow.ended_by_trailers = true;
            stream.go_on(way);
            stream.visible.remove(&(way.trailers() as u32));
        } else {
            flow.stopped = flow.stopped.or(Some(Part::Trailers));
        }
    }
    if let Some(trailers) = again {
        return self::trailers(host, id, way, trailers);
    }
    if goes_on {
        leave(host, id, way);
    }
    host.run_deferred();
    action
}

/// Shows the filter the kept part and the trailers again. The filter resumed in the callback for
/// trailers that came with a resume of the headers.
fn show_again(host: &RunningHost, id: u32, way: Way, trailers: Map) {
    {
        let mut state = host.state();
        let Some(stream) = state.streams.get_mut(&id) else { return };
        let flow = &mut stream.flows[way as usize];
        flow.shown_again += 1;
        if flow.shown_again > 3 {
            flow.late = false;
            state.harm("a resume whenever the trailers come: Envoy shows the trailers without an end");
            return;
        }
        let body = stream.bodies.entry(way.body() as u32).or_default();
        body.show();
    }
    if host.state().streams.get(&id).is_some_and(|stream| stream.bodies[&(way.body() as u32)].len() > 0) {
        body(host, id, way, &[], false);
    }
    self::trailers(host, id, way, trailers);
}

/// Resumes a direction that the filter held back. The filter now gets the parts that waited for the
/// headers: the body as one part, then the parts that were not read.
///
/// If the table of phases did not judge the resume, this function does.
pub(crate) fn resume(host: &RunningHost, id: u32, way: Way, is_judged: bool) {
    let waiting = {
        let mut state = host.state();
        let Some(stream) = state.streams.get_mut(&id).filter(|stream| !stream.is_connection) else { return };
        // A request that got a reply or a reset does not go to the upstream any more.
        if way == Way::Request && (stream.reply.is_some() || !stream.closed.is_empty()) {
            drop(state);
            resume_before_answer(host, id, way, is_judged);
            return;
        }
        if way == Way::Response && !stream.flows[way as usize].begun {
            if !is_judged {
                state.harm("a resume of a response that has not begun: Envoy ends");
            }
            return;
        }
        if stream.flows[way as usize].ended_by_trailers {
            // A local reply replaces the message that went on.
            if !is_judged && stream.replies == 0 {
                state.harm("a resume after the trailers went on: Envoy sends the trailers twice");
            }
            return;
        }
        let trailers = stream.maps.get(&(way.trailers() as u32)).cloned();
        if let Some(trailers) = trailers.clone().filter(|_| stream.flows[way as usize].late) {
            drop(state);
            show_again(host, id, way, trailers);
            return;
        }
        stream.go_on(way);
        let flow = &mut stream.flows[way as usize];
        flow.ended_by_trailers = trailers.is_some();
        flow.late = std::mem::take(&mut flow.held);
        flow.waiting.take()
    };
    leave(host, id, way);
    bring(host, id, way, waiting);
    if let Some(stream) = host.state().streams.get_mut(&id) {
        stream.flows[way as usize].late = false;
    }
}

/// Resumes a request that the same callback then answers, as Envoy does. A body whose headers have
/// gone on goes on. A body that waited for the headers comes to the filter, but does not go on, and
/// the filter does not see its trailers.
fn resume_before_answer(host: &RunningHost, id: u32, way: Way, is_judged: bool) {
    let (reply, waiting, gone) = {
        let mut state = host.state();
        let Some(stream) = state.streams.get_mut(&id).filter(|stream| stream.replies == 0) else { return };
        if !stream.closed.is_empty() {
            return;
        }
        let flow = &mut stream.flows[way as usize];
        let gone = flow.gone;
        if !gone {
            flow.held = false;
        }
        let waiting = if gone { None } else { flow.waiting.take() };
        (stream.reply.take(), waiting, gone)
    };
    if gone {
        resume(host, id, way, is_judged);
    } else if let Some((part, ended)) = waiting {
        body(host, id, way, &part, ended);
    }
    if let Some(stream) = host.state().streams.get_mut(&id) {
        stream.reply = reply;
    }
}

/// Shows the filter the parts that waited for the headers: the body as one part, the parts that
/// were not read, and the trailers.
fn bring(host: &RunningHost, id: u32, way: Way, waiting: Option<(Vec<u8>, bool)>) {
    if let Some((part, ended)) = waiting {
        // The body of a local reply follows the reply's headers to the filter.
        let answers = way == Way::Response && answering(host, id, true);
        {
            let mut state = host.state();
            let limit = state.buffer_limit;
            if let Some(body) = state.body(id, way.body()) {
                body.late = part.len() > limit;
            }
        }
        body(host, id, way, &part, ended);
        if answers {
            answering(host, id, false);
        }
    }
    while let Some((part, ended)) = next_unread(host, id, way.body()) {
        body(host, id, way, &part, ended);
    }
    let waiting = {
        let mut state = host.state();
        let Some(stream) = state.streams.get_mut(&id) else { return };
        let unread = stream.bodies.get(&(way.body() as u32)).is_some_and(|body| !body.unread.is_empty());
        let flow = &mut stream.flows[way as usize];
        if flow.held || unread { None } else { flow.waiting_trailers.take() }
    };
    if let Some(waiting) = waiting {
        trailers(host, id, way, waiting);
    }
}

/// Sets whether a local reply goes through the filter. Returns whether that changes something: the
/// stream has a local reply, and the value was the other one.
fn answering(host: &RunningHost, id: u32, answering: bool) -> bool {
    let mut state = host.state();
    let Some(stream) = state.streams.get_mut(&id).filter(|stream| stream.reply.is_some()) else { return false };
    std::mem::replace(&mut stream.answering, answering) != answering
}

/// Takes the next part that the proxy did not read, if the proxy reads again.
pub(crate) fn next_unread(host: &RunningHost, id: u32, buffer: BufferType) -> Option<(Vec<u8>, bool)> {
    let mut state = host.state();
    let body = state.streams.get_mut(&id)?.bodies.get_mut(&(buffer as u32))?;
    if body.full { None } else { body.unread.pop_front() }
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
    let (size, too_much, joins, loses) = {
        let mut state = host.state();
        let limit = state.buffer_limit;
        let body = state.streams.get_mut(&id).expect("an open stream").bodies.entry(buffer).or_default();
        (body.hidden, body.shows, body.loses) = (false, true, false);
        let (joins, loses) = (body.keeps, body.keeps && body.resumed && part.is_empty());
        body.resumed = false;
        body.passing = body.held.is_empty() && way.is_some() && !body.keeps;
        // The part is joined to the bytes that are held back before the filter sees both.
        let too_much = way.is_some() && !body.held.is_empty() && body.held.len() + part.len() > limit;
        body.held.extend(part);
        (count(body.held.len()), too_much, joins, loses)
    };
    // A response that cannot be replaced any more ends at once. The filter sees a request's part
    // first, and its action has no effect.
    if too_much && way == Some(Way::Response) {
        return refuse(host, id, Way::Response);
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
