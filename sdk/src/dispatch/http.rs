//! The callbacks of HTTP streams, for every dispatcher.

use core::marker::PhantomData;

use super::complete::{self, Trailing, Whole};
use super::contexts::{PluginOf, note_failure};
use super::http_policy::{code_of, failed};
use super::unseen;
use crate::abi::{BufferType, MapType, StreamType};
use crate::budget::{self, Event};
use crate::context::{Action, DataAction, HttpFilter};
use crate::error::Result;
use crate::handle::{Body, Direction, Headers, HttpHandle, Request, Response};
use crate::headers::Snapshots;
use crate::owner::HttpStream;
use crate::stream_state::{self, Phase, STOP};

/// The phases of a stream.
const REQUEST_HEADERS: Phase = Phase::headers(StreamType::HttpRequest);
const RESPONSE_HEADERS: Phase = Phase::headers(StreamType::HttpResponse);
const REQUEST_BODY: Phase = Phase::body(StreamType::HttpRequest);
const RESPONSE_BODY: Phase = Phase::body(StreamType::HttpResponse);
const REQUEST_TRAILERS: Phase = Phase::trailers(StreamType::HttpRequest);
const RESPONSE_TRAILERS: Phase = Phase::trailers(StreamType::HttpResponse);

/// The part of a message that may follow a callback.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Rest {
    /// A body or trailers, behind headers.
    Body,
    /// More parts of a body, or trailers.
    Parts,
    /// Nothing: the message has ended.
    Nothing,
}

impl Rest {
    /// Returns the rest behind a part of a body.
    pub(super) const fn behind_part(end_of_stream: bool) -> Self {
        if end_of_stream { Self::Nothing } else { Self::Parts }
    }
}

/// A method for each callback of an HTTP stream.
pub trait HttpCallbacks<H: HttpFilter>: Sized {
    /// `true` if a stream is known from one callback to the next.
    #[doc(hidden)]
    const KEEPS: bool;

    /// Runs a callback of a stream. Returns `None` if there is no such stream, or if it is busy.
    fn run_http<R>(&self, id: u32, callback: impl FnOnce(&mut H, &H::Plugin) -> R) -> Option<R>;

    /// Runs a callback whose status decides about a direction, and returns the status for the host.
    #[doc(hidden)]
    fn decide_http(&self, id: u32, phase: Phase, rest: Rest, callback: impl FnOnce(&mut H, &H::Plugin) -> u32) -> u32;

    fn proxy_on_request_headers(&self, context: u32, headers: u32, end_of_stream: u32) -> u32 {
        let call = ("on_request_headers", H::on_request_headers);
        on_headers(self, context, REQUEST_HEADERS, MapType::HttpRequestHeaders, headers, end_of_stream, call)
    }

    fn proxy_on_response_headers(&self, context: u32, headers: u32, end_of_stream: u32) -> u32 {
        let call = ("on_response_headers", H::on_response_headers);
        on_headers(self, context, RESPONSE_HEADERS, MapType::HttpResponseHeaders, headers, end_of_stream, call)
    }

    fn proxy_on_request_trailers(&self, context: u32, trailers: u32) -> u32 {
        if !H::REQUEST_TRAILERS && !H::COMPLETE_REQUEST {
            return unseen::on_trailers(self, context, REQUEST_TRAILERS, "on_request_trailers");
        }
        let call: Trailing<H, Request> = ("on_request_trailers", H::on_request_trailers);
        let whole: Option<Whole<H, Request>> =
            H::COMPLETE_REQUEST.then_some(("on_complete_request_body", H::on_complete_request_body));
        complete::on_trailers(self, context, (REQUEST_TRAILERS, MapType::HttpRequestTrailers, trailers), call, whole)
    }

    fn proxy_on_response_trailers(&self, context: u32, trailers: u32) -> u32 {
        if !H::RESPONSE_TRAILERS && !H::COMPLETE_RESPONSE {
            return unseen::on_trailers(self, context, RESPONSE_TRAILERS, "on_response_trailers");
        }
        let call: Trailing<H, Response> = ("on_response_trailers", H::on_response_trailers);
        let whole: Option<Whole<H, Response>> =
            H::COMPLETE_RESPONSE.then_some(("on_complete_response_body", H::on_complete_response_body));
        complete::on_trailers(self, context, (RESPONSE_TRAILERS, MapType::HttpResponseTrailers, trailers), call, whole)
    }

    fn proxy_on_request_body(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        let (phase, buffer, part) = (REQUEST_BODY, BufferType::HttpRequestBody, (size, end_of_stream != 0));
        if H::COMPLETE_REQUEST {
            let whole: Whole<H, Request> = ("on_complete_request_body", H::on_complete_request_body);
            return complete::on_part(self, context, phase, buffer, part, whole);
        }
        if !H::REQUEST_BODY {
            return unseen::on_part(self, context, phase, "on_request_body", part);
        }
        let call = ("on_request_body", H::on_request_body);
        on_body(self, context, phase, (buffer, H::REQUEST_TRAILERS), part, call)
    }

    fn proxy_on_response_body(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        let (phase, buffer, part) = (RESPONSE_BODY, BufferType::HttpResponseBody, (size, end_of_stream != 0));
        if H::COMPLETE_RESPONSE {
            let whole: Whole<H, Response> = ("on_complete_response_body", H::on_complete_response_body);
            return complete::on_part(self, context, phase, buffer, part, whole);
        }
        if !H::RESPONSE_BODY {
            return unseen::on_part(self, context, phase, "on_response_body", part);
        }
        let call = ("on_response_body", H::on_response_body);
        on_body(self, context, phase, (buffer, H::RESPONSE_TRAILERS), part, call)
    }

    fn proxy_on_request_metadata(&self, context: u32, elements: u32) -> u32 {
        on_http(self, context, "on_request_metadata", |filter, stream| filter.on_request_metadata(stream, elements));
        0
    }

    fn proxy_on_response_metadata(&self, context: u32, elements: u32) -> u32 {
        on_http(self, context, "on_response_metadata", |filter, stream| {
            stream_state::begin_response_metadata();
            filter.on_response_metadata(stream, elements)
        });
        0
    }
}

fn on_headers<H: HttpFilter, D>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    phase: Phase,
    map: MapType,
    announced: u32,
    end_of_stream: u32,
    (name, callback): (&str, impl FnOnce(&mut H, &mut Headers<'_, D, PluginOf<H>>) -> Result<Action>),
) -> u32 {
    let end_of_stream = end_of_stream != 0;
    let rest = if end_of_stream { Rest::Nothing } else { Rest::Body };
    streams.decide_http(context, phase, rest, |filter, plugin| {
        if (H::COMPLETE_REQUEST || H::COMPLETE_RESPONSE) && !end_of_stream {
            match complete::look::<H>(map) {
                Ok(true) => {}
                Ok(false) => return STOP,
                Err(error) => return failed(name, context, error),
            }
        }
        Snapshots::with(map, plugin, |snapshots, plugin| {
            let stream = HttpHandle::new(context, plugin);
            let answer = budget::guard(Event::Headers(map.direction()), || {
                callback(filter, &mut Headers { stream, snapshots, announced, end_of_stream, kind: PhantomData })
            });
            code_of(name, context, answer, |action| action as u32)
        })
    })
}

fn on_body<H: HttpFilter, D: Direction<Kind = HttpStream>, S: HttpCallbacks<H>>(
    streams: &S,
    context: u32,
    phase: Phase,
    (buffer, sees_trailers): (BufferType, bool),
    (size, end_of_stream): (usize, bool),
    (name, callback): (&str, impl FnOnce(&mut H, &mut Body<'_, D, PluginOf<H>>) -> Result<DataAction>),
) -> u32 {
    streams.decide_http(context, phase, Rest::behind_part(end_of_stream), |filter, plugin| {
        if end_of_stream && matches!(buffer, BufferType::HttpRequestBody) {
            stream_state::end_request();
        }
        let handle = HttpHandle::new(context, plugin);
        let direction = PhantomData;
        let answer = budget::guard(Event::Body(buffer.direction(), size), || {
            callback(filter, &mut Body { handle, buffer, size, end_of_stream, sees_trailers, direction })
        });
        let answer = if S::KEEPS || sees_trailers || end_of_stream { answer } else { unseen::keep_none(answer) };
        code_of(name, context, answer, |action| action as u32)
    })
}

fn on_http<H: HttpFilter>(
    streams: &impl HttpCallbacks<H>,
    context: u32,
    name: &str,
    callback: impl FnOnce(&mut H, &mut HttpHandle<'_, PluginOf<H>>) -> Result<()>,
) {
    let answered = streams.run_http(context, |filter, plugin| callback(filter, &mut HttpHandle::new(context, plugin)));
    note_failure(name, context, answered);
}
