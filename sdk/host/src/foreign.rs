//! The functions that Envoy offers by name.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use sluicegate::abi::Status;

use crate::state::State;

type Function = dyn Fn(&[u8]) -> Result<Vec<u8>, Status>;

/// What a test added, over what the proxy has of its own.
#[derive(Clone, Default)]
pub(crate) struct Functions(BTreeMap<Vec<u8>, Rc<Function>>);

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(|name| String::from_utf8_lossy(name))).finish()
    }
}

impl Functions {
    pub(crate) fn add(&mut self, name: &str, function: Rc<Function>) {
        self.0.insert(name.into(), function);
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<Rc<Function>> {
        self.0.get(name).cloned()
    }
}

impl State {
    /// A function of the proxy's own.
    pub(crate) fn foreign_function(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, Status> {
        match name {
            b"compress" => Ok(compress(arguments)),
            b"uncompress" => uncompress(arguments).ok_or(Status::SerializationFailure),
            b"clear_route_cache" => {
                // Where there is no stream there is no route, and Envoy does not mind.
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

/// The fields of a protobuf message: a number or bytes for each.
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

/// zlib's format, in blocks that are stored as they are: larger than what Envoy makes of it, and as valid.
fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(usize::from(u16::MAX)).peekable();
    loop {
        let block = blocks.next().unwrap_or_default();
        let len = u16::try_from(block.len()).expect("a chunk");
        out.push(blocks.peek().is_none().into());
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(block);
        if blocks.peek().is_none() {
            out.extend(adler32(bytes).to_be_bytes());
            return out;
        }
    }
}

fn uncompress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&[0x78, 0x01])?;
    let mut out = Vec::new();
    loop {
        let ([last, low, high, not_low, not_high], after) = rest.split_first_chunk()?;
        let len = u16::from_le_bytes([*low, *high]);
        if *last > 1 || u16::from_le_bytes([*not_low, *not_high]) != !len {
            return None;
        }
        let (block, after) = after.split_at_checked(len.into())?;
        out.extend(block);
        rest = after;
        if *last == 1 {
            return (rest == adler32(&out).to_be_bytes()).then_some(out);
        }
    }
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_blocks_are_zlibs() {
        // `zlib.compress(b"Wikipedia", 0)` of Python.
        let known = b"\x78\x01\x01\x09\x00\xf6\xffWikipedia\x11\xe6\x03\x98";
        assert_eq!(compress(b"Wikipedia"), known);
        for len in [0, 1, 65_534, 65_535, 65_536, 200_000] {
            let bytes: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut compressed = compress(&bytes);
            assert_eq!(uncompress(&compressed).as_ref(), Some(&bytes), "{len}");
            let middle = compressed.len() / 2;
            compressed[middle] ^= 1;
            assert_eq!(uncompress(&compressed), None, "{len}");
        }
        for len in 0..known.len() {
            assert_eq!(uncompress(&known[..len]), None);
        }
    }
}
