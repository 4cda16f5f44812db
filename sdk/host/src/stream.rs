//! An HTTP stream, driven callback by callback.

use sluicegate::abi::{BufferType, MapType, StreamType};

use crate::map::Map;
use crate::running::{Running, count};
use crate::state::{LocalReply, Stream};

/// A stream of the simulated proxy.
///
/// A callback that the module does not export is answered with 0, Continue, as a proxy does.
#[must_use]
pub struct HttpStream<'host> {
    host: &'host Running,
    id: u32,
}

impl<'host> HttpStream<'host> {
    pub(crate) fn open(host: &'host Running, plugin: u32) -> Self {
        let id = create(host, plugin);
        Self { host, id }
    }

    /// The number of the stream's context.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Sends the request's headers, with nothing after them; the filter's action.
    pub fn request_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        self.headers(MapType::HttpRequestHeaders, headers, true)
    }

    /// Sends the request's headers, with a body to follow; the filter's action.
    pub fn request_headers_with_body<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        self.headers(MapType::HttpRequestHeaders, headers, false)
    }

    /// Sends the response's headers, with nothing after them; the filter's action.
    pub fn response_headers_only<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        self.headers(MapType::HttpResponseHeaders, headers, true)
    }

    /// Sends the response's headers, with a body to follow; the filter's action.
    pub fn response_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        self.headers(MapType::HttpResponseHeaders, headers, false)
    }

    fn headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, map: MapType, headers: &[(N, V)], end_of_stream: bool) -> u32 {
        let headers = Map::new(headers);
        let arguments = [self.id, count(headers.len()), end_of_stream.into()];
        if let Some(stream) = self.host.state().streams.get_mut(&self.id) {
            stream.maps.insert(map as u32, headers);
            stream.responding = map == MapType::HttpResponseHeaders;
        }
        let callback = match map {
            MapType::HttpRequestHeaders => "proxy_on_request_headers",
            _ => "proxy_on_response_headers",
        };
        let action = self.host.filter(self.id, callback, &arguments, STOP_ALL);
        self.host.run_deferred();
        action
    }

    /// Sends a part of the request's body; the filter's action. While the filter holds the body back, it sees all of it again.
    pub fn request_body(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> u32 {
        self.body(BufferType::HttpRequestBody, part.as_ref(), end_of_stream, "proxy_on_request_body")
    }

    /// Sends a part of the response's body; likewise.
    pub fn response_body(&self, part: impl AsRef<[u8]>, end_of_stream: bool) -> u32 {
        self.body(BufferType::HttpResponseBody, part.as_ref(), end_of_stream, "proxy_on_response_body")
    }

    fn body(&self, buffer: BufferType, part: &[u8], end_of_stream: bool, callback: &'static str) -> u32 {
        send(self.host, self.id, buffer, part, |size| {
            self.host.filter(self.id, callback, &[self.id, size, end_of_stream.into()], NO_BUFFER)
        })
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

    /// Sends the request's trailers; the filter's action. If they go on, so does the body that was held back.
    pub fn request_trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, trailers: &[(N, V)]) -> u32 {
        self.trailers(MapType::HttpRequestTrailers, trailers, "proxy_on_request_trailers")
    }

    /// Sends the response's trailers; likewise.
    pub fn response_trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, trailers: &[(N, V)]) -> u32 {
        self.trailers(MapType::HttpResponseTrailers, trailers, "proxy_on_response_trailers")
    }

    fn trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        map: MapType,
        trailers: &[(N, V)],
        callback: &'static str,
    ) -> u32 {
        let trailers = Map::new(trailers);
        let arguments = [self.id, count(trailers.len())];
        if let Some(stream) = self.host.state().streams.get_mut(&self.id) {
            stream.maps.insert(map as u32, trailers);
        }
        let action = self.host.filter(self.id, callback, &arguments, STOP);
        if action == 0 {
            let body = match map {
                MapType::HttpRequestTrailers => BufferType::HttpRequestBody,
                _ => BufferType::HttpResponseBody,
            };
            let mut state = self.host.state();
            let held = state.streams.get_mut(&self.id).and_then(|stream| stream.bodies.get_mut(&(body as u32)));
            if let Some(held) = held {
                held.release();
            }
        }
        self.host.run_deferred();
        action
    }

    /// Sends a frame of metadata with the request, of so many elements. Its values cannot be read, and the proxy goes on whatever the filter answers.
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

    /// Whether the filter reset the stream.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.did(|stream| !stream.closed.is_empty())
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
        self.header(MapType::HttpRequestHeaders, name)
    }

    /// The first value of a response header, as the client would see it.
    #[must_use]
    pub fn response_header(&self, name: &str) -> Option<String> {
        self.header(MapType::HttpResponseHeaders, name)
    }

    fn header(&self, map: MapType, name: &str) -> Option<String> {
        let mut state = self.host.state();
        let value = state.stream_map(self.id, map)?.get(name.as_bytes())?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// The request's headers as the upstream would see them.
    #[must_use]
    pub fn request_map(&self) -> Map {
        self.host.state().stream_map(self.id, MapType::HttpRequestHeaders).cloned().unwrap_or_default()
    }

    /// The response's headers as the client would see them.
    #[must_use]
    pub fn response_map(&self) -> Map {
        self.host.state().stream_map(self.id, MapType::HttpResponseHeaders).cloned().unwrap_or_default()
    }

    /// The answer that the filter gave instead of the upstream.
    #[must_use]
    pub fn reply(&self) -> Option<LocalReply> {
        self.host.state().streams.get(&self.id)?.reply.clone()
    }

    /// What the filter set as a property, which Envoy keeps under `wasm.` and this name.
    #[must_use]
    pub fn filter_state(&self, name: &str) -> Option<Vec<u8>> {
        self.host.state().streams.get(&self.id)?.filter_state.get(name.as_bytes()).cloned()
    }

    /// An object of Envoy's own that the filter put into the filter state: its text, and the number of its life span.
    #[must_use]
    pub fn envoy_filter_state(&self, name: &str) -> Option<(Vec<u8>, u64)> {
        self.host.state().streams.get(&self.id)?.envoy_filter_state.get(name.as_bytes()).cloned()
    }

    /// How often the filter made the proxy forget the route.
    #[must_use]
    pub fn routes_cleared(&self) -> usize {
        self.host.state().streams.get(&self.id).map_or(0, |stream| stream.routes_cleared)
    }

    /// Ends the stream, in Envoy's order: log, done, delete.
    pub fn complete(self) {
        if let Some(stream) = self.host.state().streams.get_mut(&self.id) {
            stream.responding = false;
        }
        close(self.host, self.id, ["proxy_on_log", "proxy_on_done", "proxy_on_delete"]);
    }
}

/// What stops a stream whose VM is dead, as hosts number it: for headers, for data, and for trailers and connections.
const STOP_ALL: u32 = 4;
pub(crate) const NO_BUFFER: u32 = 3;
pub(crate) const STOP: u32 = 1;

/// A new context of a plugin.
pub(crate) fn create(host: &Running, plugin: u32) -> u32 {
    let id = host.state().new_context();
    host.state().streams.insert(id, Stream { plugin, ..Stream::default() });
    host.enter(id, "proxy_on_context_create", &[id, plugin]);
    host.run_deferred();
    id
}

/// The last callbacks of a context.
pub(crate) fn close(host: &Running, id: u32, callbacks: [&'static str; 3]) {
    for callback in callbacks {
        host.enter(id, callback, &[id]);
        host.run_deferred();
    }
    host.state().streams.remove(&id);
}

/// Sends a part of a body, or of a connection's data: what the filter answers decides whether it goes on, waits, or is dropped.
pub(crate) fn send(host: &Running, id: u32, buffer: BufferType, part: &[u8], filter: impl FnOnce(u32) -> u32) -> u32 {
    let buffer = buffer as u32;
    let size = {
        let mut state = host.state();
        let body = state.streams.get_mut(&id).expect("an open stream").bodies.entry(buffer).or_default();
        body.held.extend(part);
        count(body.held.len())
    };
    let action = filter(size);
    if let Some(stream) = host.state().streams.get_mut(&id)
        && let Some(body) = stream.bodies.get_mut(&buffer)
    {
        match action {
            0 => body.release(),
            3 => body.held.clear(),
            _ => {}
        }
    }
    host.run_deferred();
    action
}

/// What went on of a body, or of a connection's data.
pub(crate) fn sent(host: &Running, id: u32, buffer: BufferType) -> Vec<u8> {
    let state = host.state();
    let body = state.streams.get(&id).and_then(|stream| stream.bodies.get(&(buffer as u32)));
    body.map(|body| body.sent.clone()).unwrap_or_default()
}
