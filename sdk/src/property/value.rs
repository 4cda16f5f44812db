//! The encodings of properties, checked.
//!
//! Text and bytes are themselves. A number is eight bytes in little endian, whole or IEEE 754. A
//! truth value is one byte. A duration is a whole number of nanoseconds, and a time is their number
//! since the Unix epoch. A message is in the encoding of protobuf. A map is in the encoding of
//! header maps. A list is in the same encoding: its elements are names without values.

use core::fmt;
use core::ops::Deref;
use core::time::Duration;

use crate::ByteStr;
use crate::abi::{HostBytes, Pairs, PairsIter};
use crate::error::{Error, Result, Subject};

/// The value of a property: the bytes that the host wrote. The host does not tell their type, so
/// the reader chooses how to decode them.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::property;
///
/// fn example(stream: &HttpHandle<'_>) -> Result<()> {
///     if let Some(method) = property::request::method()? {
///         assert_eq!(method.text(), "POST");
///     }
///     info!("stream {}", stream.id());
///     Ok(())
/// }
/// # sluicegate_host::example::stream(example);
/// ```
///
/// # Cost
///
/// Reading a property neither calls the host nor allocates.
pub struct Property {
    bytes: HostBytes,
    name: Subject,
}

/// A part of a property: the value of a key of a [`Map`], or an element of a [`List`].
///
/// A map within a map is read from the host by its own, longer path.
///
/// ```
/// use sluicegate::Result;
/// use sluicegate::property::Value;
///
/// fn port(label: Value<'_>) -> Result<f64> {
///     label.to_f64() // numbers of metadata have fractions
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Value<'a> {
    bytes: &'a [u8],
    name: Subject,
}

/// Declares the methods that decode a value, once for the owner of the bytes and once for a part of
/// it.
macro_rules! decoders {
    ($($(#[$doc:meta])* fn $name:ident($value:ident) -> $ty:ty $decode:block)*) => {
        impl Property {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// Fails if the value has another size, or a content that the type does not allow.
                ///
                /// # Cost
                ///
                /// No host call, and nothing is copied.
                pub fn $name(&self) -> Result<$ty> {
                    self.value().$name()
                }
            )*
        }

        impl Value<'_> {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// Fails if the value has another size, or a content that the type does not allow.
                ///
                /// # Cost
                ///
                /// No host call, and nothing is copied.
                pub fn $name(self) -> Result<$ty> {
                    let $value = self;
                    $decode
                }
            )*
        }
    };
}

decoders! {
    /// Returns the value as a truth value, which has one byte.
    fn to_bool(value) -> bool {
        match value.bytes {
            [byte] => Ok(*byte != 0),
            _ => Err(Error::malformed(value.name, "a truth value has 1 byte")),
        }
    }

    /// Returns the value as a whole number with a sign, which has eight bytes.
    fn to_i64(value) -> i64 {
        Ok(i64::from_le_bytes(value.eight()?))
    }

    /// Returns the value as a whole number without a sign, which has eight bytes.
    fn to_u64(value) -> u64 {
        Ok(u64::from_le_bytes(value.eight()?))
    }

    /// Returns the value as a number with a fraction, which has eight bytes.
    fn to_f64(value) -> f64 {
        Ok(f64::from_le_bytes(value.eight()?))
    }

    /// Returns the value as a duration: nanoseconds in eight bytes. A duration is not negative.
    fn to_duration(value) -> Duration {
        let nanoseconds = u64::try_from(value.to_i64()?);
        nanoseconds.map(Duration::from_nanos).map_err(|_| Error::malformed(value.name, "a time below zero"))
    }

    /// Returns the value as a point in time: the time since the Unix epoch, like
    /// [`time::now`](crate::time::now).
    fn to_time(value) -> Duration {
        value.to_duration()
    }
}

impl Property {
    pub(crate) const fn new(name: Subject, bytes: HostBytes) -> Self {
        Self { bytes, name }
    }

    /// Returns the error for a text that is none of the expected ones.
    pub(super) fn unexpected(&self, problem: &'static str) -> Error {
        Error::malformed(self.name, problem)
    }

    fn value(&self) -> Value<'_> {
        Value { bytes: &self.bytes, name: self.name }
    }

    /// Returns the bytes as text, without checking them.
    #[must_use]
    pub fn text(&self) -> ByteStr<'_> {
        ByteStr::new(&self.bytes)
    }

    /// Returns the bytes, without the name of the property.
    #[must_use]
    pub fn into_bytes(self) -> HostBytes {
        self.bytes
    }

    /// Returns the value as a map.
    ///
    /// # Errors
    ///
    /// Fails if the lengths in the value do not add up.
    ///
    /// # Cost
    ///
    /// A check of each pair. Nothing is copied.
    #[doc(alias = "GetPropertyMap")]
    pub fn into_map(self) -> Result<Map> {
        let Self { bytes, name } = self;
        let pairs = Pairs::check(bytes).map_err(|problem| Error::malformed(name, problem))?;
        Ok(Map { pairs, name })
    }

    /// Returns the value as a list.
    ///
    /// # Errors
    ///
    /// Fails if the lengths in the value do not add up.
    ///
    /// # Cost
    ///
    /// A check of each element. Nothing is copied.
    pub fn into_list(self) -> Result<List> {
        Ok(List { map: self.into_map()? })
    }
}

impl Deref for Property {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text(), f)
    }
}

impl<'a> Value<'a> {
    /// Returns the bytes as text, without checking them.
    #[must_use]
    pub const fn text(self) -> ByteStr<'a> {
        ByteStr::new(self.bytes)
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    fn eight(self) -> Result<[u8; 8]> {
        self.bytes.try_into().map_err(|_| Error::malformed(self.name, "a number has 8 bytes"))
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text(), f)
    }
}

/// A property that is a map: the block that the host wrote, checked once and read in place. Keys
/// are compared byte by byte.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::property;
///
/// fn example(stream: &HttpHandle<'_>) -> Result<()> {
///     let headers = property::request::headers()?.expect("a request has headers");
///     assert_eq!(headers.get("user-agent").map(|agent| agent.text()), Some(ByteStr::from("curl")));
///     info!("stream {}", stream.id());
///     Ok(())
/// }
/// # sluicegate_host::example::stream(example);
/// ```
///
/// # Cost
///
/// No method calls the host or allocates. [`get`](Self::get) walks the pairs up to the one that it
/// finds.
pub struct Map {
    pairs: Pairs,
    name: Subject,
}

impl Map {
    /// Returns the number of pairs.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Returns whether the map has no pairs.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the first value of a key, or `None` if the map has no such key.
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Value<'_>> {
        let key = key.as_ref();
        self.iter().find(|(found, _)| **found == *key).map(|(_, value)| value)
    }

    /// Returns an iterator over all keys and values, in order.
    #[must_use]
    pub fn iter(&self) -> MapIter<'_> {
        MapIter { pairs: self.pairs.iter(), name: self.name }
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (ByteStr<'a>, Value<'a>);
    type IntoIter = MapIter<'a>;

    fn into_iter(self) -> MapIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

/// The keys and values of a [`Map`], in order.
///
/// ```
/// use sluicegate::property::Map;
///
/// fn size(map: &Map) -> usize {
///     map.iter().map(|(key, value)| key.len() + value.as_bytes().len()).sum()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct MapIter<'a> {
    pairs: PairsIter<'a>,
    name: Subject,
}

impl<'a> Iterator for MapIter<'a> {
    type Item = (ByteStr<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, bytes) = self.pairs.next()?;
        Some((ByteStr::new(key), Value { bytes, name: self.name }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.pairs.left(), Some(self.pairs.left()))
    }
}

impl ExactSizeIterator for MapIter<'_> {}

/// A property that is a list: the block that the host wrote, checked once and read in place.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::property;
///
/// fn example(stream: &HttpHandle<'_>) -> Result<()> {
///     if let Some(features) = property::node::client_features()? {
///         info!("stream {} of a proxy with {} features", stream.id(), features.len());
///     }
///     Ok(())
/// }
/// # sluicegate_host::example::stream(example);
/// ```
///
/// # Cost
///
/// No method calls the host or allocates. [`get`](Self::get) walks the elements up to the one that
/// it finds.
pub struct List {
    map: Map,
}

impl List {
    /// Returns the number of elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.map.len()
    }

    /// Returns whether the list has no elements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the element at an index, or `None` if there is none. The first index is 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value<'_>> {
        self.iter().nth(index)
    }

    /// Returns an iterator over all elements, in order.
    #[must_use]
    pub fn iter(&self) -> ListIter<'_> {
        ListIter(self.map.iter())
    }
}

impl<'a> IntoIterator for &'a List {
    type Item = Value<'a>;
    type IntoIter = ListIter<'a>;

    fn into_iter(self) -> ListIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The elements of a [`List`], in order.
///
/// ```
/// use sluicegate::property::List;
///
/// fn has(list: &List, text: &str) -> bool {
///     list.iter().any(|element| element.as_bytes() == text.as_bytes())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ListIter<'a>(MapIter<'a>);

impl<'a> Iterator for ListIter<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (element, value) = self.0.next()?;
        Some(Value { bytes: element.as_bytes(), name: value.name })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for ListIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn value(bytes: &[u8]) -> Value<'_> {
        Value { bytes, name: Subject::Named(&"property x.y") }
    }

    #[test]
    fn numbers_are_eight_bytes_in_little_endian() {
        let bytes = [1, 2, 0, 0, 0, 0, 0, 0];
        assert_eq!((value(&bytes).to_u64().unwrap(), value(&bytes).to_i64().unwrap()), (513, 513));
        assert_eq!(value(&bytes).to_duration().unwrap(), Duration::from_nanos(513));
        assert_eq!(value(&[0xff; 8]).to_i64().unwrap(), -1);
        assert_eq!(value(&1.5_f64.to_le_bytes()).to_f64().unwrap(), 1.5);
        assert_eq!(value(&i64::MAX.to_le_bytes()).to_time().unwrap().as_secs(), 9_223_372_036);
        assert!(value(&[0xff; 8]).to_duration().unwrap_err().is_malformed());
        assert!(value(&[0xff; 8]).to_time().is_err());
    }

    #[test]
    fn every_other_size_is_an_error_that_names_the_property() {
        for size in (0..32).filter(|size| *size != 8) {
            let bytes = [0; 32];
            let value = value(&bytes[..size]);
            let error = value.to_u64().unwrap_err();
            assert_eq!(format!("{error}"), "malformed property x.y: a number has 8 bytes");
            assert!(value.to_i64().is_err() && value.to_f64().is_err() && value.to_time().is_err());
            assert_eq!(value.to_bool().is_ok(), size == 1);
        }
        assert!(value(b"\x01").to_bool().unwrap() && !value(b"\0").to_bool().unwrap());
    }
}
