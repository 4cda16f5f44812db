//! The two messages in protobuf's wire format. Both are one text in field 1: its key, its length as
//! a varint with the lowest seven bits first, and its bytes.

/// The key of field 1 as bytes.
const TEXT: u8 = 8 | 2;

/// Encodes `Path { path }`.
pub(crate) fn path(path: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(path.len() + 6);
    message.push(TEXT);
    let mut length = path.len();
    loop {
        let byte = length as u8 & 0x7f;
        length >>= 7;
        if length == 0 {
            message.push(byte);
            break;
        }
        message.push(byte | 0x80);
    }
    message.extend_from_slice(path.as_bytes());
    message
}

/// Returns the text of an `Acknowledgement`, or `None` if there is another field or the message is
/// broken. A text that is left out is empty.
pub(crate) fn text(message: &[u8]) -> Option<&str> {
    let [key, rest @ ..] = message else { return Some("") };
    let digits = 1 + rest.iter().take(4).position(|byte| byte & 0x80 == 0)?;
    let (length, text) = rest.split_at(digits);
    let length = length.iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    (*key == TEXT && length == text.len()).then(|| str::from_utf8(text).ok()).flatten()
}
