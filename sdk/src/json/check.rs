//! The check of a text: is it JSON?

/// The deepest nesting of arrays and objects. Each has a bit on the stack of the checker.
const DEPTH: u32 = u128::BITS;

/// The description of an error in a text.
pub(super) type Problem = &'static str;

/// The white space of JSON.
pub(super) const SPACE: &[u8] = b" \t\n\r";

/// Returns the text after the bytes at its start that are among `skipped`, which are ASCII. With
/// `char`s, the standard library would decode each one.
#[inline(never)]
pub(super) fn after<'a>(text: &'a str, skipped: &[u8]) -> &'a str {
    let count = text.bytes().take_while(|byte| skipped.contains(byte)).count();
    text.get(count..).unwrap_or_default()
}

pub(super) const TOO_DEEP: Problem = "nested more than 128 deep";

/// Checks one value at the start of the text, and returns the text after it.
///
/// # Errors
///
/// Fails if the text does not begin with a value.
pub(super) fn value(text: &str) -> Result<&str, Problem> {
    let mut checker = Checker { rest: text };
    // The arrays and objects around the value: a bit for each level, set for an object.
    let (mut stack, mut depth) = (0_u128, 0_u32);
    loop {
        let opened = match checker.peek() {
            Some(b'{') => Some(true),
            Some(b'[') => Some(false),
            Some(b'"') => checker.string().map(|()| None)?,
            Some(b'-' | b'0'..=b'9') => checker.number().map(|()| None)?,
            _ => checker.word().map(|()| None)?,
        };
        if let Some(object) = opened {
            checker.skip(1);
            if depth == DEPTH {
                return Err(TOO_DEEP);
            }
            stack = stack << 1 | u128::from(object);
            depth += 1;
            if !checker.eat(end(object)) {
                checker.name_in(object)?;
                continue;
            }
            stack >>= 1;
            depth -= 1;
        }
        // After a value comes the next one beside it, or the ends of the arrays and objects around
        // it.
        loop {
            if depth == 0 {
                return Ok(checker.rest);
            }
            let object = stack & 1 == 1;
            if checker.eat(b',') {
                checker.name_in(object)?;
                break;
            }
            if !checker.eat(end(object)) {
                return Err("neither a comma nor an end after a value");
            }
            stack >>= 1;
            depth -= 1;
        }
    }
}

const fn end(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}

struct Checker<'a> {
    rest: &'a str,
}

impl Checker<'_> {
    /// Skips bytes, which are ASCII.
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Skips white space, and returns the first byte after it.
    fn peek(&mut self) -> Option<u8> {
        self.rest = after(self.rest, SPACE);
        self.first()
    }

    fn first(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    /// Skips white space and this byte, if it comes next. Returns whether it did.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.skip(1);
        }
        found
    }

    /// Checks the name and the colon in front of a value, if the value is in an object.
    fn name_in(&mut self, object: bool) -> Result<(), Problem> {
        if object {
            if self.peek() != Some(b'"') {
                return Err("a member without a name");
            }
            self.string()?;
            if !self.eat(b':') {
                return Err("a name without a colon");
            }
        }
        Ok(())
    }

    fn word(&mut self) -> Result<(), Problem> {
        for word in ["true", "false", "null"] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(());
            }
        }
        Err(if self.rest.is_empty() { "the text ends too early" } else { "not a value" })
    }

    fn number(&mut self) -> Result<(), Problem> {
        const PROBLEM: Problem = "not a number";
        if self.first() == Some(b'-') {
            self.skip(1);
        }
        if self.first() == Some(b'0') {
            self.skip(1);
        } else {
            self.digits(PROBLEM)?;
        }
        if self.first() == Some(b'.') {
            self.skip(1);
            self.digits(PROBLEM)?;
        }
        if let Some(b'e' | b'E') = self.first() {
            self.skip(1);
            if let Some(b'+' | b'-') = self.first() {
                self.skip(1);
            }
            self.digits(PROBLEM)?;
        }
        // A digit after a leading zero is left. It is not among the bytes that may follow a value.
        Ok(())
    }

    fn digits(&mut self, problem: Problem) -> Result<(), Problem> {
        let rest = after(self.rest, b"0123456789");
        if rest.len() == self.rest.len() {
            return Err(problem);
        }
        self.rest = rest;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Problem> {
        self.skip(1);
        let bytes = self.rest.as_bytes();
        let mut at = 0;
        // The first half of a surrogate pair, if the last escape was one.
        let mut high = false;
        loop {
            let byte = bytes.get(at).copied().ok_or("a string without an end")?;
            let escape = match byte {
                b'\\' => bytes.get(at + 1).copied().ok_or("a string without an end")?,
                _ => 0,
            };
            if escape == b'u' {
                let unit = bytes.get(at + 2..).and_then(unit).ok_or("not an escape")?;
                if matches!(unit, 0xdc00..=0xdfff) != high {
                    return Err(LONE);
                }
                high = matches!(unit, 0xd800..=0xdbff);
                at += 6;
                continue;
            }
            if high {
                return Err(LONE);
            }
            match (byte, escape) {
                (b'"', _) => break,
                (0..0x20, _) => return Err("a control character in a string"),
                (b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                (b'\\', _) => return Err("not an escape"),
                _ => at += 1,
            }
        }
        self.skip(at + 1);
        Ok(())
    }
}

const LONE: Problem = "half of a surrogate pair";

/// Returns the value of four hexadecimal digits, or `None` if the text does not begin with them.
pub(super) fn unit(digits: &[u8]) -> Option<u32> {
    digits.get(..4)?.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}
