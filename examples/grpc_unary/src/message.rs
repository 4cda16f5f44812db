//! The two messages in protobuf's wire format.
//!
//! A message is a sequence of fields. Each field begins with a key, which is the field's number
//! times eight plus its type. Type 0 is a number, and type 2 is a length with that many bytes.
//! Numbers and lengths have seven bits in each byte, the lowest first. All bytes but the last have
//! the high bit set.

/// The key of field 1 as a number.
const NUMBER_1: u64 = 8;
/// The key of field 1 as bytes.
const BYTES_1: u8 = 8 | 2;

/// Encodes `Question { path }`.
pub(crate) fn question(path: &str) -> Vec<u8> {
    let mut message = vec![BYTES_1];
    let mut length = path.len();
    while length > 0x7f {
        message.push(length as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(path.as_bytes());
    message
}

/// Returns whether an `Answer` says `allowed`. A field that is left out is false, and so is a
/// message that cannot be read.
pub(crate) fn allowed(mut message: &[u8]) -> bool {
    let mut allowed = false;
    while !message.is_empty() {
        let Some(key) = number(&mut message) else { return false };
        let skipped = match key & 7 {
            0 => number(&mut message).map(|value| {
                if key == NUMBER_1 {
                    allowed = value != 0;
                }
            }),
            1 => skip(&mut message, 8),
            2 => number(&mut message).and_then(|length| skip(&mut message, length)),
            5 => skip(&mut message, 4),
            _ => None,
        };
        if skipped.is_none() {
            return false;
        }
    }
    allowed
}

/// Takes a number of at most ten bytes.
fn number(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn skip(message: &mut &[u8], bytes: u64) -> Option<()> {
    *message = message.get(usize::try_from(bytes).ok()?..)?;
    Some(())
}
