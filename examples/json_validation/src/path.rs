//! A way to a value in a JSON text: `user.name`, `items.0.id`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A path, or what is left of it. It answers whether there is a value at its end, and keeps nothing of the text.
#[derive(Clone, Copy)]
pub(crate) struct Path<'p> {
    step: &'p str,
    rest: Option<&'p str>,
}

impl<'p> Path<'p> {
    pub(crate) fn new(path: &'p str) -> Self {
        match path.split_once('.') {
            Some((step, rest)) => Self { step, rest: Some(rest) },
            None => Self { step: path, rest: None },
        }
    }

    /// Whether the text has a value here; `null` is one.
    pub(crate) fn is_in(self, json: &str) -> bool {
        self.deserialize(&mut serde_json::Deserializer::from_str(json)).unwrap_or(false)
    }

    /// Goes on behind the first step.
    fn rest(self) -> Rest<'p> {
        Rest(self.rest.map(Path::new))
    }
}

/// What follows a step that was found: more of them, or any value.
struct Rest<'p>(Option<Path<'p>>);

impl<'de> DeserializeSeed<'de> for Rest<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        match self.0 {
            Some(path) => path.deserialize(json),
            None => json.deserialize_ignored_any(IgnoredAny).map(|_| true),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Path<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Path<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    /// Of a key that comes twice, the last value counts, as for most readers.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.step {
                found = map.next_value_seed(self.rest())?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<bool, A::Error> {
        let Ok(wanted) = self.step.parse::<usize>() else {
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
