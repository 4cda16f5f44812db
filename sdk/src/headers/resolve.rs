//! What edits in a row come to: an edit that a later one undoes is not written, and a read sees them all.
//!
//! The rules are the newest Envoy's: `add` appends, `replace` removes all values of the name and appends one, `remove` removes all; names compare without
//! case. What a guest cannot know is whether the proxy joins an added value to the one that is there, as Envoy does for the names that it
//! knows well; whoever reads such a name has to ask.

use alloc::boxed::Box;

use super::encode::{Pair, encode_own};
use super::map::HeaderMap;
use crate::abi::{MapType, try_slice};
use crate::error::{Error, Result};

/// What an edit does to the headers of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Op {
    /// Appends one.
    Add = 0,
    /// Removes all and appends one.
    Replace = 1,
    /// Removes all.
    Remove = 2,
    /// Removes those that edits before it added: the host has none.
    Discard = 3,
}

impl Op {
    /// The host function that does it.
    pub(super) const fn call(self) -> &'static str {
        match self {
            Self::Add => "proxy_add_header_map_value",
            Self::Replace => "proxy_replace_header_map_value",
            Self::Remove | Self::Discard => "proxy_remove_header_map_value",
        }
    }
}

/// The bytes of a record before its name and value.
pub(super) const HEAD: usize = 8;

/// An edit. In the log: a number of [`HEAD`] bytes with the operation, the map and the two lengths, then the name and the value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) op: Op,
    pub(super) map: MapType,
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

impl Record<'_> {
    /// The lengths are below 2²⁴: what is longer never comes here.
    #[inline]
    pub(super) const fn head(&self) -> [u8; HEAD] {
        let head = self.op as u64 | (self.map as u64) << 2 | (self.name.len() as u64) << 8;
        (head | (self.value.len() as u64) << 32).to_le_bytes()
    }

    pub(super) const fn size(&self) -> usize {
        HEAD + self.name.len() + self.value.len()
    }

    /// Whether it undoes all edits of its name before it.
    #[inline]
    const fn clears(&self) -> bool {
        !matches!(self.op, Op::Add)
    }
}

/// Edits in the order in which they were made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The edits of a name.
    fn about(self, map: MapType, name: &[u8]) -> impl Iterator<Item = Record<'a>> {
        self.filter(move |edit| edit.map == map && edit.name.eq_ignore_ascii_case(name))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        let (head, rest) = self.0.split_first_chunk()?;
        let head = u64::from_le_bytes(*head);
        let (name, rest) = rest.split_at_checked((head >> 8) as usize & 0x00ff_ffff)?;
        let (value, rest) = rest.split_at_checked((head >> 32) as usize)?;
        self.0 = rest;
        let op = match head & 3 {
            0 => Op::Add,
            1 => Op::Replace,
            2 => Op::Remove,
            _ => Op::Discard,
        };
        let map = match head >> 2 & 7 {
            0 => MapType::HttpRequestHeaders,
            1 => MapType::HttpRequestTrailers,
            2 => MapType::HttpResponseHeaders,
            3 => MapType::HttpResponseTrailers,
            4 => MapType::GrpcInitialMetadata,
            5 => MapType::GrpcTrailingMetadata,
            6 => MapType::HttpCallResponseHeaders,
            _ => MapType::HttpCallResponseTrailers,
        };
        Some(Record { op, map, name, value })
    }
}

/// How an edit is written: none if it is not. `all` are the edits, `after` those after it.
#[inline(never)]
pub(super) fn fate(all: &[u8], record: Record<'_>, after: Records<'_>) -> Option<Op> {
    let next = after.about(record.map, record.name).find(|later| later.clears() || record.op == Op::Remove);
    // The next edit of the name stands for both: what clears stands alone, and what is added replaces.
    if next.is_some() || record.op == Op::Discard {
        return None;
    }
    if record.op != Op::Add {
        return Some(record.op);
    }
    let before = all.len().saturating_sub(after.0.len() + record.size());
    let before = Records::of(all.get(..before).unwrap_or_default());
    let last = before.about(record.map, record.name).last();
    Some(if last.is_some_and(|last| last.op == Op::Remove) { Op::Replace } else { Op::Add })
}

/// What edits leave of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found<V> {
    /// What the host has.
    Untouched,
    /// Nothing.
    Absent,
    /// This value alone.
    Value(V),
    /// This value, after those that the host has.
    Added(V),
    /// Several values, which the proxy may join.
    Several,
}

impl<V> Found<V> {
    pub(super) fn map<W>(self, with: impl FnOnce(V) -> W) -> Found<W> {
        match self {
            Self::Untouched => Found::Untouched,
            Self::Absent => Found::Absent,
            Self::Value(value) => Found::Value(with(value)),
            Self::Added(value) => Found::Added(with(value)),
            Self::Several => Found::Several,
        }
    }
}

/// What edits leave of a name in a map.
#[inline(never)]
pub(super) fn find<'a>(edits: Records<'a>, map: MapType, name: &[u8]) -> Found<&'a [u8]> {
    let mut found = Found::Untouched;
    for edit in edits.about(map, name) {
        found = match (edit.op, found) {
            (Op::Replace, _) | (Op::Add, Found::Absent) => Found::Value(edit.value),
            (Op::Add, Found::Untouched) => Found::Added(edit.value),
            (Op::Add, _) => Found::Several,
            (Op::Remove | Op::Discard, _) => Found::Absent,
        };
    }
    found
}

/// A map with the edits, encoded, in the order in which Envoy has it: pseudo-headers first. None if the proxy may join values.
pub(super) fn overlay(map: MapType, host: &HeaderMap, edits: Records<'_>) -> Option<Result<Box<[u8]>>> {
    // The lengths of the names in the edits, as bits: most of the host's names need not be looked for.
    let bit = |name: &[u8]| 1_u32 << (name.len() & 31);
    let lengths = edits.fold(0, |lengths, edit| lengths | bit(edit.name));
    let Ok(mut pairs) = try_slice(host.len() + edits.count(), Pair::default) else {
        return Some(Err(Error::out_of_memory(host.encoded_len())));
    };
    let mut free = pairs.iter_mut();
    let mut len = 0;
    let mut put = |pair| {
        if let Some(place) = free.next() {
            *place = pair;
            len += 1;
        }
    };
    let is_pseudo = |name: &[u8]| name.first() == Some(&b':');
    let pseudo = host.iter().take_while(|(name, _)| is_pseudo(name)).count();
    let mut kept = host.iter();
    for section in [true, false] {
        for (name, value) in kept.by_ref().take(if section { pseudo } else { usize::MAX }) {
            let found = if lengths & bit(&name) == 0 { Found::Untouched } else { find(edits, map, &name) };
            match found {
                Found::Untouched => put(Pair { name: name.as_bytes(), value: value.as_bytes(), lower: false }),
                Found::Absent | Found::Value(_) => {}
                Found::Added(_) | Found::Several => return None,
            }
        }
        let mut rest = edits;
        while let Some(Record { op, map: edited, name, value }) = rest.next() {
            if edited != map || matches!(op, Op::Remove | Op::Discard) || is_pseudo(name) != section {
                continue;
            }
            match find(edits, map, name) {
                Found::Several => return None,
                // What a later edit undoes is not there, and of several that replace each other the last is.
                Found::Value(_) | Found::Added(_) if rest.about(map, name).next().is_none() => {
                    put(Pair { name, value, lower: true });
                }
                _ => {}
            }
        }
    }
    Some(pairs.get(..len).ok_or(Error::new("more pairs than there are")).and_then(encode_own))
}
