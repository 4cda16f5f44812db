//! The edits that a callback has made since its snapshot, found by name.
//!
//! The rules are the newest Envoy's: `add` appends, `replace` removes all values of the name and appends one, `remove` removes all; names compare without
//! case. Whether the proxy joins an added value to the one that is there, as Envoy does for the names that it knows well, a guest cannot know: whoever reads
//! such a name has to ask the host.
//!
//! An edit is appended, and no more: only a read puts the edits before it into the index, each once. So n edits and reads take n steps, and a filter that
//! reads nothing after its edits pays for no index.

use core::cell::Cell;

use super::write::Op;
use crate::abi::Bump;
use crate::error::Result;

/// An edit that the host has taken. It lives as long as the callback does, as all that it points to.
pub(super) struct Edit<'cb> {
    op: Op,
    name: &'cb [u8],
    value: Cell<&'cb [u8]>,
    /// The edit after it.
    newer: Cell<Option<&'cb Self>>,
    /// In the index: the number of the name.
    hash: Cell<u32>,
    /// In the index: the newest edit of another name of the same bucket.
    next: Cell<Option<&'cb Self>>,
    /// Says nothing before the edit is in the index.
    leaves: Cell<Leaves>,
}

/// What the edits of a name leave of it in the map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Leaves {
    /// Nothing.
    Nothing,
    /// The value of the edit alone.
    Value,
    /// The value of the edit, behind those that the snapshot has.
    Added,
    /// Several values, or one that the proxy joined.
    Several,
    /// The same; and the value of the edit is now the first of them, as the host was asked for it.
    FirstOfSeveral,
    /// A newer edit of the name says it.
    Superseded,
}

/// The heads of the buckets' chains.
type Heads<'cb> = &'cb [Cell<Option<&'cb Edit<'cb>>>];

/// How many buckets there are at first: a power of two.
const BUCKETS: usize = 8;

/// Edits in the order in which they were made, and the index of those that a read has looked at.
pub(super) struct Record<'cb> {
    bump: &'cb Bump,
    newest: Cell<Option<&'cb Edit<'cb>>>,
    /// The oldest one that is not in the index.
    unindexed: Cell<Option<&'cb Edit<'cb>>>,
    heads: Cell<Heads<'cb>>,
    /// How many names the index has.
    names: Cell<usize>,
    /// The lengths of these names, as bits: a name of another length is not looked for.
    lengths: Cell<u32>,
}

impl<'cb> Edit<'cb> {
    pub(super) const fn value(&self) -> &'cb [u8] {
        self.value.get()
    }

    pub(super) const fn leaves(&self) -> Leaves {
        self.leaves.get()
    }

    /// Keeps what the host has as the first of several values.
    pub(super) fn set_first(&self, value: &'cb [u8]) {
        self.value.set(value);
        self.leaves.set(Leaves::FirstOfSeveral);
    }
}

/// The bit of a name's length.
const fn length_bit(name: &[u8]) -> u32 {
    1 << (name.len() % 32)
}

/// Returns a number of a name's bytes, case aside: eight bytes at a time, the last of them twice where they are no multiple of eight.
fn hash(name: &[u8]) -> u32 {
    const CASE: u64 = u64::from_ne_bytes([0x20; 8]);
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ (word | CASE)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The low bits of a product know nothing of the high bits of its factors.
        product ^ (product >> 32)
    };
    let (words, rest) = name.as_chunks();
    let hash = words.iter().fold(name.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = match name.last_chunk() {
        Some(last) => mix(hash, u64::from_le_bytes(*last)),
        None => rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte))),
    };
    #[allow(clippy::cast_possible_truncation, reason = "the low half knows of the high one")]
    let low = hash as u32;
    low
}

/// Whether two names are the same. Most are in lower case.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one == other || one.eq_ignore_ascii_case(other)
}

impl<'cb> Record<'cb> {
    #[inline]
    pub(super) const fn new(bump: &'cb Bump) -> Self {
        Self {
            bump,
            newest: Cell::new(None),
            unindexed: Cell::new(None),
            heads: Cell::new(&[]),
            names: Cell::new(0),
            lengths: Cell::new(0),
        }
    }

    /// Appends an edit.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    #[inline]
    pub(super) fn push(&self, op: Op, name: &[u8], value: &[u8]) -> Result<()> {
        let (name, value) = (self.bump.copy(name)?, Cell::new(self.bump.copy(value)?));
        let (newer, next, leaves) = (Cell::new(None), Cell::new(None), Cell::new(Leaves::Superseded));
        let edit = self.bump.put(Edit { op, name, value, newer, hash: Cell::new(0), next, leaves })?;
        if let Some(before) = self.newest.replace(Some(edit)) {
            before.newer.set(Some(edit));
        }
        if self.unindexed.get().is_none() {
            self.unindexed.set(Some(edit));
        }
        Ok(())
    }

    /// Returns the newest edit of a name, if there is one.
    ///
    /// # Errors
    ///
    /// If there is no memory for the index.
    #[inline(never)]
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<&'cb Edit<'cb>>> {
        self.index()?;
        if self.lengths.get() & length_bit(name) == 0 {
            return Ok(None);
        }
        let hash = hash(name);
        let mut edit = Self::head(self.heads.get(), hash).and_then(Cell::get);
        while let Some(found) = edit {
            if found.hash.get() == hash && is_same(found.name, name) {
                break;
            }
            edit = found.next.get();
        }
        Ok(edit)
    }

    /// Puts all edits into the index.
    ///
    /// # Errors
    ///
    /// If there is no memory for the index.
    fn index(&self) -> Result<()> {
        while let Some(edit) = self.unindexed.get() {
            if self.names.get() >= self.heads.get().len() {
                self.grow()?;
            }
            self.insert(edit);
            self.unindexed.set(edit.newer.get());
        }
        Ok(())
    }

    /// The chain that a name of this hash is in.
    fn head(heads: Heads<'cb>, hash: u32) -> Option<&'cb Cell<Option<&'cb Edit<'cb>>>> {
        // There are as many as a power of two, or none.
        heads.get(hash as usize & heads.len().wrapping_sub(1))
    }

    /// Puts one more edit into the index, in the place of the one before it of its name.
    fn insert(&self, edit: &'cb Edit<'cb>) {
        let hash = hash(edit.name);
        edit.hash.set(hash);
        let Some(mut place) = Self::head(self.heads.get(), hash) else { return };
        let mut before = None;
        while let Some(found) = place.get() {
            if found.hash.get() == hash && is_same(found.name, edit.name) {
                before = Some(found.leaves.replace(Leaves::Superseded));
                edit.next.set(found.next.get());
                break;
            }
            place = &found.next;
        }
        place.set(Some(edit));
        if before.is_none() {
            self.names.set(self.names.get() + 1);
            self.lengths.set(self.lengths.get() | length_bit(edit.name));
        }
        edit.leaves.set(match (edit.op, before) {
            (Op::Replace, _) | (Op::Add, Some(Leaves::Nothing)) => Leaves::Value,
            (Op::Remove, _) => Leaves::Nothing,
            (Op::Add, None) => Leaves::Added,
            (Op::Add, Some(_)) => Leaves::Several,
        });
    }

    /// Makes the index twice as large.
    #[cold]
    #[inline(never)]
    fn grow(&self) -> Result<()> {
        let old = self.heads.get();
        let heads: Heads<'cb> = self.bump.fill(&Cell::new(None), (old.len() * 2).max(BUCKETS))?;
        for head in old {
            let mut next = head.get();
            while let Some(edit) = next {
                next = edit.next.get();
                if let Some(head) = Self::head(heads, edit.hash.get()) {
                    edit.next.set(head.replace(Some(edit)));
                }
            }
        }
        self.heads.set(heads);
        Ok(())
    }
}
