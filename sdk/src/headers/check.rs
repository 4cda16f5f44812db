//! Names and values of headers, checked where they leave the guest.
//!
//! A name is a token of RFC 9110, in front of which one `:` may stand. A value has no control byte
//! but the tab. The value of a pseudo-header has no space and no tab either. Envoy's own codecs,
//! nghttp2 and the `http` crate judge received headers by the same rules. The next hop would refuse
//! a header that breaks them, or the header would end a line of the head early and begin a second
//! header, or a second message, that nobody wrote.
//!
//! # Cost
//!
//! The check looks at eight bytes at once. Lower-case names and ASCII values pass that check. Only
//! other names and values are read byte by byte. The compiler checks a name that is written as a
//! literal.

use core::num::NonZero;

use crate::error::{Error, Result};

/// The check of a header's name and value before the host gets them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Check {
    /// The name is a token, and the value has no control byte.
    Both,
    /// Neither is checked: the caller answers for the bytes. A name is never empty.
    Neither,
}

impl Check {
    /// Checks the name and the value of a header.
    ///
    /// # Errors
    ///
    /// Fails as [`name`] and [`value`] do.
    #[inline]
    pub(crate) fn check(self, name: &[u8], value: &[u8]) -> Result<()> {
        match self {
            Self::Both => {
                self::name(name)?;
                pseudo_value(name, value)?;
                self::value(name, value)
            }
            Self::Neither if name.is_empty() => Err(no_name()),
            Self::Neither => Ok(()),
        }
    }

    /// Returns whether a name passes the quick check. [`check`](Self::check) decides about the
    /// others.
    #[inline(always)]
    pub(super) fn passes_name(self, name: &[u8]) -> bool {
        match self {
            Self::Both => is_usual_name(name),
            Self::Neither => !name.is_empty(),
        }
    }

    /// Returns whether a value passes the quick check. [`check`](Self::check) decides about the
    /// others.
    #[inline]
    pub(super) fn passes_value(self, value: &[u8]) -> bool {
        self == Self::Neither || !may_have_control(value)
    }
}

const fn no_name() -> Error {
    Error::new("a header without a name")
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// Returns whether a byte may stand in a value: any byte but a control byte other than the tab.
pub(crate) const fn is_value(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}

/// Checks the name of a header: a token, in front of which one `:` may stand.
///
/// # Errors
///
/// Fails if the name is empty, or has another byte. The error names the byte and its position.
#[inline(never)]
pub(crate) fn name(name: &[u8]) -> Result<()> {
    if is_usual_name(name) { Ok(()) } else { name_bytewise(name) }
}

/// Returns whether a name is not empty and has only lower-case letters, digits, `-` and a few other
/// bytes of a token. Always inlined, so that the compiler evaluates the check of a literal.
#[inline(always)]
fn is_usual_name(name: &[u8]) -> bool {
    !name.is_empty()
        && !has_unusual(name, |word| {
            // For bytes below 0x80, the highest bit of each byte is set if the byte is past `z`, or
            // if it is before `^` and neither `-` nor a digit.
            let no_digit = each(0x7f + b'0').wrapping_sub(word) | word.wrapping_add(each(0x80 - b':'));
            word | word.wrapping_add(each(0x80 - b'{'))
                | each(0x7f + b'^').wrapping_sub(word) & (word ^ each(b'-')).wrapping_add(each(0x7f)) & no_digit
        })
}

#[cold]
#[inline(never)]
fn name_bytewise(name: &[u8]) -> Result<()> {
    let token = name.strip_prefix(b":").unwrap_or(name);
    if token.is_empty() {
        return Err(no_name());
    }
    match token.iter().position(|&byte| !is_token(byte)) {
        Some(at) => Err(invalid(&"header name", name, name, at + (name.len() - token.len()))),
        None => Ok(()),
    }
}

/// Checks the value of a pseudo-header, which becomes a part of the first line of a message: a
/// space would end it there.
///
/// # Errors
///
/// Fails with the first space.
fn pseudo_value(name: &[u8], value: &[u8]) -> Result<()> {
    if !name.starts_with(b":") {
        return Ok(());
    }
    match value.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
        Some(at) => Err(invalid(&"header value", name, value, at)),
        None => Ok(()),
    }
}

/// Checks the value of the header of this name. The value must have no control byte but the tab.
///
/// # Errors
///
/// Fails if the value has such a byte. The error names the byte, the header and the position.
#[inline]
pub(crate) fn value(name: &[u8], value: &[u8]) -> Result<()> {
    printable(&"header value", name, value)
}

/// Checks that bytes have no control byte but the tab. `what` and `name` say what the bytes belong
/// to.
///
/// # Errors
///
/// Fails if the bytes have such a byte.
#[inline]
pub(crate) fn printable(what: &'static &'static str, name: &[u8], bytes: &[u8]) -> Result<()> {
    if may_have_control(bytes) { printable_bytewise(what, name, bytes) } else { Ok(()) }
}

/// Returns whether bytes have a control byte other than the tab.
#[inline]
pub(crate) fn has_control(bytes: &[u8]) -> bool {
    may_have_control(bytes) && bytes.iter().any(|&byte| !is_value(byte))
}

/// Returns whether bytes have a control byte, or a byte that is not ASCII.
#[inline(never)]
fn may_have_control(bytes: &[u8]) -> bool {
    // The highest bit of each byte is set if the byte is not ASCII, is DEL, or is below a space.
    has_unusual(bytes, |word| word | word.wrapping_add(each(1)) | each(0x9f).wrapping_sub(word))
}

#[cold]
#[inline(never)]
fn printable_bytewise(what: &'static &'static str, name: &[u8], bytes: &[u8]) -> Result<()> {
    match bytes.iter().position(|&byte| !is_value(byte)) {
        Some(at) => Err(invalid(what, name, bytes, at)),
        None => Ok(()),
    }
}

fn invalid(what: &'static &'static str, name: &[u8], bytes: &[u8], at: usize) -> Error {
    Error::invalid_byte(what, name, at, bytes.get(at).copied().unwrap_or_default())
}

/// Repeats a byte eight times.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Returns whether a function sets the highest bit of any byte, for eight bytes at a time. The
/// function may get bytes twice, and short texts are filled up with `a`.
#[inline]
fn has_unusual(bytes: &[u8], unusual: impl Fn(u64) -> u64) -> bool {
    let mut found = 0;
    if let (Some(last), [before @ .., _]) = (bytes.last_chunk(), bytes) {
        // If the length is a multiple of eight, the last eight bytes are not checked twice.
        let (words, _) = before.as_chunks();
        for word in words {
            found |= unusual(u64::from_ne_bytes(*word));
        }
        found |= unusual(u64::from_ne_bytes(*last));
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_ne_bytes(*half)));
        found = unusual(first | last << 32);
    } else if let Some(len) = NonZero::new(bytes.len()) {
        let at = |at: usize| bytes.get(at).map_or(0, |byte| u64::from(*byte));
        let word = each(b'a') << 24 | at(0) | at(len.get() / 2) << 8 | at(len.get() - 1) << 16;
        found = unusual(word);
    }
    found & each(0x80) != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    const DELIMITERS: &[u8] = b"\"(),/:;<=>?@[\\]{} ";

    /// Returns whether a name follows the rules of the specification, checked byte by byte.
    fn is_name(name: &[u8]) -> bool {
        let token = name.strip_prefix(b":").unwrap_or(name);
        !token.is_empty() && token.iter().all(|byte| byte.is_ascii_graphic() && !DELIMITERS.contains(byte))
    }

    /// Passes each byte at each position of texts of each length below 40, so that each path
    /// through the words is taken.
    fn everywhere(mut with: impl FnMut(&[u8])) {
        for len in 1..40 {
            for at in 0..len {
                for byte in 0..=255 {
                    let mut text: Vec<u8> = b"x-request-id_of.the~caller".iter().copied().cycle().take(len).collect();
                    text[at] = byte;
                    with(&text);
                }
            }
        }
    }

    #[test]
    fn a_name_is_a_token_or_one_after_a_colon() {
        everywhere(|text| assert_eq!(name(text).is_ok(), is_name(text), "{:?}", text.escape_ascii().to_string()));
        assert!(name(b"").is_err() && name(b":").is_err() && name(b"::a").is_err());
        for usual in ["x", "id", "via", ":path", ":authority", "content-length", "X-B3-TraceId", "x_y", "a^b`c|d~"] {
            name(usual.as_bytes()).unwrap();
        }
    }

    /// Checks that usual names pass the quick check.
    #[test]
    fn a_name_of_usual_bytes_passes_at_first_sight() {
        let usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_^`".contains(&byte);
        everywhere(|text| {
            assert_eq!(is_usual_name(text), text.iter().copied().all(usual), "{:?}", text.escape_ascii().to_string());
        });
    }

    #[test]
    fn a_value_has_no_control_byte_but_the_tab() {
        everywhere(|text| {
            let right = !text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
            assert_eq!(value(b"x", text).is_ok(), right, "{:?}", text.escape_ascii().to_string());
        });
        value(b"x", b"").unwrap();
        value(b"x", b"gr\xc3\xbc\xc3\x9fe \xff\t").unwrap();
    }

    #[test]
    fn a_pseudo_header_has_no_space() {
        for name in [":path", ":method", ":authority", ":scheme", ":status", ":protocol", ":x"] {
            for value in ["/a b", " /", "/ ", "a\tb", " "] {
                assert!(Check::Both.check(name.as_bytes(), value.as_bytes()).is_err(), "{name}: {value:?}");
                Check::Neither.check(name.as_bytes(), value.as_bytes()).unwrap();
            }
            Check::Both.check(name.as_bytes(), b"/a%20b?c+d").unwrap();
        }
        for name in ["x", "X-Path", "path"] {
            Check::Both.check(name.as_bytes(), b"a b\tc").unwrap();
        }
    }

    #[test]
    fn the_error_says_which_header_which_byte_and_where() {
        let text = |answer: Result<()>| answer.unwrap_err().to_string();
        assert_eq!(
            text(Check::Both.check(b"x-user", b"a\r\nb")),
            "header value (x-user): byte 0x0d at position 1 is not allowed"
        );
        assert_eq!(text(value(b"", b"\0")), "header value: byte 0x00 at position 0 is not allowed");
        assert_eq!(text(name(b"x y\n")), "header name (x y\\n): byte 0x20 at position 1 is not allowed");
        assert_eq!(text(name(b":a:")), "header name (:a:): byte 0x3a at position 2 is not allowed");
        assert_eq!(text(name(b"")), "a header without a name");
        let split = Check::Both.check(b":path", b"/a HTTP/1.0");
        assert_eq!(text(split), "header value (:path): byte 0x20 at position 2 is not allowed");
    }
}
