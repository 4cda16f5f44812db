//! HTTP streams, driven callback by callback.

use sluicegate::abi::{BufferType, MapType, StreamType};

use crate::drive::flow;
use crate::drive::running::RunningHost;
use crate::model::direction::Way;
use crate::model::map::Map;
use crate::model::property::PropertyValue;
use crate::model::reply::LocalReply;
use crate::model::stream::Stream;

/// An HTTP stream of the simulated proxy.
///
/// If the module does not export a callback, the method that drives it returns 0, Continue, as a
/// proxy does.
///
/// Parts that come after headers that the filter holds wait, as in Envoy. The filter gets these
/// parts when it resumes the headers. A method that sends such a part returns 1 without a callback.
/// [`Host::allow_on_headers_stop_iteration`](crate::Host::allow_on_headers_stop_iteration) makes
/// the parts come at once after `StopIteration`.
///
/// A local reply goes through the filter's own callbacks for the response. After the reply, and
/// after a reset, the filter gets nothing more.
#[must_use]
pub struct HttpStream<'host> {
    host: &'host RunningHost,
    id: u32,
}

impl<'host> HttpStream<'host> {
    pub(crate) fn open(host: &'host RunningHost, plugin: u32) -> Self {
        let id = create(host, plugin, false);
        Self { host, id }
    }

    pub(crate) fn host(&self) -> &'host RunningHost {
        self.host
    }

    /// Returns the number of the stream's context.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Sends the request's headers, with nothing after them. Returns the filter's action.
    pub fn request_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        flow::headers(self.host, self.id, Way::Request, Map::new(headers), true)
    }

    /// Sends the request's headers, with a body to follow. Returns the filter's action.
    pub fn request_headers_with_body<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        flow::headers(self.host, self.id, Way::Request, Map::new(headers), false)
    }

    /// Sends the response's headers, with nothing after them. Returns the filter's action.
    pub fn response_headers_only<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        flow::headers(self.host, self.id, Way::Response, Map::new(headers), true)
    }

    /// Sends the response's headers, with a body to follow. Returns the filter's action.
    pub fn response_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        flow::headers(self.host, self.id, Way::Response, Map::new(headers), false)
    }

    /// Sends a part of the request's body. Returns the filter's action.
    ///
    /// While the filter buffers the body, it sees all of the body again with each part.
    pub fn request_body(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> u32 {
        flow::body_comes(self.host, self.id, Way::Request, part.as_ref(), end_of_stream)
    }

    /// Sends a part of the response's body. Returns the filter's action.
    ///
    /// While the filter buffers the body, it sees all of the body again with each part.
    pub fn response_body(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> u32 {
        flow::body_comes(self.host, self.id, Way::Response, part.as_ref(), end_of_stream)
    }

    /// Returns the bytes of the request's body that the proxy holds back, or shows the filter now.
    #[must_use]
    pub fn held_request_body(&self) -> Vec<u8> {
        held(self.host, self.id, BufferType::HttpRequestBody)
    }

    /// Returns the bytes of the response's body that the proxy holds back, or shows the filter now.
    #[must_use]
    pub fn held_response_body(&self) -> Vec<u8> {
        held(self.host, self.id, BufferType::HttpResponseBody)
    }

    /// Returns the bytes of the request's body that the upstream got.
    #[must_use]
    pub fn sent_request_body(&self) -> Vec<u8> {
        sent(self.host, self.id, BufferType::HttpRequestBody)
    }

    /// Returns the bytes of the response's body that the client got.
    #[must_use]
    pub fn sent_response_body(&self) -> Vec<u8> {
        sent(self.host, self.id, BufferType::HttpResponseBody)
    }

    /// Sends the request's trailers. Returns the filter's action.
    ///
    /// If the trailers go on, the body that was held back goes on, too.
    pub fn request_trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, trailers: &[(N, V)]) -> u32 {
        flow::trailers(self.host, self.id, Way::Request, Map::new(trailers))
    }

    /// Sends the response's trailers. Returns the filter's action.
    ///
    /// If the trailers go on, the body that was held back goes on, too.
    pub fn response_trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, trailers: &[(N, V)]) -> u32 {
        flow::trailers(self.host, self.id, Way::Response, Map::new(trailers))
    }

    /// Sends a frame of metadata with the request, with this number of elements.
    ///
    /// The filter cannot read the values. The proxy goes on whatever the filter returns.
    pub fn request_metadata(&self, elements: u32) {
        self.metadata("proxy_on_request_metadata", elements);
    }

    /// Sends a frame of metadata with the response, with this number of elements.
    ///
    /// The filter cannot read the values. The proxy goes on whatever the filter returns.
    pub fn response_metadata(&self, elements: u32) {
        self.metadata("proxy_on_response_metadata", elements);
    }

    fn metadata(&self, callback: &'static str, elements: u32) {
        self.host.enter(self.id, callback, &[self.id, elements]);
        self.host.run_deferred();
    }

    /// Returns whether the filter resumed the request.
    #[must_use]
    pub fn request_resumed(&self) -> bool {
        self.did(|stream| stream.resumed.contains(&(StreamType::HttpRequest as u32)))
    }

    /// Returns whether the filter resumed the response.
    #[must_use]
    pub fn response_resumed(&self) -> bool {
        self.did(|stream| stream.resumed.contains(&(StreamType::HttpResponse as u32)))
    }

    /// Returns whether the filter reset the stream, by the request or by the response.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.did(|stream| !stream.closed.is_empty())
    }

    /// Returns whether the filter reset the request.
    #[must_use]
    pub fn request_was_reset(&self) -> bool {
        self.did(|stream| stream.closed.contains(&(StreamType::HttpRequest as u32)))
    }

    /// Returns whether the filter reset the response.
    #[must_use]
    pub fn response_was_reset(&self) -> bool {
        self.did(|stream| stream.closed.contains(&(StreamType::HttpResponse as u32)))
    }

    fn did(&self, what: impl FnOnce(&Stream) -> bool) -> bool {
        self.host.state().streams.get(&self.id).is_some_and(what)
    }

    /// Returns the request's trailers as the upstream would see them.
    #[must_use]
    pub fn request_trailer_map(&self) -> Map {
        self.host.state().stream_map(self.id, MapType::HttpRequestTrailers).cloned().unwrap_or_default()
    }

    /// Returns the response's trailers as the client would see them.
    #[must_use]
    pub fn response_trailer_map(&self) -> Map {
        self.host.state().stream_map(self.id, MapType::HttpResponseTrailers).cloned().unwrap_or_default()
    }

    /// Returns the first value of a request header as the upstream would see it, or `None` if there
    /// is no such header.
    #[must_use]
    pub fn request_header(&self, name: &str) -> Option<String> {
        text(self.head(Way::Request).get(name.as_bytes()))
    }

    /// Returns the first value of a response header as the client would see it, or `None` if there
    /// is no such header.
    #[must_use]
    pub fn response_header(&self, name: &str) -> Option<String> {
        text(self.head(Way::Response).get(name.as_bytes()))
    }

    /// Returns the request's headers as the upstream would see them.
    #[must_use]
    pub fn request_map(&self) -> Map {
        self.head(Way::Request)
    }

    /// Returns the response's headers as the client would see them.
    #[must_use]
    pub fn response_map(&self) -> Map {
        self.head(Way::Response)
    }

    fn head(&self, way: Way) -> Map {
        let state = self.host.state();
        state.streams.get(&self.id).and_then(|stream| stream.head(way)).cloned().unwrap_or_default()
    }

    /// Returns the local reply to the stream, or `None` if there is none.
    ///
    /// The filter sends a local reply in place of the upstream. The proxy sends one, too: 413 or
    /// 500 for too large a body, and 503 for a dead VM.
    #[must_use]
    pub fn reply(&self) -> Option<LocalReply> {
        self.host.state().streams.get(&self.id)?.reply.clone()
    }

    /// Returns the property that the filter would read now, or `None` if there is no property at
    /// this path.
    #[must_use]
    pub fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.host.property_of(self.id, path)
    }

    /// Sets a property of this stream, in place of the proxy's at this path, from now on.
    ///
    /// To give the filter a property with the response, set it before sending the response.
    pub fn set_property(&self, path: &[&str], value: impl Into<PropertyValue>) -> &Self {
        set_property(self.host, self.id, path, value.into());
        self
    }

    /// Returns the value that the filter set for a property, or `None` if the filter set none.
    /// Envoy keeps the value under `wasm.` and this name.
    #[must_use]
    pub fn filter_state(&self, name: &str) -> Option<Vec<u8>> {
        self.host.state().streams.get(&self.id)?.filter_state.get(name.as_bytes()).cloned()
    }

    /// Returns an object of Envoy's own that the filter put into the filter state, or `None` if
    /// there is none: the object's text, and the number of its life span.
    #[must_use]
    pub fn envoy_filter_state(&self, name: &str) -> Option<(Vec<u8>, u64)> {
        self.host.state().streams.get(&self.id)?.envoy_filter_state.get(name.as_bytes()).cloned()
    }

    /// Returns the number of times the filter cleared the route cache.
    #[must_use]
    pub fn routes_cleared(&self) -> usize {
        self.host.state().streams.get(&self.id).map_or(0, |stream| stream.routes_cleared)
    }

    /// Returns whether the request's headers went on to the upstream.
    #[must_use]
    pub fn reached_upstream(&self) -> bool {
        self.did(|stream| stream.flows[Way::Request as usize].gone && !stream.flows[Way::Request as usize].refused)
    }

    /// Returns whether a response's headers went on to the client: the upstream's, or a local
    /// reply's.
    #[must_use]
    pub fn reached_client(&self) -> bool {
        self.did(|stream| stream.flows[Way::Response as usize].gone)
    }

    /// Returns whether all of the request went on to the upstream, its end included.
    #[must_use]
    pub fn sent_whole_request(&self) -> bool {
        self.did(|stream| stream.sent_whole(Way::Request))
    }

    /// Returns whether all of a response went on to the client, its end included.
    #[must_use]
    pub fn sent_whole_response(&self) -> bool {
        self.did(|stream| stream.sent_whole(Way::Response))
    }

    /// Ends the stream. The callbacks come in Envoy's order: log, done, delete.
    pub fn complete(self) {
        if let Some(stream) = self.host.state().streams.get_mut(&self.id) {
            stream.completed = true;
            stream.visible.clear();
        }
        close(self.host, self.id, ["proxy_on_log", "proxy_on_done", "proxy_on_delete"]);
    }
}

/// Creates a context of a plugin.
pub(crate) fn create(host: &RunningHost, plugin: u32, is_connection: bool) -> u32 {
    host.reload();
    let id = host.state().new_context();
    let unfiltered = host.is_dead();
    host.state().streams.insert(id, Stream { plugin, unfiltered, is_connection, ..Stream::default() });
    host.enter(id, "proxy_on_context_create", &[id, plugin]);
    host.run_deferred();
    id
}

/// Calls the last callbacks of a context, and removes the context.
pub(crate) fn close(host: &RunningHost, id: u32, callbacks: [&'static str; 3]) {
    for callback in callbacks {
        host.state().logging = callback == "proxy_on_log";
        host.enter(id, callback, &[id]);
        host.state().logging = false;
        if callback == "proxy_on_log"
            && let Some(stream) = host.state().streams.get_mut(&id)
        {
            stream.logged = true;
        }
        host.run_deferred();
    }
    host.state().streams.remove(&id);
}

pub(crate) fn set_property(host: &RunningHost, id: u32, path: &[&str], value: PropertyValue) {
    if let Some(stream) = host.state().streams.get_mut(&id) {
        stream.properties.set(path, value);
    }
}

/// Returns the bytes of a body that are held back.
fn held(host: &RunningHost, id: u32, buffer: BufferType) -> Vec<u8> {
    host.state().body(id, buffer).map(|body| [&body.kept[..], &body.held].concat()).unwrap_or_default()
}

/// Returns a value as text. Bytes that are not UTF-8 are replaced.
fn text(value: Option<&[u8]>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value).into_owned())
}

/// Returns the bytes of a body, or of one direction of a connection's data, that went on.
pub(crate) fn sent(host: &RunningHost, id: u32, buffer: BufferType) -> Vec<u8> {
    let state = host.state();
    let body = state.streams.get(&id).and_then(|stream| stream.bodies.get(&(buffer as u32)));
    body.map(|body| body.sent.clone()).unwrap_or_default()
}
