//! Strings, with their escapes.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::check::unit;
use crate::abi::try_slice;
use crate::error::Result;

/// A string of a checked text, with its escapes. It compares by its meaning:
///
/// ```
/// let json = sluicegate::json::parse(br#""caf\u00e9""#)?;
/// assert_eq!(json.to_text().unwrap(), "café");
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Text<'a> {
    raw: &'a str,
}

impl<'a> Text<'a> {
    /// Returns the string of the text between its quotes.
    pub(super) const fn new(raw: &'a str) -> Self {
        Self { raw }
    }

    /// Returns the string if it has no escapes, or `None`.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        (!self.raw.as_bytes().contains(&b'\\')).then_some(self.raw)
    }

    /// Returns the string, borrowed if it has no escapes.
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// With an escape, one block of the size that the string has in the text.
    pub fn to_str(&self) -> Result<Cow<'a, str>> {
        if let Some(plain) = self.as_str() {
            return Ok(Cow::Borrowed(plain));
        }
        // An escape is never shorter than the character that it stands for.
        let mut decoded = Vec::from(try_slice(self.raw.len(), || 0)?);
        let mut len = 0;
        for char in self.chars() {
            let size = char.len_utf8();
            if let Some(room) = decoded.get_mut(len..).filter(|room| room.len() >= size) {
                char.encode_utf8(room);
                len += size;
            }
        }
        decoded.truncate(len);
        Ok(Cow::Owned(String::from_utf8(decoded).unwrap_or_default()))
    }

    /// Returns the characters, with the escapes resolved.
    #[must_use]
    pub const fn chars(&self) -> Chars<'a> {
        Chars { rest: self.raw }
    }

    /// Returns the text between the quotes as it is, with the escapes.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.raw
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Eq for Text<'_> {}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|char| f.write_char(char))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.raw)
    }
}

/// The characters of a [`Text`], with the escapes resolved.
///
/// ```
/// use sluicegate::json;
///
/// let value = json::parse(br#""a\n""#)?;
/// assert!(value.to_text().is_some_and(|text| text.chars().eq(['a', '\n'])));
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chars<'a> {
    rest: &'a str,
}

impl Chars<'_> {
    fn unit(&mut self) -> Option<u32> {
        let unit = unit(self.rest.as_bytes())?;
        self.rest = self.rest.get(4..)?;
        Some(unit)
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    #[inline]
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let first = chars.next()?;
        self.rest = chars.as_str();
        if first != '\\' {
            return Some(first);
        }
        let escape = chars.next()?;
        self.rest = chars.as_str();
        Some(match escape {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut code = self.unit()?;
                if matches!(code, 0xd800..=0xdbff) {
                    self.rest = self.rest.strip_prefix("\\u")?;
                    code = 0x1_0000 + ((code & 0x3ff) << 10 | self.unit()? & 0x3ff);
                }
                char::from_u32(code)?
            }
            itself => itself,
        })
    }
}
