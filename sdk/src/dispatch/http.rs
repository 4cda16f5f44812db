//! The callbacks of HTTP streams, wherever their contexts are kept.

use core::marker::PhantomData;

use super::{PluginOf, note_failure};
use crate::abi::{BufferType, LogLevel, MapType, StreamType};
use crate::budget::{self, Answer, Event};
use crate::callout::held;
use crate::context::{Action, DataAction, Flow, HttpFilter};
use crate::error::{Error, Result};
use crate::failures;
use crate::handle::{Body, Headers, HttpHandle};
use crate::headers::{Snapshots, edits};
use crate::log;
use crate::reply::LocalResponse;

/// A method for each callback of an HTTP stream.
pub trait HttpCallbacks<H: HttpFilter>: Sized {
    /// Runs a callback of a stream; none if there is no such stream, or it is busy.
    fn run_http<R>(&self, id: u32, callback: impl FnOnce(&mut H, &H::Plugin) -> R) -> Option<R>;

    fn proxy_on_request_headers(&self, context: u32, headers: u32, end_of_stream: u32) -> u32 {
        let call = ("on_request_headers", H::on_request_headers, |action| action as u32);
        let code = on_headers(self, context, MapType::HttpRequestHeaders, headers, end_of_stream, call);
        let code = finish::<H>(code, Action::StopIteration as u32);
        note_held::<H>(context, StreamType::HttpRequest, code, code != 0 && code != Action::ContinueAndEndStream as u32)
    }

    fn proxy_on_response_headers(&self, context: u32, headers: u32, end_of_stream: u32) -> u32 {
        let call = ("on_response_headers", H::on_response_headers, |action| action as u32);
        let code = on_headers(self, context, MapType::HttpResponseHeaders, headers, end_of_stream, call);
        let code = finish::<H>(code, Action::StopIteration as u32);
        note_held::<H>(
            context,
            StreamType::HttpResponse,
            code,
            code != 0 && code != Action::ContinueAndEndStream as u32,
        )
    }

    fn proxy_on_request_trailers(&self, context: u32, trailers: u32) -> u32 {
        let call = ("on_request_trailers", H::on_request_trailers, |flow| flow as u32);
        let code = on_headers(self, context, MapType::HttpRequestTrailers, trailers, 1, call);
        let code = finish::<H>(code, Flow::StopIteration as u32);
        note_held::<H>(context, StreamType::HttpRequest, code, code != 0)
    }

    fn proxy_on_response_trailers(&self, context: u32, trailers: u32) -> u32 {
        let call = ("on_response_trailers", H::on_response_trailers, |flow| flow as u32);
        let code = on_headers(self, context, MapType::HttpResponseTrailers, trailers, 1, call);
        let code = finish::<H>(code, Flow::StopIteration as u32);
        note_held::<H>(context, StreamType::HttpResponse, code, code != 0)
    }

    fn proxy_on_request_body(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        let call = ("on_request_body", H::on_request_body);
        let code = on_body(self, context, BufferType::HttpRequestBody, size, end_of_stream, call);
        let code = finish::<H>(code, DataAction::StopIterationNoBuffer as u32);
        note_held::<H>(context, StreamType::HttpRequest, code, code != 0)
    }

    fn proxy_on_response_body(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        let call = ("on_response_body", H::on_response_body);
        let code = on_body(self, context, BufferType::HttpResponseBody, size, end_of_stream, call);
        let code = finish::<H>(code, DataAction::StopIterationNoBuffer as u32);
        note_held::<H>(context, StreamType::HttpResponse, code, code != 0)
    }

    fn proxy_on_request_metadata(&self, context: u32, elements: u32) -> u32 {
        on_http(self, context, "on_request_metadata", |filter, stream| filter.on_request_metadata(stream, elements));
        0
    }

    fn proxy_on_response_metadata(&self, context: u32, elements: u32) -> u32 {
        on_http(self, context, "on_response_metadata", |filter, stream| filter.on_response_metadata(stream, elements));
        0
    }
}

fn on_headers<H: HttpFilter, D, K, R: Answer>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    map: MapType,
    announced: u32,
    end_of_stream: u32,
    (name, callback, code): (
        &str,
        impl FnOnce(&mut H, &mut Headers<'_, D, PluginOf<H>, K>) -> Result<R>,
        impl FnOnce(R) -> u32,
    ),
) -> u32 {
    let answered = Snapshots::with(map, announced, |snapshots| {
        streams.run_http(context, |filter, plugin| {
            let stream = HttpHandle { id: context, plugin };
            let end_of_stream = end_of_stream != 0;
            let answer = budget::guard(event_of(map), || {
                callback(filter, &mut Headers { stream, snapshots, announced, end_of_stream, kind: PhantomData })
            });
            code_of(name, answer, code)
        })
    });
    answered.unwrap_or_else(missing)
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
    (name, callback): (&str, impl FnOnce(&mut H, &mut Body<'_, D, PluginOf<H>>) -> Result<DataAction>),
) -> u32 {
    let answered = streams.run_http(context, |filter, plugin| {
        let stream = HttpHandle { id: context, plugin };
        let end_of_stream = end_of_stream != 0;
        let direction = match buffer {
            BufferType::HttpRequestBody => StreamType::HttpRequest,
            _ => StreamType::HttpResponse,
        };
        let answer = budget::guard(Event::Body(direction, size), || {
            callback(filter, &mut Body { stream, buffer, size, end_of_stream, direction: PhantomData })
        });
        code_of(name, answer, |action| action as u32)
    });
    answered.unwrap_or_else(missing)
}

fn on_http<H: HttpFilter>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    name: &str,
    callback: impl FnOnce(&mut H, &mut HttpHandle<'_, PluginOf<H>>) -> Result<()>,
) {
    let answered =
        streams.run_http(context, |filter, plugin| callback(filter, &mut HttpHandle { id: context, plugin }));
    edits::forget_failure();
    note_failure(name, answered);
}

/// Stands for the answer of a callback that failed, which is logged, and of one that did not run.
pub(super) const FAILED: u32 = u32::MAX;

/// The number that a callback answers. An error becomes one here, before anything is done with the answer: it is as large as all the rest of a callback that
/// goes well.
#[inline]
pub(super) fn code_of<R>(name: &str, answer: Result<R>, code: impl FnOnce(R) -> u32) -> u32 {
    match answer {
        Ok(answer) => code(answer),
        Err(error) => failed(name, error),
    }
}

#[cold]
#[inline(never)]
fn failed(name: &str, error: Error) -> u32 {
    log::failure(LogLevel::Error, name, &error);
    FAILED
}

/// Stands for a callback whose context is missing or busy, which is noted where that is found.
#[cold]
#[inline(never)]
fn missing() -> u32 {
    failures::count();
    FAILED
}

/// The answer to the host; for a callback that failed what the filter's policy says.
#[inline]
pub(super) fn finish<H: HttpFilter>(code: u32, stop: u32) -> u32 {
    // Written back, and logged, when the callback returned.
    let edits_failed = edits::failed();
    #[cfg(feature = "async")]
    let at_once = H::TASKS && crate::task::ended_at_once();
    #[cfg(not(feature = "async"))]
    let at_once = false;
    if code != FAILED && !edits_failed {
        // Every action of this number lets the stream go on.
        return if at_once { Action::Continue as u32 } else { code };
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
#[cold]
#[inline(never)]
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
