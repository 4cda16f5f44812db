//! The reader of the key `memory` in a JSON configuration. It builds no tree and does not allocate,
//! and skips everything else.
//!
//! The reader runs once for each configuration. So functions that the compiler would inline in many
//! places are marked not to be inlined, which halves the code.

use super::{Budget, OverStream, OverTotal};
use crate::error::{Error, Result};

/// The deepest nesting of arrays and objects: one bit each of the scanner's stack.
const DEPTH: u32 = 128;

/// Returns the budget that the configuration sets. Returns `None` if the configuration is not a
/// JSON object, or sets none.
///
/// # Errors
///
/// Fails if a field is unknown or has a wrong value.
pub(super) fn memory(configuration: &[u8]) -> Result<Option<Budget>> {
    let mut scanner = Scanner { rest: configuration };
    let mut found = None;
    match scanner.top(&mut found) {
        Ok(()) => Ok(found),
        Err(Problem::Field(error)) => Err(error),
        // The filter may have a format of its own, unless the text began like this one.
        Err(Problem::Json) if found.is_none() => Ok(None),
        Err(Problem::Json) => Err(Error::new("memory: the configuration is not JSON")),
    }
}

enum Problem {
    Json,
    Field(Error),
}

fn field<T>(message: &'static str) -> Result<T, Problem> {
    Err(Problem::Field(Error::new(message)))
}

struct Scanner<'a> {
    rest: &'a [u8],
}

/// A string between its quotes, with its escapes.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    /// Returns the text without escapes. Returns `None` if it is not ASCII, or longer than any text
    /// that has a meaning here.
    #[inline(never)]
    fn plain<'b>(&self, room: &'b mut [u8; 24]) -> Option<&'b [u8]> {
        let mut bytes = self.0.iter().copied();
        let mut len = 0;
        while let Some(byte) = bytes.next() {
            let byte = match byte {
                b'\\' => match bytes.next()? {
                    b'u' => {
                        let mut code = 0;
                        for _ in 0..4 {
                            code = code * 16 + char::from(bytes.next()?).to_digit(16)?;
                        }
                        u8::try_from(code).ok().filter(u8::is_ascii)?
                    }
                    byte @ (b'"' | b'\\' | b'/') => byte,
                    _ => return None,
                },
                byte => byte,
            };
            *room.get_mut(len)? = byte;
            len += 1;
        }
        room.get(..len)
    }
}

impl<'a> Scanner<'a> {
    #[inline(never)]
    fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// Skips white space and this byte, if it comes next. Returns whether it did.
    #[inline(never)]
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Problem> {
        if self.eat(byte) { Ok(()) } else { Err(Problem::Json) }
    }

    /// Reads the whole configuration: an object, and nothing after it.
    fn top(&mut self, found: &mut Option<Budget>) -> Result<(), Problem> {
        self.members(|scanner, name| {
            let mut room = [0; 24];
            if name.plain(&mut room) != Some(b"memory") {
                return scanner.skip();
            }
            let mut budget = Budget::new();
            if scanner.peek() != Some(b'{') {
                return field("memory: expected an object");
            }
            scanner.members(|scanner, name| scanner.field(&name, &mut budget))?;
            *found = Some(budget);
            Ok(())
        })?;
        if self.peek().is_some() { Err(Problem::Json) } else { Ok(()) }
    }

    /// Reads an object, and passes each member to a function.
    fn members(&mut self, mut member: impl FnMut(&mut Self, Text<'a>) -> Result<(), Problem>) -> Result<(), Problem> {
        self.expect(b'{')?;
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let name = self.text()?;
            self.expect(b':')?;
            member(self, name)?;
            if self.eat(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn field(&mut self, name: &Text<'_>, budget: &mut Budget) -> Result<(), Problem> {
        let mut room = [0; 24];
        match name.plain(&mut room).unwrap_or_default() {
            b"total" => budget.total = Some(self.bytes("memory.total: expected bytes, such as \"4MiB\"")?),
            b"low_water" => budget.low_water = Some(self.bytes("memory.low_water: expected bytes, such as \"3MiB\"")?),
            b"stream" => budget.stream = Some(self.bytes("memory.stream: expected bytes, such as \"256KiB\"")?),
            b"reserve" => budget.reserve = Some(self.bytes("memory.reserve: expected bytes, such as \"64KiB\"")?),
            b"pages" => {
                let expected = "memory.pages: expected a number of pages";
                match self.number() {
                    Some(pages) => budget.pages = Some(pages),
                    None => return field(expected),
                }
            }
            b"over_stream" => budget.over_stream = Some(self.over_stream()?),
            b"over_total" => budget.over_total = Some(self.over_total()?),
            b"metrics" => budget.metrics = Some(self.switch("memory.metrics: expected true or false")?),
            b"log" => budget.log = Some(self.switch("memory.log: expected true or false")?),
            _ => return field(UNKNOWN),
        }
        Ok(())
    }

    /// Reads a text that is one of a few words. Returns no bytes for a value of another kind, which
    /// none of the words is.
    fn word_of<'b>(&mut self, room: &'b mut [u8; 24]) -> Result<&'b [u8], Problem> {
        if self.peek() != Some(b'"') {
            return Ok(&[]);
        }
        Ok(self.text()?.plain(room).unwrap_or_default())
    }

    #[inline(never)]
    fn over_stream(&mut self) -> Result<OverStream, Problem> {
        let mut room = [0; 24];
        match self.word_of(&mut room)? {
            b"refuse" => Ok(OverStream::Refuse),
            b"pass" => Ok(OverStream::Pass),
            b"wait" => Ok(OverStream::Wait),
            other => match reply(other) {
                Some(status) => Ok(OverStream::Reply(status)),
                None => field("memory.over_stream: expected \"reply 413\", \"refuse\", \"pass\" or \"wait\""),
            },
        }
    }

    #[inline(never)]
    fn over_total(&mut self) -> Result<OverTotal, Problem> {
        let mut room = [0; 24];
        match self.word_of(&mut room)? {
            b"shed" => Ok(OverTotal::Shed(503)),
            b"refuse" => Ok(OverTotal::Refuse),
            b"pass" => Ok(OverTotal::Pass),
            other => match reply(other) {
                Some(status) => Ok(OverTotal::Shed(status)),
                None => field("memory.over_total: expected \"shed\", \"reply 503\", \"refuse\" or \"pass\""),
            },
        }
    }

    #[inline(never)]
    fn bytes(&mut self, expected: &'static str) -> Result<usize, Problem> {
        let bytes = if self.peek() == Some(b'"') {
            let mut room = [0; 24];
            self.text()?.plain(&mut room).and_then(with_unit)
        } else {
            self.number()
        };
        bytes.map_or_else(|| field(expected), Ok)
    }

    #[inline(never)]
    fn switch(&mut self, expected: &'static str) -> Result<bool, Problem> {
        for (word, value) in [(&b"true"[..], true), (b"false", false)] {
            self.peek();
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        field(expected)
    }

    #[inline(never)]
    fn number(&mut self) -> Option<usize> {
        self.peek();
        let (number, rest) = digits(self.rest)?;
        self.rest = rest;
        // A number with a fraction or an exponent is not a number of bytes.
        if matches!(rest.first(), Some(b'.' | b'e' | b'E')) { None } else { Some(number) }
    }

    #[inline(never)]
    fn text(&mut self) -> Result<Text<'a>, Problem> {
        self.expect(b'"')?;
        let start = self.rest;
        let mut len = 0;
        loop {
            match start.get(len) {
                Some(b'"') => break,
                Some(b'\\') => len += 2,
                Some(0x20..) => len += 1,
                _ => return Err(Problem::Json),
            }
        }
        self.rest = start.get(len + 1..).unwrap_or_default();
        start.get(..len).map(Text).ok_or(Problem::Json)
    }

    /// Skips a value of any kind, without recursion. The stack has a bit for each level, set for an
    /// object.
    #[inline(never)]
    fn skip(&mut self) -> Result<(), Problem> {
        let (mut stack, mut depth) = (0_u128, 0_u32);
        loop {
            let opened = match self.peek() {
                Some(b'{') => true,
                Some(b'[') => true,
                Some(b'"') => {
                    self.text()?;
                    false
                }
                Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                    self.word();
                    false
                }
                _ => return Err(Problem::Json),
            };
            if opened {
                if depth == DEPTH {
                    return Err(Problem::Json);
                }
                let object = self.eat(b'{') || !self.eat(b'[');
                stack = stack << 1 | u128::from(object);
                depth += 1;
                if !self.eat(if object { b'}' } else { b']' }) {
                    self.name_in(object)?;
                    continue;
                }
                stack >>= 1;
                depth -= 1;
            }
            // After a value comes the next one, or the ends of the arrays and objects around it.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let object = stack & 1 == 1;
                if self.eat(b',') {
                    self.name_in(object)?;
                    break;
                }
                self.expect(if object { b'}' } else { b']' })?;
                stack >>= 1;
                depth -= 1;
            }
        }
    }

    /// Skips the name before a value, if the value is in an object.
    fn name_in(&mut self, object: bool) -> Result<(), Problem> {
        if object {
            self.text()?;
            self.expect(b':')?;
        }
        Ok(())
    }

    /// Skips a number or a literal. Checking it is left to the filter.
    fn word(&mut self) {
        while let [b'-' | b'+' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}

/// The error for a configuration with an unknown field.
pub(super) const UNKNOWN: &str =
    "memory: unknown field; there are total, low_water, stream, reserve, pages, over_stream, over_total, metrics, log";

/// Returns the number at the start, and the bytes after it. Returns `None` if there are no digits.
#[inline(never)]
fn digits(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (mut number, mut rest) = (0_usize, bytes);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        number = number.checked_mul(10)?.checked_add(usize::from(digit - b'0'))?;
        rest = after;
    }
    (rest.len() < bytes.len()).then_some((number, rest))
}

#[inline(never)]
fn with_unit(text: &[u8]) -> Option<usize> {
    let (number, unit) = digits(text)?;
    let shift = match unit.trim_ascii() {
        b"" | b"B" => 0,
        b"KiB" => 10,
        b"MiB" => 20,
        b"GiB" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// Returns the status of `reply N`, or `None` if the text is something else.
fn reply(text: &[u8]) -> Option<u16> {
    let (status, rest) = digits(text.strip_prefix(b"reply ")?)?;
    u16::try_from(status).ok().filter(|status| rest.is_empty() && (400..600).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};

    fn read(json: &str) -> Option<Budget> {
        memory(json.as_bytes()).unwrap()
    }

    fn refused(json: &str) -> String {
        memory(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn every_field_is_read() {
        let json = r#"{"a": [1, {"memory": 7}], "memory": {"total": "4MiB", "stream": "256 KiB", "low_water": 3145728,
            "reserve": "64KiB", "pages": 128, "over_stream": "reply 429", "over_total": "pass", "metrics": true, "log": false}, "b": null}"#;
        let expected = Budget::new().total(4 << 20).stream(256 << 10).low_water(3 << 20).reserve(64 << 10).pages(128);
        let expected =
            expected.over_stream(OverStream::Reply(429)).over_total(OverTotal::Pass).metrics(true).log(false);
        assert_eq!(read(json), Some(expected));
        assert_eq!(read(r#"{"memory": {}}"#), Some(Budget::new()));
        let words = r#"{"memory": {"over_stream": "wait", "over_total": "shed"}}"#;
        let expected = Budget::new().over_stream(OverStream::Wait).over_total(OverTotal::Shed(503));
        assert_eq!(read(words), Some(expected));
    }

    #[test]
    fn escapes_do_not_hide_the_key_and_do_not_fake_it() {
        assert_eq!(read(r#"{"mem\u006fry": {"tota\u006c": "1\u004diB"}}"#), Some(Budget::new().total(1 << 20)));
        assert_eq!(read(r#"{"x": "\"memory\": {", "y\\": ["\\\"", "\u00e9"]}"#), None);
        assert_eq!(read(r#"{"memory\"": {"total": 1}}"#), None);
    }

    #[test]
    fn what_is_no_json_object_says_nothing() {
        for other in [
            "",
            "  ",
            "echo",
            "[1]",
            "7",
            "{",
            r#"{"a""#,
            r#"{"a": }"#,
            r#"{"a": 1} b"#,
            "{'a': 1}",
            "{\"a\": \"\n\"}",
            "\u{feff}{}",
        ] {
            assert_eq!(memory(other.as_bytes()).unwrap(), None, "{other}");
        }
        assert_eq!(memory(b"{\"\xff\": [\xff]}").unwrap(), None);
    }

    #[test]
    fn nesting_has_a_limit_and_takes_no_stack() {
        let nested =
            |depth: usize| format!(r#"{{"a": {}{}, "memory": {{"total": 1}}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(read(&nested(128)), Some(Budget::new().total(1)));
        assert_eq!(read(&nested(129)), None);
        assert_eq!(read(&nested(100_000)), None);
        let objects = format!(r#"{{"a": {}1{}, "memory": {{}}}}"#, r#"{"b": "#.repeat(100), "}".repeat(100));
        assert_eq!(read(&objects), Some(Budget::new()));
        assert_eq!(read(r#"{"a": [1, {"b": [}]}, "memory": {}}"#), None, "crossed brackets");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(refused(r#"{"memory": 7}"#), "memory: expected an object");
        assert_eq!(refused(r#"{"memory": {"totl": 7}}"#), UNKNOWN);
        for (name, value) in [
            ("total", "\"4 megabytes\""),
            ("total", "-1"),
            ("total", "1.5"),
            ("total", "\"99999999999999999999GiB\""),
            ("stream", "null"),
            ("low_water", "[]"),
            ("reserve", "\"KiB\""),
            ("pages", "\"9\""),
            ("over_stream", "\"reply 200\""),
            ("over_stream", "\"reply 413x\""),
            ("over_stream", "413"),
            ("over_total", "\"wait\""),
            ("over_total", "{\"reply\": 503}"),
            ("metrics", "1"),
            ("log", "\"true\""),
        ] {
            let error = refused(&format!(r#"{{"memory": {{"{name}": {value}}}}}"#));
            assert!(error.starts_with(&format!("memory.{name}: expected ")), "{name} {value}: {error}");
        }
        assert_eq!(refused(r#"{"memory": {"total": 1}, "#), "memory: the configuration is not JSON");
    }
}
