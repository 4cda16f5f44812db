//! The part of protobuf that the functions need: fields of bytes and of numbers, written in order
//! and read in any order.

use crate::buffer::Buffer;
use crate::error::Result;

/// A message that is being written. A field with the default value is left out, as in version 3 of
/// protobuf.
pub(super) struct Message(Buffer);

/// The wire types.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

impl Message {
    pub(super) const fn new() -> Self {
        Self(Buffer::new())
    }

    /// Writes a field of text or bytes.
    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.varint(u64::from(field) << 3 | BYTES)?;
        self.varint(bytes.len() as u64)?;
        self.0.append(bytes)
    }

    /// Writes a field with a number, a truth value or a variant.
    pub(super) fn number(&mut self, field: u32, number: u64) -> Result<()> {
        if number == 0 {
            return Ok(());
        }
        self.varint(u64::from(field) << 3 | VARINT)?;
        self.varint(number)
    }

    fn varint(&mut self, mut number: u64) -> Result<()> {
        while number >= 0x80 {
            self.0.append(&[number.to_le_bytes()[0] | 0x80])?;
            number >>= 7;
        }
        self.0.append(&[number.to_le_bytes()[0]])
    }

    pub(super) fn written(&self) -> &[u8] {
        self.0.written()
    }
}

/// A field that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A field of a kind that is not used here.
    Other,
}

/// The rest of a message.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// Returns the next field with its number, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a message.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, &'static str> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        if tag >> 3 == 0 {
            return Err("a field without a number");
        }
        let field = match tag & 7 {
            VARINT => Field::Number(self.varint()?),
            BYTES => {
                let len = self.varint()?;
                Field::Bytes(self.take(len)?)
            }
            FIXED_64 => self.take(8).map(|_| Field::Other)?,
            FIXED_32 => self.take(4).map(|_| Field::Other)?,
            _ => return Err("an unknown kind of field"),
        };
        Ok(Some((tag >> 3, field)))
    }

    /// Returns the number of bytes that are left.
    pub(super) const fn left(&self) -> usize {
        self.0.len()
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("ends within a number")?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number of more than 64 bits")
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], &'static str> {
        let len = usize::try_from(len).map_err(|_| "a field longer than memory")?;
        let (taken, rest) = self.0.split_at_checked(len).ok_or("ends within a field")?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn fields(message: &[u8]) -> Result<Vec<(u64, Field<'_>)>, &'static str> {
        let mut left = Fields::of(message);
        let mut fields = Vec::new();
        while let Some(field) = left.next()? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn the_examples_of_protobufs_documentation() {
        let mut message = Message::new();
        message.number(1, 150).unwrap();
        message.bytes(2, b"testing").unwrap();
        let bytes = b"\x08\x96\x01\x12\x07testing";
        assert_eq!(message.written(), bytes);
        assert_eq!(fields(bytes).unwrap(), [(1, Field::Number(150)), (2, Field::Bytes(b"testing"))]);
    }

    #[test]
    fn defaults_are_left_out_and_the_largest_number_is_ten_bytes() {
        let mut message = Message::new();
        message.number(1, 0).unwrap();
        message.bytes(2, b"").unwrap();
        assert_eq!(message.written(), b"");
        message.number(3, u64::MAX).unwrap();
        assert_eq!(message.written(), b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        assert_eq!(fields(message.written()).unwrap(), [(3, Field::Number(u64::MAX))]);
    }

    #[test]
    fn other_fields_are_passed_over() {
        let bytes = b"\x099_bytes_\x0dfour\x08\x01";
        assert_eq!(fields(bytes).unwrap(), [(1, Field::Other), (1, Field::Other), (1, Field::Number(1))]);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let wrong: [&[u8]; 8] = [
            b"\x02\x01x",
            b"\x08",
            b"\x08\x80",
            b"\x12\x05four",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x0b",
            b"\x091234567",
        ];
        for bytes in wrong {
            assert!(fields(bytes).is_err(), "{bytes:x?}");
        }
    }
}
