//! An HTTP stream, driven callback by callback.

use sluicegate::abi::{BufferType, MapType, StreamType};

use crate::PropertyValue;
use crate::flow::{self, Way};
use crate::map::Map;
use crate::running::Running;
use crate::state::{LocalReply, Stream};

/// A stream of the simulated proxy.
///
/// A callback that the module does not export is answered with 0, Continue, as a proxy does.
///
/// What comes after headers that the filter holds waits, as in Envoy, and comes to the filter when
/// it lets them go on; what is sent then is answered with 1 without a callback.
/// [`Host::allow_on_headers_stop_iteration`](crate::Host::allow_on_headers_stop_iteration) makes it
/// come at once after `StopIteration`. An answer of the filter's goes through its own callbacks for
/// the response. After it, and after a reset, nothing comes to the filter any more.
#[must_use]
pub struct HttpStream<'host> {
    host: &'host Running,
    id: u32,
}

impl<'host> HttpStream<'host> {
    pub(crate) fn open(host: &'host Running, plugin: u32) -> Self {
        let id = create(host, plugin, false);
        Self { host, id }
    }

    pub(crate) fn host(&self) -> &'host Running {
        self.host
    }

    /// The number of the stream's context.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Sends the request's headers, with nothing after them; the filter's action.
    pub fn request_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        flow::headers(self.host, self.id, Way::Request, Map::new(headers), true)
    }

    /// Sends the request's headers, with a body to follow; the filter's action.
    pub fn request_headers_with_body<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        flow::headers(self.host, self.id, Way::Request, Map::new(headers), false)
    }

    /// Sends the response's headers, with nothing after them; the filter's action.
    pub fn response_headers_only<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        flow::headers(self.host, self.id, Way::Response, Map::new(headers), true)
    }

    /// Sends the response's headers, with a body to follow; the filter's action.
    pub fn response_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        flow::headers(self.host, self.id, Way::Response, Map::new(headers), false)
    }

    /// Sends a part of the request's body; the filter's action. While the filter holds the body
    /// back, it sees all of it again.
    pub fn request_body(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> u32 {
        flow::body_comes(self.host, self.id, Way::Request, part.as_ref(), end_of_stream)
    }

    /// Sends a part of the response's body; likewise.
    pub fn response_body(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> u32 {
        flow::body_comes(self.host, self.id, Way::Response, part.as_ref(), end_of_stream)
    }

    /// What the proxy holds back of the request's body, or shows the filter just now.
    #[must_use]
    pub fn held_request_body(&self) -> Vec<u8> {
        held(self.host, self.id, BufferType::HttpRequestBody)
    }

    /// What the proxy holds back of the response's body, or shows the filter just now.
    #[must_use]
    pub fn held_response_body(&self) -> Vec<u8> {
        held(self.host, self.id, BufferType::HttpResponseBody)
    }

    /// What the upstream got of the request's body.
    #[must_use]
    pub fn sent_request_body(&self) -> Vec<u8> {
        sent(self.host, self.id, BufferType::HttpRequestBody)
    }

    /// What the client got of the response's body.
    #[must_use]
    pub fn sent_response_body(&self) -> Vec<u8> {
        sent(self.host, self.id, BufferType::HttpResponseBody)
    }

    /// Sends the request's trailers; the filter's action. If they go on, so does the body that was
    /// held back.
    pub fn request_trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, trailers: &[(N, V)]) -> u32 {
        flow::trailers(self.host, self.id, Way::Request, Map::new(trailers))
    }

    /// Sends the response's trailers; likewise.
    pub fn response_trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, trailers: &[(N, V)]) -> u32 {
        flow::trailers(self.host, self.id, Way::Response, Map::new(trailers))
    }

    /// Sends a frame of metadata with the request, of so many elements. Its values cannot be read,
    /// and the proxy goes on whatever the filter answers.
    pub fn request_metadata(&self, elements: u32) {
        self.metadata("proxy_on_request_metadata", elements);
    }

    /// Sends a frame of metadata with the response; likewise.
    pub fn response_metadata(&self, elements: u32) {
        self.metadata("proxy_on_response_metadata", elements);
    }

    fn metadata(&self, callback: &'static str, elements: u32) {
        self.host.enter(self.id, callback, &[self.id, elements]);
        self.host.run_deferred();
    }

    /// Whether the filter let the request go on after it had held it back.
    #[must_use]
    pub fn request_resumed(&self) -> bool {
        self.did(|stream| stream.resumed.contains(&(StreamType::HttpRequest as u32)))
    }

    /// Whether the filter let the response go on after it had held it back.
    #[must_use]
    pub fn response_resumed(&self) -> bool {
        self.did(|stream| stream.resumed.contains(&(StreamType::HttpResponse as u32)))
    }

    /// Whether the filter reset the stream, by the request or by the response.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.did(|stream| !stream.closed.is_empty())
    }

    /// Whether the filter reset the request.
    #[must_use]
    pub fn request_was_reset(&self) -> bool {
        self.did(|stream| stream.closed.contains(&(StreamType::HttpRequest as u32)))
    }

    /// Whether the filter reset the response.
    #[must_use]
    pub fn response_was_reset(&self) -> bool {
        self.did(|stream| stream.closed.contains(&(StreamType::HttpResponse as u32)))
    }

    fn did(&self, what: impl FnOnce(&Stream) -> bool) -> bool {
        self.host.state().streams.get(&self.id).is_some_and(what)
    }

    /// The request's trailers as the upstream would see them.
    #[must_use]
    pub fn request_trailer_map(&self) -> Map {
        self.host.state().stream_map(self.id, MapType::HttpRequestTrailers).cloned().unwrap_or_default()
    }

    /// The response's trailers as the client would see them.
    #[must_use]
    pub fn response_trailer_map(&self) -> Map {
        self.host.state().stream_map(self.id, MapType::HttpResponseTrailers).cloned().unwrap_or_default()
    }

    /// The first value of a request header, as the upstream would see it.
    #[must_use]
    pub fn request_header(&self, name: &str) -> Option<String> {
        text(self.head(Way::Request).get(name.as_bytes()))
    }

    /// The first value of a response header, as the client would see it.
    #[must_use]
    pub fn response_header(&self, name: &str) -> Option<String> {
        text(self.head(Way::Response).get(name.as_bytes()))
    }

    /// The request's headers as the upstream would see them.
    #[must_use]
    pub fn request_map(&self) -> Map {
        self.head(Way::Request)
    }

    /// The response's headers as the client would see them.
    #[must_use]
    pub fn response_map(&self) -> Map {
        self.head(Way::Response)
    }

    fn head(&self, way: Way) -> Map {
        let state = self.host.state();
        state.streams.get(&self.id).and_then(|stream| stream.head(way)).cloned().unwrap_or_default()
    }

    /// The answer that the filter gave instead of the upstream, or the proxy: 413 or 500 for too
    /// large a body, 503 for a dead VM.
    #[must_use]
    pub fn reply(&self) -> Option<LocalReply> {
        self.host.state().streams.get(&self.id)?.reply.clone()
    }

    /// What the filter would read as a property now; none if there is nothing of this path.
    #[must_use]
    pub fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.host.property_of(self.id, path)
    }

    /// Gives this stream a property from now on, over what the proxy has at this path: what comes
    /// with the response is set before it.
    pub fn set_property(&self, path: &[&str], value: impl Into<PropertyValue>) -> &Self {
        set_property(self.host, self.id, path, value.into());
        self
    }

    /// What the filter set as a property, which Envoy keeps under `wasm.` and this name.
    #[must_use]
    pub fn filter_state(&self, name: &str) -> Option<Vec<u8>> {
        self.host.state().streams.get(&self.id)?.filter_state.get(name.as_bytes()).cloned()
    }

    /// An object of Envoy's own that the filter put into the filter state: its text, and the number
    /// of its life span.
    #[must_use]
    pub fn envoy_filter_state(&self, name: &str) -> Option<(Vec<u8>, u64)> {
        self.host.state().streams.get(&self.id)?.envoy_filter_state.get(name.as_bytes()).cloned()
    }

    /// How often the filter made the proxy forget the route.
    #[must_use]
    pub fn routes_cleared(&self) -> usize {
        self.host.state().streams.get(&self.id).map_or(0, |stream| stream.routes_cleared)
    }

    /// Whether the request's headers went on to the upstream.
    #[must_use]
    pub fn reached_upstream(&self) -> bool {
        self.did(|stream| stream.flows[Way::Request as usize].gone && !stream.flows[Way::Request as usize].refused)
    }

    /// Whether a response's headers went on to the client, the upstream's or the filter's.
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

    /// Ends the stream, in Envoy's order: log, done, delete.
    pub fn complete(self) {
        if let Some(stream) = self.host.state().streams.get_mut(&self.id) {
            stream.completed = true;
            stream.visible.clear();
        }
        close(self.host, self.id, ["proxy_on_log", "proxy_on_done", "proxy_on_delete"]);
    }
}

/// A new context of a plugin.
pub(crate) fn create(host: &Running, plugin: u32, is_connection: bool) -> u32 {
    host.reload();
    let id = host.state().new_context();
    let unfiltered = host.is_dead();
    host.state().streams.insert(id, Stream { plugin, unfiltered, is_connection, ..Stream::default() });
    host.enter(id, "proxy_on_context_create", &[id, plugin]);
    host.run_deferred();
    id
}

/// The last callbacks of a context.
pub(crate) fn close(host: &Running, id: u32, callbacks: [&'static str; 3]) {
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

pub(crate) fn set_property(host: &Running, id: u32, path: &[&str], value: PropertyValue) {
    if let Some(stream) = host.state().streams.get_mut(&id) {
        stream.properties.set(path, value);
    }
}

/// What is held back of a body.
fn held(host: &Running, id: u32, buffer: BufferType) -> Vec<u8> {
    host.state().body(id, buffer).map(|body| [&body.kept[..], &body.held].concat()).unwrap_or_default()
}

/// What went on of a body, or of a connection's data.
fn text(value: Option<&[u8]>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value).into_owned())
}

pub(crate) fn sent(host: &Running, id: u32, buffer: BufferType) -> Vec<u8> {
    let state = host.state();
    let body = state.streams.get(&id).and_then(|stream| stream.bodies.get(&(buffer as u32)));
    body.map(|body| body.sent.clone()).unwrap_or_default()
}
