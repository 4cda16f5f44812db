//! Values as views into a checked text.

use core::fmt;

use super::Text;
use super::check::{self, SPACE};
use crate::error::{Error, Result, Subject};

const JSON: Subject = Subject::Named(&"JSON");

/// Checks a text, and returns its value.
///
/// # Errors
///
/// Fails if the text is not JSON in UTF-8: then [`Error::is_malformed`] is `true`. For bytes that
/// look like a serialised `google.protobuf.Struct` the error says so. A proxy hands over such a
/// message if the configuration gives a `Struct`, and the JSON if it gives a `StringValue`.
///
/// # Cost
///
/// The text is read twice. Nothing is allocated.
pub fn parse(text: &[u8]) -> Result<Value<'_>> {
    parse_text(text).map_err(|problem| {
        let problem =
            if is_struct(text) { "the bytes of a google.protobuf.Struct: give a StringValue" } else { problem };
        Error::malformed(JSON, problem)
    })
}

fn parse_text(text: &[u8]) -> Result<Value<'_>, &'static str> {
    let text = str::from_utf8(text).map_err(|_| "not UTF-8")?;
    let text = check::after(text, SPACE);
    let rest = check::value(text)?;
    if !check::after(rest, SPACE).is_empty() {
        return Err("text after the value");
    }
    Ok(Value { json: text.get(..text.len() - rest.len()).unwrap_or_default() })
}

/// Returns whether bytes begin as a serialised `google.protobuf.Struct` does: with an entry of its
/// map. The entry begins with a key. After it comes another entry, or nothing.
#[cold]
fn is_struct(bytes: &[u8]) -> bool {
    const FIRST: u8 = 0x0a;
    let (len, entry) = match bytes {
        [FIRST, len @ ..0x80, entry @ ..] => (usize::from(*len), entry),
        [FIRST, low, high @ ..0x80, entry @ ..] => (usize::from(low & 0x7f) | usize::from(*high) << 7, entry),
        _ => return false,
    };
    entry.first() == Some(&FIRST) && entry.get(len..).is_some_and(|rest| matches!(rest, [] | [FIRST, ..]))
}

/// A value in a checked text.
///
/// ```
/// use sluicegate::json;
///
/// let value = json::parse(br#"{"limits": [1, 2]}"#)?;
/// assert_eq!(value.get("limits").and_then(|limits| limits.at(1)).and_then(|limit| limit.to_u64()), Some(2));
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Value<'a> {
    /// The text from the first byte of the value to its last.
    json: &'a str,
}

/// The kind of a value.
///
/// ```
/// use sluicegate::json::{self, Kind};
///
/// assert_eq!(json::parse(b"[]")?.kind(), Kind::Array);
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number of any kind.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'a> Value<'a> {
    /// Returns the kind of the value.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.json.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// Returns the value as it is in the text.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.json
    }

    /// Returns the member of an object with this name, or `None` if there is none, or if the value
    /// is not an object. If the name comes twice, returns the last member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Self> {
        self.members().filter(|(found, _)| found == name).last().map(|(_, value)| value)
    }

    /// Returns the element of an array at this index, or `None` if there is none, or if the value
    /// is not an array. The first index is 0.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<Self> {
        self.elements().nth(index)
    }

    /// Returns an iterator over the members of an object, in order. It is empty if the value is not
    /// an object.
    #[must_use]
    pub fn members(&self) -> Members<'a> {
        Members { rest: self.json.strip_prefix('{').unwrap_or_default() }
    }

    /// Returns an iterator over the elements of an array, in order. It is empty if the value is not
    /// an array.
    #[must_use]
    pub fn elements(&self) -> Elements<'a> {
        Elements { rest: self.json.strip_prefix('[').unwrap_or_default() }
    }

    /// Returns the string, or `None` if the value is not a string.
    #[must_use]
    pub fn to_text(&self) -> Option<Text<'a>> {
        self.json.strip_prefix('"')?.strip_suffix('"').map(Text::new)
    }

    /// Returns the string if it has no escapes, or `None` if it has one, or if the value is not a
    /// string. [`to_text`](Self::to_text) returns strings with escapes too.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        self.to_text()?.as_str()
    }

    /// Returns the truth value, or `None` if the value is neither `true` nor `false`.
    #[must_use]
    pub fn to_bool(&self) -> Option<bool> {
        match self.json {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// Returns the whole number, from 0 to 2⁶⁴ − 1 and written without fraction and exponent, or
    /// `None` if the value is something else.
    #[must_use]
    pub fn to_u64(&self) -> Option<u64> {
        self.json.parse().ok()
    }

    /// Returns the whole number, from −2⁶³ to 2⁶³ − 1 and written without fraction and exponent, or
    /// `None` if the value is something else.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        self.json.parse().ok()
    }

    /// Returns the number, of any kind, rounded to the nearest `f64`, or `None` if the value is not
    /// a number.
    ///
    /// **Cost:** 10 kB of module, for the digits.
    #[must_use]
    pub fn to_f64(&self) -> Option<f64> {
        if self.kind() == Kind::Number { self.json.parse().ok() } else { None }
    }

    /// Returns whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.json == "null"
    }
}

impl PartialEq<str> for Value<'_> {
    fn eq(&self, other: &str) -> bool {
        self.to_text().is_some_and(|text| text == other)
    }
}

impl PartialEq<&str> for Value<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json)
    }
}

/// The members of an object, in order.
///
/// ```
/// use sluicegate::json;
///
/// let value = json::parse(br#"{"a": 1, "b": 2}"#)?;
/// let sum: u64 = value.members().filter_map(|(_, member)| member.to_u64()).sum();
/// assert_eq!(sum, 3);
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Members<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Text<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = next(&mut self.rest)?.to_text()?;
        let value = next(&mut self.rest)?;
        Some((name, value))
    }
}

/// The elements of an array, in order.
///
/// ```
/// use sluicegate::json;
///
/// let value = json::parse(b"[1, 2, 3]")?;
/// assert_eq!(value.elements().count(), 3);
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        next(&mut self.rest)
    }
}

/// Returns the next value of a checked text, where names are values too. Returns `None` at the end
/// of the array or object.
fn next<'a>(rest: &mut &'a str) -> Option<Value<'a>> {
    let start = check::after(rest, b" \t\n\r,:");
    let (json, after) = start.split_at_checked(length(start.as_bytes()))?;
    *rest = after;
    (!json.is_empty()).then_some(Value { json })
}

/// Returns the length of the value at the start of a checked text, or 0 if an end comes instead.
fn length(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_u32);
    loop {
        match text.get(at) {
            Some(b'"') => at += string_length(text.get(at..).unwrap_or_default()),
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
            }
            Some(b'}' | b']') if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            Some(b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r') if depth == 0 => return at,
            Some(_) => {
                at += 1;
                continue;
            }
            None => return at,
        }
        // A string, an array or an object ends with its last byte.
        if depth == 0 {
            return at;
        }
    }
}

/// Returns the length of a string, including its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    loop {
        match text.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') | None => return (at + 1).min(text.len()),
            Some(_) => at += 1,
        }
    }
}
