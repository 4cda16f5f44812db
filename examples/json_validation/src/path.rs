//! A path to a value in a JSON text, in the part of GJSON's syntax that names one value:
//! `user.name`, `items.0.id`, `a\.b`.

use std::{fmt, mem};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// GJSON's modifiers. Any other name may begin with `@`.
const MODIFIERS: [&str; 13] = [
    "dig", "flatten", "fromstr", "group", "join", "keys", "pretty", "reverse", "this", "tostr", "ugly", "valid",
    "values",
];

/// A path that the configuration asks for.
#[derive(Debug)]
pub(crate) struct Path {
    text: String,
    steps: Vec<Step>,
}

/// A name. It leads into an object, and into an array if it is a number.
#[derive(Debug, Default)]
struct Step {
    name: String,
    /// True if the name has a backslash. Such a name is never a number.
    escaped: bool,
}

impl Path {
    /// Parses a path.
    ///
    /// # Errors
    ///
    /// Fails with the part of the path that GJSON reads as something else than a name or a number.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with("..") {
            return Err("lines of JSON (`..`)");
        }
        if text.len() > 1 && text.starts_with('!') {
            return Err("a literal (`!`)");
        }
        let (mut steps, mut step) = (Vec::new(), Step::default());
        let mut rest = text.chars();
        while let Some(next) = rest.next() {
            match next {
                '.' => steps.push(mem::take(&mut step)),
                '\\' => {
                    step.name.push(rest.next().ok_or("nothing behind a backslash")?);
                    step.escaped = true;
                }
                '|' => return Err("the result of a path (`|`)"),
                '*' | '?' => return Err("any characters (`*` or `?`)"),
                _ if step.name.is_empty() && !step.escaped => {
                    let behind = rest.as_str();
                    match next {
                        '#' if behind.is_empty() || behind.starts_with(['.', '(', '[']) => {
                            return Err("the elements of an array (`#`)");
                        }
                        '@' if is_modifier(behind) => return Err("a modified value (`@`)"),
                        '[' | '{' => return Err("several values (`[` or `{`)"),
                        _ => step.name.push(next),
                    }
                }
                _ => step.name.push(next),
            }
        }
        steps.push(step);
        Ok(Self { text: text.to_owned(), steps })
    }

    /// Returns whether the text has a value at this path. `null` is a value.
    pub(crate) fn is_in(&self, json: &str) -> bool {
        let [step, rest @ ..] = &*self.steps else { return false };
        Way { step, rest }.deserialize(&mut serde_json::Deserializer::from_str(json)).unwrap_or(false)
    }
}

fn is_modifier(behind: &str) -> bool {
    let name = behind.split(['.', '|', ':']).next().unwrap_or_default();
    MODIFIERS.contains(&name)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Step {
    /// Returns the index of the step in an array, or `None` if it is no number.
    fn index(&self) -> Option<usize> {
        let is_number = !self.escaped && self.name.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| self.name.parse().ok()).flatten()
    }
}

/// The rest of a path. Deserialising it returns whether there is a value at its end, and keeps
/// nothing of the text.
#[derive(Clone, Copy)]
struct Way<'p> {
    step: &'p Step,
    rest: &'p [Step],
}

impl<'p> Way<'p> {
    /// Returns the path after the first step.
    fn rest(self) -> Rest<'p> {
        Rest(self.rest.split_first().map(|(step, rest)| Way { step, rest }))
    }
}

/// The path after a step that was found: more steps, or any value.
struct Rest<'p>(Option<Way<'p>>);

impl<'de> DeserializeSeed<'de> for Rest<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        match self.0 {
            Some(way) => way.deserialize(json),
            None => json.deserialize_ignored_any(IgnoredAny).map(|_| true),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Way<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    /// Looks for the step's key. If a key comes twice, the last value counts, as for most readers.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.step.name {
                found = map.next_value_seed(self.rest())?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<bool, A::Error> {
        let Some(wanted) = self.step.index() else {
            while array.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(false);
        };
        let mut found = false;
        for index in 0.. {
            let element = if index == wanted {
                array.next_element_seed(self.rest())?
            } else {
                array.next_element::<IgnoredAny>()?.map(|_| found)
            };
            let Some(now) = element else { break };
            found = now;
        }
        Ok(found)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
}
