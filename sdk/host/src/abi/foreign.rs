//! Foreign functions, which filters call by name.

use std::collections::BTreeMap;

use sluicegate::abi::Status;

use crate::abi::zlib::{compress, uncompress};
use crate::model::state::State;

impl State {
    /// Runs one of the proxy's own functions.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::NotFound`] if there is no function of this name, and with the
    /// function's own status if the function fails.
    pub(crate) fn foreign_function(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Status> {
        match name {
            b"compress" => Ok(compress(arguments)),
            b"uncompress" => uncompress(arguments).ok_or(Status::SerializationFailure),
            b"clear_route_cache" => {
                // A context without a stream has no route, and Envoy does not mind.
                if let Some(stream) = self.streams.get_mut(&self.effective) {
                    stream.routes_cleared += 1;
                }
                Ok(Vec::new())
            }
            b"set_envoy_filter_state" => {
                let arguments = fields(arguments).ok_or(Status::BadArgument)?;
                let text = |field| arguments.get(&field).map(|field| field.1.clone()).unwrap_or_default();
                let (name, value) = (text(1), text(2));
                let stream = self.streams.get_mut(&self.effective).ok_or(Status::NotFound)?;
                if !name.starts_with(b"envoy.") {
                    return Err(Status::NotFound);
                }
                let life_span = arguments.get(&3).map_or(0, |field| field.0);
                stream.envoy_filter_state.insert(name, (value, life_span));
                Ok(Vec::new())
            }
            b"declare_property" => {
                let arguments = fields(arguments).ok_or(Status::BadArgument)?;
                let name = arguments.get(&1).map(|field| field.1.clone()).unwrap_or_default();
                let read_only = arguments.get(&2).is_some_and(|field| field.0 != 0);
                if self.declared.contains_key(&name) {
                    return Err(Status::BadArgument);
                }
                self.declared.insert(name, read_only);
                Ok(Vec::new())
            }
            _ => Err(Status::NotFound),
        }
    }
}

/// Returns the fields of a protobuf message, each with a number or with bytes, or `None` if the
/// message is malformed.
fn fields(message: &[u8]) -> Option<BTreeMap<u64, (u64, Vec<u8>)>> {
    let mut bytes = message.iter().copied();
    let mut fields = BTreeMap::new();
    while bytes.len() > 0 {
        let tag = varint(&mut bytes)?;
        let number = varint(&mut bytes)?;
        let field = match tag & 7 {
            0 => (number, Vec::new()),
            2 => {
                let len = usize::try_from(number).ok().filter(|len| *len <= bytes.len())?;
                (0, bytes.by_ref().take(len).collect())
            }
            _ => return None,
        };
        fields.insert(tag >> 3, field);
    }
    Some(fields)
}

fn varint(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
