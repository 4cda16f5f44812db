//! A direction that the filter held back goes on, with the parts that came meanwhile.

use crate::drive::flow::body::{body, next_unread};
use crate::drive::flow::headers::leave;
use crate::drive::running::RunningHost;
use crate::model::direction::Way;
use crate::model::map::Map;

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
    super::trailers(host, id, way, trailers);
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
        super::trailers(host, id, way, waiting);
    }
}

/// Sets whether a local reply goes through the filter. Returns whether that changes something: the
/// stream has a local reply, and the value was the other one.
fn answering(host: &RunningHost, id: u32, answering: bool) -> bool {
    let mut state = host.state();
    let Some(stream) = state.streams.get_mut(&id).filter(|stream| stream.reply.is_some()) else { return false };
    std::mem::replace(&mut stream.answering, answering) != answering
}
