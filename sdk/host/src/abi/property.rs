//! The host calls on properties, with Envoy's semantics.

use sluicegate::abi::{MapType, Status};

use crate::model::direction::Way;
use crate::model::map::Map;
use crate::model::property::PropertyValue;
use crate::model::state::State;
use crate::model::stream::Stream;

/// The properties that Envoy has, and leaves empty if they are not configured.
const UNSET: [&[&[u8]]; 6] = [
    &[b"plugin_name"],
    &[b"xds", b"route_name"],
    &[b"xds", b"filter_chain_name"],
    &[b"xds", b"cluster_metadata"],
    &[b"xds", b"listener_metadata"],
    &[b"metadata"],
];

/// The property of every listener: zero if the configuration does not set it.
const LISTENER_DIRECTION: [&[u8]; 2] = [b"xds", b"listener_direction"];

impl State {
    /// Returns the bytes of a property.
    ///
    /// The first of these that has the path counts: what the test set for the stream, what the test
    /// set for the proxy, the properties that the stream's headers give, the properties that Envoy
    /// leaves empty, and the stream's filter state.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::NotFound`] if there is no such property, and with
    /// [`Status::SerializationFailure`] if the property has no form in bytes.
    pub(crate) fn property(&self, path: &[u8]) -> Result<Vec<u8>, Status> {
        let path: Vec<&[u8]> = path.split(|byte| *byte == 0).collect();
        let stream = self.streams.get(&self.effective);
        if let Some(found) =
            stream.and_then(|stream| stream.properties.get(&path)).or_else(|| self.properties.get(&path))
        {
            return found;
        }
        if let Some(found) = stream.filter(|stream| !stream.logged).and_then(|stream| stream.derived(&path)) {
            return found.encode();
        }
        match path.as_slice() {
            [b"plugin_root_id"] => {
                let plugin = self.plugins.get(&self.plugin_of(self.effective));
                return Ok(plugin.map(|plugin| plugin.root_id.clone()).unwrap_or_default());
            }
            [b"plugin_vm_id"] => return Ok(self.vm_id.clone()),
            _ => {}
        }
        if UNSET.contains(&path.as_slice()) {
            return Ok(Vec::new());
        }
        if path == LISTENER_DIRECTION {
            return PropertyValue::Int(0).encode();
        }
        let state = stream.ok_or(Status::NotFound)?;
        let name = match path.as_slice() {
            [b"filter_state"] => return Err(Status::SerializationFailure),
            [b"filter_state", name] => match name.strip_prefix(b"wasm.") {
                Some(name) => name,
                None => {
                    let object = state.envoy_filter_state.get(*name).ok_or(Status::NotFound)?;
                    return Ok(object.0.clone());
                }
            },
            [name] => name,
            _ => return Err(Status::NotFound),
        };
        state.filter_state.get(name).cloned().ok_or(Status::NotFound)
    }

    /// Sets the filter state of the stream. The bytes of the path are the key, whatever they are.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::NotFound`] if the context has no stream, and with
    /// [`Status::BadArgument`] if the property was declared to be set once, and is set.
    pub(crate) fn set_property(&mut self, path: Vec<u8>, value: Vec<u8>) -> Result<(), Status> {
        let stream = self.streams.get_mut(&self.effective).ok_or(Status::NotFound)?;
        if self.declared.get(&path) == Some(&true) && stream.filter_state.contains_key(&path) {
            return Err(Status::BadArgument);
        }
        stream.filter_state.insert(path, value);
        Ok(())
    }
}

impl Stream {
    /// Returns a property that the headers give. The request's headers are hidden once they went
    /// on, until the stream is logged.
    fn derived(&self, path: &[&[u8]]) -> Option<PropertyValue> {
        let map = |map: MapType| self.maps.get(&(map as u32)).cloned().unwrap_or_default();
        let shown = self.completed || self.visible.contains(&(MapType::HttpRequestHeaders as u32));
        let request = || if shown { map(MapType::HttpRequestHeaders) } else { Map::default() };
        let response = || map(MapType::HttpResponseHeaders);
        let bytes = |bytes: Option<&[u8]>| bytes.map(PropertyValue::from);
        match path {
            [b"request" | b"response"] => Some(PropertyValue::Opaque),
            [b"request", b"headers", rest @ ..] => PropertyValue::from(request()).descend(rest).cloned(),
            [b"response", b"headers", rest @ ..] => PropertyValue::from(response()).descend(rest).cloned(),
            [b"response", b"trailers", rest @ ..] => {
                PropertyValue::from(map(MapType::HttpResponseTrailers)).descend(rest).cloned()
            }
            [b"response", b"code"] => {
                // An edit of the status counts once the headers went on.
                let (map, came) = (response(), &self.came[Way::Response as usize]);
                let gone = self.flows[Way::Response as usize].gone;
                let status = came.get(b":status").filter(|_| !gone).or_else(|| map.get(b":status"));
                let code = str::from_utf8(status?).ok()?.parse::<i64>().ok()?;
                Some(PropertyValue::Int(code))
            }
            [b"request", name] => {
                let headers = request();
                let target = headers.get(b":path");
                let split = || target.map(|target| target.splitn(2, |byte| *byte == b'?'));
                match *name {
                    b"path" => bytes(target),
                    b"url_path" => bytes(split()?.next()),
                    b"query" => bytes(target.map(|_| split()?.nth(1)).map(Option::unwrap_or_default)),
                    b"host" => bytes(headers.get(b":authority").or_else(|| headers.get(b"host"))),
                    b"scheme" => bytes(headers.get(b":scheme")),
                    b"method" => bytes(headers.get(b":method")),
                    b"referer" => bytes(headers.get(b"referer")),
                    b"useragent" => bytes(headers.get(b"user-agent")),
                    b"id" => bytes(headers.get(b"x-request-id")),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
