//! Properties with Envoy's semantics.

use std::collections::BTreeMap;
use std::time::Duration;

use sluicegate::abi::{MapType, Status};

use crate::Map;
use crate::flow::Way;
use crate::state::{State, Stream};

/// The value of a property.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PropertyValue {
    /// Text, bytes, or a serialised message.
    Bytes(Vec<u8>),
    /// A truth value.
    Bool(bool),
    /// An integer, or a duration in nanoseconds.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Keys and values. A longer path reaches a single value.
    Map(Vec<(String, PropertyValue)>),
    /// Elements. A longer path reaches a single element by its number.
    List(Vec<PropertyValue>),
    /// A value that the proxy holds and cannot put into bytes.
    Opaque,
}

macro_rules! from {
    ($($ty:ty => |$value:ident| $property:expr;)*) => {
        $(impl From<$ty> for PropertyValue {
            fn from($value: $ty) -> Self {
                $property
            }
        })*
    };
}

from! {
    &str => |text| Self::Bytes(text.into());
    &[u8] => |bytes| Self::Bytes(bytes.into());
    Vec<u8> => |bytes| Self::Bytes(bytes);
    bool => |value| Self::Bool(value);
    i64 => |number| Self::Int(number);
    f64 => |number| Self::Double(number);
    Duration => |time| Self::Int(i64::try_from(time.as_nanos()).expect("less than 292 years"));
    Map => |map| Self::Map(join_repeats(&map));
}

/// Joins the values of a repeated header with commas, as Envoy's properties do.
fn join_repeats(map: &Map) -> Vec<(String, PropertyValue)> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in map.to_text() {
        joined.entry(name).and_modify(|before| *before += &format!(",{value}")).or_insert(value);
    }
    joined.into_iter().map(|(name, value)| (name, PropertyValue::Bytes(value.into()))).collect()
}

impl PropertyValue {
    fn encode(&self) -> Result<Vec<u8>, Status> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::Bool(value) => Ok(vec![(*value).into()]),
            Self::Int(number) => Ok(number.to_le_bytes().into()),
            Self::Double(number) => Ok(number.to_le_bytes().into()),
            Self::Map(pairs) => {
                let pair = |(key, value): &(String, Self)| Ok((key.clone().into_bytes(), value.encode()?));
                Ok(encode_pairs(&pairs.iter().map(pair).collect::<Result<Vec<_>, Status>>()?))
            }
            Self::List(elements) => {
                let pair = |element: &Self| Ok((element.encode()?, Vec::new()));
                Ok(encode_pairs(&elements.iter().map(pair).collect::<Result<Vec<_>, Status>>()?))
            }
            Self::Opaque => Err(Status::SerializationFailure),
        }
    }

    /// Returns the value at a path within this one.
    fn descend(&self, path: &[&[u8]]) -> Option<&Self> {
        let Some((segment, rest)) = path.split_first() else { return Some(self) };
        let inner = match self {
            Self::Map(pairs) => pairs.iter().find(|(key, _)| key.as_bytes() == *segment).map(|(_, value)| value),
            Self::List(elements) => {
                let index = str::from_utf8(segment).ok()?.parse::<usize>().ok()?;
                elements.get(index)
            }
            _ => None,
        };
        inner?.descend(rest)
    }
}

/// Encodes pairs as a header map, except that an empty map is a count of zero, and that names keep
/// their case.
fn encode_pairs(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).expect("less than 4 GiB").to_le_bytes();
    let mut bytes = number(pairs.len()).to_vec();
    for (key, value) in pairs {
        bytes.extend(number(key.len()));
        bytes.extend(number(value.len()));
    }
    for part in pairs.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend(part);
        bytes.push(0);
    }
    bytes
}

/// The properties that a test gave the proxy, by path.
#[derive(Debug, Default)]
pub(crate) struct Properties(BTreeMap<Vec<Vec<u8>>, PropertyValue>);

impl Properties {
    pub(crate) fn set(&mut self, path: &[&str], value: PropertyValue) {
        self.0.insert(path.iter().map(|segment| segment.as_bytes().to_vec()).collect(), value);
    }

    fn get(&self, path: &[&[u8]]) -> Option<Result<Vec<u8>, Status>> {
        let found = self.0.iter().find_map(|(known, value)| {
            let (outer, inner) = path.split_at_checked(known.len())?;
            if outer.iter().zip(known).all(|(a, b)| *a == b.as_slice()) { value.descend(inner) } else { None }
        });
        // An object with parts, such as all of `request`, has no form in bytes.
        let has_parts =
            || self.0.keys().any(|known| known.iter().zip(path).filter(|(a, b)| a == *b).count() == path.len());
        found.map(PropertyValue::encode).or_else(|| has_parts().then_some(Err(Status::SerializationFailure)))
    }
}

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
