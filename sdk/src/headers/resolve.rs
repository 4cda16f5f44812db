//! What edits in a row come to: each is resolved when it is noted, against those of its name before it. So what an edit undoes is not written, and a read of a name
//! looks at its newest edit.
//!
//! The rules are the newest Envoy's: `add` appends, `replace` removes all values of the name and appends one, `remove` removes all; names compare without
//! case. What a guest cannot know is whether the proxy joins an added value to the one that is there, as Envoy does for the names that it
//! knows well; whoever reads such a name has to ask.

use core::cell::Cell;

use crate::abi::MapType;
use crate::abi::ledger::{self, Span};

/// What an edit does to the headers of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Op {
    /// Appends one.
    Add,
    /// Removes all and appends one.
    Replace,
    /// Removes all.
    Remove,
    /// Removes those that edits before it added: the host has none.
    Discard,
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

/// An edit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) op: Op,
    pub(super) map: MapType,
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

/// How many edits can wait. Their numbers, which begin at 1, are bytes.
pub(super) const MOST: usize = 128;
const _: () = assert!(MOST <= u8::MAX as usize);
/// How many places there are for names: a power of two.
const PLACES: usize = 32;

/// Edits in the order in which they were made. Their names and values are in the ledger.
pub(super) struct Edits {
    kept: [Cell<Edit>; MOST],
    len: Cell<u8>,
    /// The maps, as bits, that they are of.
    maps: Cell<u8>,
    /// For the names of a place the number of the newest edit, or 0.
    newest: [Cell<u8>; PLACES],
}

/// An edit as it is kept.
#[derive(Clone, Copy)]
struct Edit {
    op: Op,
    /// Whether no later one undid it.
    stands: bool,
    /// The number of the one before it whose name has the same place, or 0.
    older: u8,
    map: MapType,
    name: Span,
    value: Span,
}

impl Edit {
    // Of zeros, as the rest is: a static of other bytes would be part of the module.
    const NONE: Self = Self {
        op: Op::Add,
        stands: false,
        older: 0,
        map: MapType::HttpRequestHeaders,
        name: Span::EMPTY,
        value: Span::EMPTY,
    };

    fn of(self, bytes: &[u8]) -> Record<'_> {
        Record { op: self.op, map: self.map, name: self.name.of(bytes), value: self.value.of(bytes) }
    }
}

impl Edits {
    pub(super) const fn new() -> Self {
        Self {
            kept: [const { Cell::new(Edit::NONE) }; MOST],
            len: Cell::new(0),
            maps: Cell::new(0),
            newest: [const { Cell::new(0) }; PLACES],
        }
    }

    /// How many edits were noted, undone ones too.
    #[inline]
    pub(super) const fn len(&self) -> u8 {
        self.len.get()
    }

    /// The maps that they are of, as [`bit`]s.
    #[inline]
    pub(super) const fn maps(&self) -> u8 {
        self.maps.get()
    }

    /// Forgets all. Their names and values stay until the next is noted, if nobody holds them then.
    #[inline]
    pub(super) fn clear(&self) {
        self.len.set(0);
        self.maps.set(0);
        for newest in &self.newest {
            newest.set(0);
        }
    }

    /// The newest edit of a place; the place of a name is told by its length, and by its bytes in the middle and at the end, case aside.
    #[inline]
    fn place(&self, name: &[u8]) -> Option<&Cell<u8>> {
        let (middle, last) = name.get(name.len() / 2).zip(name.last())?;
        self.newest.get((name.len() + usize::from(*middle & 31) * 4 + usize::from(*last & 31)) % PLACES)
    }

    /// Notes an edit, if there is room.
    #[inline(never)]
    pub(super) fn note(&self, Record { mut op, map, name, value }: Record<'_>) -> bool {
        let Some((place, free)) = self.place(name).zip(self.kept.get(usize::from(self.len.get()))) else {
            return false;
        };
        let Some([name_at, value_at]) = ledger::append(name, value) else { return false };
        let older = place.get();
        ledger::read(|bytes| self.resolve(bytes, &mut op, map, name, older));
        free.set(Edit { op, stands: true, older, map, name: name_at, value: value_at });
        let number = self.len.get() + 1;
        self.len.set(number);
        self.maps.set(self.maps.get() | bit(map));
        place.set(number);
        true
    }

    /// Resolves an edit against those before it, from the newest on.
    #[inline]
    fn resolve(&self, bytes: &[u8], op: &mut Op, map: MapType, name: &[u8], mut number: u8) {
        // Before one that is undone all are.
        while let Some(kept) = self.about(bytes, map, name, number)
            && let edit = kept.get()
            && edit.stands
        {
            if *op == Op::Add {
                // What is added after a removal replaces.
                if matches!(edit.op, Op::Add | Op::Replace) {
                    break;
                }
                *op = Op::Replace;
            }
            kept.set(Edit { stands: false, ..edit });
            number = edit.older;
        }
    }

    /// The newest edit of a name, from one of its place on.
    #[inline(never)]
    fn about(&self, bytes: &[u8], map: MapType, name: &[u8], mut number: u8) -> Option<&Cell<Edit>> {
        loop {
            let kept = self.kept.get(usize::from(number).wrapping_sub(1))?;
            let edit = kept.get();
            if edit.map == map && edit.name.of(bytes).eq_ignore_ascii_case(name) {
                return Some(kept);
            }
            number = edit.older;
        }
    }

    /// The edits that stand.
    pub(super) const fn standing<'a>(&'a self, bytes: &'a [u8]) -> Standing<'a> {
        Standing { edits: self, bytes, at: 0 }
    }

    /// What edits leave of a name in a map, and where the value is.
    #[inline(never)]
    pub(super) fn find(&self, bytes: &[u8], map: MapType, name: &[u8]) -> Found {
        let newest = self.place(name).and_then(|place| self.about(bytes, map, name, place.get()));
        let Some(Edit { op, older, value, .. }) = newest.map(Cell::get) else { return Found::Untouched };
        match op {
            Op::Replace => Found::Value(value),
            Op::Add if self.about(bytes, map, name, older).is_some() => Found::Several,
            Op::Add => Found::Added(value),
            Op::Remove | Op::Discard => Found::Absent,
        }
    }
}

/// The edits that no later one undid.
pub(super) struct Standing<'a> {
    edits: &'a Edits,
    bytes: &'a [u8],
    at: u8,
}

impl<'a> Iterator for Standing<'a> {
    type Item = Record<'a>;

    #[inline(never)]
    fn next(&mut self) -> Option<Record<'a>> {
        while self.at < self.edits.len() {
            let edit = self.edits.kept.get(usize::from(self.at))?.get();
            self.at += 1;
            if edit.stands {
                return Some(edit.of(self.bytes));
            }
        }
        None
    }
}

/// A map, as a bit.
pub(super) const fn bit(map: MapType) -> u8 {
    1 << map as u8
}

/// What edits leave of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// What the host has.
    Untouched,
    /// Nothing.
    Absent,
    /// This value alone.
    Value(Span),
    /// This value, after those that the host has.
    Added(Span),
    /// Several values, which the proxy may join.
    Several,
}
