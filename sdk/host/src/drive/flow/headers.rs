//! The headers of a message: the filter sees them, and the proxy checks them when they leave.

use crate::drive::flow::local_reply::answer;
use crate::drive::flow::{STOP, STOP_ALL, STOP_ALL_AND_BUFFER};
use crate::drive::running::{RunningHost, count};
use crate::model::direction::{Part, Way};
use crate::model::map::Map;
use crate::model::valid::{self, Checked};

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
pub(super) fn leave(host: &RunningHost, id: u32, way: Way) {
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
