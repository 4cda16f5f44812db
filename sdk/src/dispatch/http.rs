//! The callbacks of HTTP streams.

use core::marker::PhantomData;

use super::{Dispatcher, PluginOf};
use crate::abi::{BufferType, LogLevel, MapType};
use crate::callout::CallResponse;
use crate::context::{Action, DataAction, FailurePolicy, Flow, HttpFilter, TcpFilter};
use crate::error::Result;
use crate::handle::{Body, Headers, HttpHandle};
use crate::headers::Snapshots;
use crate::log;
use crate::reply::LocalResponse;

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    pub fn proxy_on_request_headers(&self, context: u32, headers: u32, end_of_stream: u32) -> u32 {
        let snapshots = Snapshots::new(MapType::HttpRequestHeaders);
        let action = self.on_headers(context, &snapshots, headers, end_of_stream, H::on_request_headers);
        finish::<H, _>("on_request_headers", action, |action| action as u32, Action::StopIteration as u32)
    }

    pub fn proxy_on_response_headers(&self, context: u32, headers: u32, end_of_stream: u32) -> u32 {
        let snapshots = Snapshots::new(MapType::HttpResponseHeaders);
        let action = self.on_headers(context, &snapshots, headers, end_of_stream, H::on_response_headers);
        finish::<H, _>("on_response_headers", action, |action| action as u32, Action::StopIteration as u32)
    }

    pub fn proxy_on_request_trailers(&self, context: u32, trailers: u32) -> u32 {
        let snapshots = Snapshots::new(MapType::HttpRequestTrailers);
        let flow = self.on_headers(context, &snapshots, trailers, 1, H::on_request_trailers);
        finish::<H, _>("on_request_trailers", flow, |flow| flow as u32, Flow::StopIteration as u32)
    }

    pub fn proxy_on_response_trailers(&self, context: u32, trailers: u32) -> u32 {
        let snapshots = Snapshots::new(MapType::HttpResponseTrailers);
        let flow = self.on_headers(context, &snapshots, trailers, 1, H::on_response_trailers);
        finish::<H, _>("on_response_trailers", flow, |flow| flow as u32, Flow::StopIteration as u32)
    }

    fn on_headers<D, K, R>(
        &self,
        context: u32,
        snapshots: &Snapshots,
        announced: u32,
        end_of_stream: u32,
        callback: impl FnOnce(&mut H, &mut Headers<'_, D, PluginOf<H>, K>) -> Result<R>,
    ) -> Option<Result<R>> {
        self.streams.run(context, |filter, plugin| {
            let stream = HttpHandle { id: context, plugin };
            let end_of_stream = end_of_stream != 0;
            callback(filter, &mut Headers { stream, snapshots, announced, end_of_stream, kind: PhantomData })
        })
    }

    pub fn proxy_on_request_body(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        let buffer = BufferType::HttpRequestBody;
        let action = self.on_body(context, buffer, size, end_of_stream, H::on_request_body);
        finish::<H, _>("on_request_body", action, |action| action as u32, DataAction::StopIterationNoBuffer as u32)
    }

    pub fn proxy_on_response_body(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        let buffer = BufferType::HttpResponseBody;
        let action = self.on_body(context, buffer, size, end_of_stream, H::on_response_body);
        finish::<H, _>("on_response_body", action, |action| action as u32, DataAction::StopIterationNoBuffer as u32)
    }

    fn on_body<D>(
        &self,
        context: u32,
        buffer: BufferType,
        size: usize,
        end_of_stream: u32,
        callback: impl FnOnce(&mut H, &mut Body<'_, D, PluginOf<H>>) -> Result<DataAction>,
    ) -> Option<Result<DataAction>> {
        self.streams.run(context, |filter, plugin| {
            let stream = HttpHandle { id: context, plugin };
            let end_of_stream = end_of_stream != 0;
            callback(filter, &mut Body { stream, buffer, size, end_of_stream, direction: PhantomData })
        })
    }

    pub fn proxy_on_request_metadata(&self, context: u32, elements: u32) -> u32 {
        self.on_http(context, |filter, stream| filter.on_request_metadata(stream, elements));
        0
    }

    pub fn proxy_on_response_metadata(&self, context: u32, elements: u32) -> u32 {
        self.on_http(context, |filter, stream| filter.on_response_metadata(stream, elements));
        0
    }

    fn on_http(&self, context: u32, callback: impl FnOnce(&mut H, &mut HttpHandle<'_, PluginOf<H>>)) {
        self.streams.run(context, |filter, plugin| callback(filter, &mut HttpHandle { id: context, plugin }));
    }

    /// Whether it was an HTTP stream, as with the three below.
    pub(super) fn answer_http(&self, context: u32, response: &CallResponse) -> bool {
        let Some(stream) = self.streams.get(context).filter(|_| H::TRACKED) else { return false };
        let answered = stream.run(context, |filter, plugin| {
            filter.on_http_call_response(&mut HttpHandle { id: context, plugin }, response)
        });
        finish::<H, _>("on_http_call_response", answered, |()| 0, 0);
        true
    }

    pub(super) fn log_http(&self, context: u32) -> bool {
        self.end_http(context, H::on_log)
    }

    pub(super) fn done_http(&self, context: u32) -> bool {
        self.end_http(context, H::on_done)
    }

    fn end_http(&self, context: u32, callback: fn(&mut H, &mut HttpHandle<'_, PluginOf<H>>)) -> bool {
        let Some(stream) = self.streams.get(context).filter(|_| H::TRACKED) else { return false };
        stream.run(context, |filter, plugin| callback(filter, &mut HttpHandle { id: context, plugin }));
        true
    }

    pub(super) fn delete_http(&self, context: u32) -> bool {
        let Some(stream) = H::TRACKED.then(|| self.streams.remove(context)).flatten() else { return false };
        stream.run(context, |filter, plugin| filter.on_delete(&mut HttpHandle { id: context, plugin }));
        true
    }
}

/// The answer to the host; for an error, and for a context that is missing or busy, what the filter's policy says.
fn finish<H: HttpFilter, R>(name: &str, answer: Option<Result<R>>, code: impl FnOnce(R) -> u32, stop: u32) -> u32 {
    match answer {
        Some(Ok(answer)) => return code(answer),
        Some(Err(error)) => log::failure(LogLevel::Error, name, &error),
        None => {}
    }
    match H::ON_ERROR {
        FailurePolicy::Open => 0,
        FailurePolicy::Closed => {
            // If this is refused too, a response is on its way already; the stream stops here all the same.
            let _ = LocalResponse::new(500).details("filter_error").send();
            stop
        }
    }
}
