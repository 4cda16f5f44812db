//! The values of properties, and the properties that a test gives the proxy.

use std::collections::BTreeMap;
use std::time::Duration;

use sluicegate::abi::Status;

use crate::model::map::Map;

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
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Status> {
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
    pub(crate) fn descend(&self, path: &[&[u8]]) -> Option<&Self> {
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

    pub(crate) fn get(&self, path: &[&[u8]]) -> Option<Result<Vec<u8>, Status>> {
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
