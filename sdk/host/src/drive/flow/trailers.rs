//! The trailers of a message.

use crate::drive::flow::headers::leave;
use crate::drive::flow::{STOP, WAITS};
use crate::drive::running::{RunningHost, count};
use crate::model::direction::{Part, Way};
use crate::model::map::{Kind, Map};
use crate::model::valid;

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
