//! An HTTP stream, driven callback by callback.

use sluicegate::abi::MapType;

use crate::host::{PLUGIN, Running};
use crate::map::Map;
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
    pub(crate) fn open(host: &'host Running, id: u32) -> Self {
        host.state().streams.insert(id, Stream::default());
        if let Some(create) = host.module.proxy_on_context_create {
            host.enter(id, || create(id, PLUGIN));
        }
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

    /// Sends the response's headers, with a body to follow; the filter's action.
    pub fn response_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, headers: &[(N, V)]) -> u32 {
        self.headers(MapType::HttpResponseHeaders, headers, false)
    }

    fn headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(&self, map: MapType, headers: &[(N, V)], end_of_stream: bool) -> u32 {
        let headers = Map::new(headers);
        let count = u32::try_from(headers.len()).expect("fewer headers than 4 billion");
        if let Some(stream) = self.host.state().streams.get_mut(&self.id) {
            stream.maps.insert(map as u32, headers);
            stream.responding = map == MapType::HttpResponseHeaders;
        }
        let callback = match map {
            MapType::HttpRequestHeaders => self.host.module.proxy_on_request_headers,
            _ => self.host.module.proxy_on_response_headers,
        };
        callback.map_or(0, |callback| self.host.enter(self.id, || callback(self.id, count, end_of_stream.into())))
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
        let (id, module) = (self.id, self.host.module);
        if let Some(stream) = self.host.state().streams.get_mut(&id) {
            stream.responding = false;
        }
        self.host.enter(id, || {
            if let Some(log) = module.proxy_on_log {
                log(id);
            }
            if let Some(done) = module.proxy_on_done {
                done(id);
            }
            if let Some(delete) = module.proxy_on_delete {
                delete(id);
            }
        });
        self.host.state().streams.remove(&id);
    }
}
