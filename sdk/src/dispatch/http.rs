//! The callbacks of HTTP streams, wherever their contexts are kept.

use core::marker::PhantomData;

use super::PluginOf;
use crate::abi::{BufferType, LogLevel, MapType, StreamType};
use crate::budget::{self, Answer, Event};
use crate::callout::held;
use crate::context::{Action, DataAction, Flow, HttpFilter};
use crate::error::Result;
use crate::handle::{Body, Headers, HttpHandle};
use crate::headers::{Snapshots, edits};
use crate::log;
use crate::reply::LocalResponse;

/// A method for each callback of an HTTP stream.
pub trait HttpCallbacks<H: HttpFilter>: Sized {
    /// Runs a callback of a stream; none if there is no such stream, or it is busy.
    fn run_http<R>(&self, id: u32, callback: impl FnOnce(&mut H, &H::Plugin) -> R) -> Option<R>;

    fn proxy_on_request_headers(&self, context: u32, headers: u32, end_of_stream: u32) -> u32 {
        let snapshots = Snapshots::new(MapType::HttpRequestHeaders, headers);
        let action = on_headers(self, context, &snapshots, headers, end_of_stream, H::on_request_headers);
        let code = finish::<H, _>("on_request_headers", action, |action| action as u32, Action::StopIteration as u32);
        note_held::<H>(context, StreamType::HttpRequest, code, code != 0 && code != Action::ContinueAndEndStream as u32)
    }

    fn proxy_on_response_headers(&self, context: u32, headers: u32, end_of_stream: u32) -> u32 {
        let snapshots = Snapshots::new(MapType::HttpResponseHeaders, headers);
        let action = on_headers(self, context, &snapshots, headers, end_of_stream, H::on_response_headers);
        let code = finish::<H, _>("on_response_headers", action, |action| action as u32, Action::StopIteration as u32);
        note_held::<H>(
            context,
            StreamType::HttpResponse,
            code,
            code != 0 && code != Action::ContinueAndEndStream as u32,
        )
    }

    fn proxy_on_request_trailers(&self, context: u32, trailers: u32) -> u32 {
        let snapshots = Snapshots::new(MapType::HttpRequestTrailers, trailers);
        let flow = on_headers(self, context, &snapshots, trailers, 1, H::on_request_trailers);
        let code = finish::<H, _>("on_request_trailers", flow, |flow| flow as u32, Flow::StopIteration as u32);
        note_held::<H>(context, StreamType::HttpRequest, code, code != 0)
    }

    fn proxy_on_response_trailers(&self, context: u32, trailers: u32) -> u32 {
        let snapshots = Snapshots::new(MapType::HttpResponseTrailers, trailers);
        let flow = on_headers(self, context, &snapshots, trailers, 1, H::on_response_trailers);
        let code = finish::<H, _>("on_response_trailers", flow, |flow| flow as u32, Flow::StopIteration as u32);
        note_held::<H>(context, StreamType::HttpResponse, code, code != 0)
    }

    fn proxy_on_request_body(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        let buffer = BufferType::HttpRequestBody;
        let action = on_body(self, context, buffer, size, end_of_stream, H::on_request_body);
        let stop = DataAction::StopIterationNoBuffer as u32;
        let code = finish::<H, _>("on_request_body", action, |action| action as u32, stop);
        note_held::<H>(context, StreamType::HttpRequest, code, code != 0)
    }

    fn proxy_on_response_body(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        let buffer = BufferType::HttpResponseBody;
        let action = on_body(self, context, buffer, size, end_of_stream, H::on_response_body);
        let stop = DataAction::StopIterationNoBuffer as u32;
        let code = finish::<H, _>("on_response_body", action, |action| action as u32, stop);
        note_held::<H>(context, StreamType::HttpResponse, code, code != 0)
    }

    fn proxy_on_request_metadata(&self, context: u32, elements: u32) -> u32 {
        on_http(self, context, |filter, stream| filter.on_request_metadata(stream, elements));
        0
    }

    fn proxy_on_response_metadata(&self, context: u32, elements: u32) -> u32 {
        on_http(self, context, |filter, stream| filter.on_response_metadata(stream, elements));
        0
    }
}

fn on_headers<H: HttpFilter, D, K, R: Answer>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    snapshots: &Snapshots,
    announced: u32,
    end_of_stream: u32,
    callback: impl FnOnce(&mut H, &mut Headers<'_, D, PluginOf<H>, K>) -> Result<R>,
) -> Option<Result<R>> {
    streams.run_http(context, |filter, plugin| {
        let stream = HttpHandle { id: context, plugin };
        let end_of_stream = end_of_stream != 0;
        budget::guard(event_of(snapshots.map()), || {
            callback(filter, &mut Headers { stream, snapshots, announced, end_of_stream, kind: PhantomData })
        })
    })
}

const fn event_of(map: MapType) -> Event {
    match map {
        MapType::HttpRequestHeaders => Event::Headers(StreamType::HttpRequest),
        MapType::HttpRequestTrailers => Event::Trailers(StreamType::HttpRequest),
        MapType::HttpResponseTrailers => Event::Trailers(StreamType::HttpResponse),
        _ => Event::Headers(StreamType::HttpResponse),
    }
}

fn on_body<H: HttpFilter, D>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    buffer: BufferType,
    size: usize,
    end_of_stream: u32,
    callback: impl FnOnce(&mut H, &mut Body<'_, D, PluginOf<H>>) -> Result<DataAction>,
) -> Option<Result<DataAction>> {
    streams.run_http(context, |filter, plugin| {
        let stream = HttpHandle { id: context, plugin };
        let end_of_stream = end_of_stream != 0;
        let direction = match buffer {
            BufferType::HttpRequestBody => StreamType::HttpRequest,
            _ => StreamType::HttpResponse,
        };
        budget::guard(Event::Body(direction, size), || {
            callback(filter, &mut Body { stream, buffer, size, end_of_stream, direction: PhantomData })
        })
    })
}

fn on_http<H: HttpFilter>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    callback: impl FnOnce(&mut H, &mut HttpHandle<'_, PluginOf<H>>),
) {
    streams.run_http(context, |filter, plugin| callback(filter, &mut HttpHandle { id: context, plugin }));
}

/// The answer to the host; for an error, and for a context that is missing or busy, what the filter's policy says.
pub(super) fn finish<H: HttpFilter, R>(
    name: &str,
    answer: Option<Result<R>>,
    code: impl FnOnce(R) -> u32,
    stop: u32,
) -> u32 {
    // Written back, and logged, when the callback returned.
    let edits_failed = edits::failed();
    #[cfg(feature = "async")]
    let at_once = H::TASKS && crate::task::ended_at_once();
    #[cfg(not(feature = "async"))]
    let at_once = false;
    match answer {
        // Every action of this number lets the stream go on.
        Some(Ok(_)) if at_once && !edits_failed => return Action::Continue as u32,
        Some(Ok(answer)) if !edits_failed => return code(answer),
        Some(Ok(_)) => {}
        Some(Err(error)) => log::failure(LogLevel::Error, name, &error),
        None => {}
    }
    match H::ON_ERROR.status() {
        None => 0,
        Some(status) => {
            refuse(status);
            stop
        }
    }
}

/// Answers a stream after an error. If this is refused too, a response is on its way already; the stream stops here all the same.
pub(super) fn refuse(status: u16) {
    let _ = LocalResponse::new(status).details("filter_error").send();
}

/// Notes whether the filter holds this direction back, for the answer to a call that fails.
fn note_held<H: HttpFilter>(context: u32, direction: StreamType, answer: u32, holds: bool) -> u32 {
    if H::ANSWERS && H::ON_ERROR.status().is_none() {
        held::note(context, direction, holds);
    }
    answer
}
