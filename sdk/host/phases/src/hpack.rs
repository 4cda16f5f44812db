//! Header blocks of HTTP/2, as far as the peers need them: what is written has no compression, and
//! what is read may have all but a dynamic table, which the peers' settings forbid.

/// The names of the table that every connection begins with; those with the same name and several
/// values stand once a value.
const NAMES: [&str; 61] = [
    ":authority",
    ":method",
    ":method",
    ":path",
    ":path",
    ":scheme",
    ":scheme",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "accept",
    "access-control-allow-origin",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
];

/// The values of the same table, from `:method` to the last `:status`.
const VALUES: [&str; 13] =
    ["GET", "POST", "/", "/index.html", "http", "https", "200", "204", "206", "304", "400", "404", "500"];

/// The printable characters by the number of their bits. Codes of one length follow each other, and
/// the shorter ones come first.
const CODES: [(u32, &str); 11] = [
    (5, "012aceiost"),
    (6, " %-./3456789=A_bdfghlmnpru"),
    (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, "&*,;XZ"),
    (10, "!\"()?"),
    (11, "'+|"),
    (12, "#>"),
    (13, "\0$@[]~"),
    (14, "^}"),
    (15, "<`{"),
    (19, "\\"),
];

/// Names and values.
pub(crate) type Fields = Vec<(String, String)>;

/// Writes a block.
pub(crate) fn encode(fields: &Fields) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// Reads a block; `None` if it is none, or refers to a dynamic table.
pub(crate) fn decode(mut block: &[u8]) -> Option<Fields> {
    let mut fields = Vec::new();
    while let Some(first) = block.first() {
        match first {
            // A field of the table.
            0x80.. => fields.push(known(integer(&mut block, 7)?)?),
            // The size of the dynamic table.
            0x20..0x40 => drop(integer(&mut block, 5)?),
            // A value, and the name or its number.
            _ => {
                let number = integer(&mut block, if *first >= 0x40 { 6 } else { 4 })?;
                let name = if number == 0 { text(&mut block)? } else { known(number)?.0 };
                fields.push((name, text(&mut block)?));
            }
        }
    }
    Some(fields)
}

fn known(number: usize) -> Option<(String, String)> {
    let at = number.checked_sub(1)?;
    let value = at.checked_sub(1).and_then(|at| VALUES.get(at)).copied().unwrap_or_default();
    Some(((*NAMES.get(at)?).to_owned(), value.to_owned()))
}

/// Reads a number that begins in the last bits of the first byte.
fn integer(block: &mut &[u8], bits: u32) -> Option<usize> {
    let mut next = || {
        let (first, rest) = block.split_first()?;
        *block = rest;
        Some(usize::from(*first))
    };
    let most = (1 << bits) - 1;
    let mut number = next()? & most;
    if number == most {
        for shift in [0, 7, 14] {
            let byte = next()?;
            number += (byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
    }
    Some(number)
}

fn text(block: &mut &[u8]) -> Option<String> {
    let packed = *block.first()? >= 0x80;
    let size = integer(block, 7)?;
    let (bytes, rest) = block.split_at_checked(size)?;
    *block = rest;
    if packed { unpacked(bytes) } else { Some(String::from_utf8_lossy(bytes).into_owned()) }
}

/// Reads a text in the code whose characters have as many bits as they are rare.
fn unpacked(bytes: &[u8]) -> Option<String> {
    let (mut text, mut code, mut size) = (String::new(), 0, 0);
    for byte in bytes {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            size += 1;
            if let Some(character) = character(code, size) {
                text.push(character);
                (code, size) = (0, 0);
            }
        }
    }
    // The rest of the last byte is ones.
    (size < 8 && code == (1 << size) - 1).then_some(text)
}

/// The character of a code with so many bits.
fn character(code: u32, size: u32) -> Option<char> {
    let (mut first, mut bits) = (0, 0);
    for (length, characters) in CODES {
        first <<= length - bits;
        bits = length;
        let count = u32::try_from(characters.len()).ok()?;
        if length == size && (first..first + count).contains(&code) {
            return characters.chars().nth(usize::try_from(code - first).ok()?);
        }
        first += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Fields {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let written = fields(&[(":status", "200"), ("x-cell", "yes")]);
        assert_eq!(decode(&encode(&written)), Some(written));
    }

    /// The examples C.4.1 and C.6.1 of RFC 7541, without the entries of the dynamic table.
    #[test]
    fn packed_blocks_are_read() {
        let request = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        let wanted = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
        assert_eq!(decode(request), Some(fields(&wanted)));
        let response = b"\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b";
        assert_eq!(decode(response), Some(fields(&[(":status", "302"), ("cache-control", "private")])));
        assert_eq!(decode(b"\x8f\xff\xff"), None);
        assert_eq!(decode(b"\xc0"), None);
    }
}
