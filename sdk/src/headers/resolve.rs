//! What edits in a row come to: an edit that a later one undoes is not written, and a read sees them all.
//!
//! The rules are the newest Envoy's: `add` appends, `replace` removes all values of the name and appends one, `remove` removes all; names compare without
//! case. What a guest cannot know is whether the proxy joins an added value to the one that is there, as Envoy does for the names that it
//! knows well; whoever reads such a name has to ask.

use crate::abi::MapType;

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

    /// The next edit of a name, and a step past it.
    #[inline(never)]
    pub(super) fn about(&mut self, map: MapType, name: &[u8]) -> Option<Record<'a>> {
        self.find(|edit| edit.map == map && edit.name.eq_ignore_ascii_case(name))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline(never)]
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
    let before = all.get(..all.len().saturating_sub(after.0.len() + record.size())).unwrap_or_default();
    let mut rest = after;
    while let Some(later) = rest.about(record.map, record.name) {
        // It stands for both: what clears stands alone, and what is added after a removal replaces.
        if later.clears() || record.op == Op::Remove {
            return None;
        }
    }
    match record.op {
        Op::Discard => None,
        Op::Add if find(Records::of(before), record.map, record.name) == Found::Absent => Some(Op::Replace),
        op => Some(op),
    }
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
pub(super) fn find<'a>(mut edits: Records<'a>, map: MapType, name: &[u8]) -> Found<&'a [u8]> {
    let mut found = Found::Untouched;
    while let Some(edit) = edits.about(map, name) {
        found = match (edit.op, found) {
            (Op::Replace, _) | (Op::Add, Found::Absent) => Found::Value(edit.value),
            (Op::Add, Found::Untouched) => Found::Added(edit.value),
            (Op::Add, _) => Found::Several,
            (Op::Remove | Op::Discard, _) => Found::Absent,
        };
    }
    found
}
