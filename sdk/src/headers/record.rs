//! The edits that a callback has made since its snapshot, found by name.
//!
//! The rules are those of the newest Envoy: `add` appends, `replace` removes all values of the name
//! and appends one, `remove` removes all. Names compare without case. The proxy may join an added
//! value to the existing one, as Envoy does for the names that it knows well. A guest cannot know,
//! so a read of such a name asks the host.
//!
//! An edit is only appended. A read puts the edits before it into the index, each edit once. So n
//! edits and reads take n steps, and a filter that reads nothing after its edits pays for no index.

use core::cell::Cell;
use core::iter::successors;

use super::write::Op;
use crate::abi::Bump;
use crate::error::{Error, Result};

/// An edit that the host has accepted. The edit, and all that it points to, lives as long as the
/// callback does.
pub(super) struct Edit<'cb> {
    name: &'cb [u8],
    value: Cell<&'cb [u8]>,
    /// The edit before this one. In the index: the newest edit of another name of the same bucket.
    next: Cell<Option<&'cb Self>>,
    leaves: Cell<Leaves>,
    /// The hash of the name, once the edit is in the index. It tells the names of one bucket apart
    /// without comparing their bytes.
    hash: Cell<u32>,
}

/// The values of a name that its edits leave in the map. The type has the size of a hash, so that
/// one store writes both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(super) enum Leaves {
    /// Not known yet, because the edit is not in the index: an `add`.
    AfterAdd,
    /// Not known yet, because the edit is not in the index: a `replace`.
    AfterReplace,
    /// Not known yet, because the edit is not in the index: a `remove`.
    AfterRemove,
    /// No value.
    Nothing,
    /// The value of the edit alone.
    Value,
    /// The value of the edit, behind the values that the snapshot has.
    Added,
    /// Several values, or one that the proxy joined.
    Several,
    /// Several values, or one that the proxy joined. The host was asked for the first of them,
    /// which is now the value of the edit.
    FirstOfSeveral,
    /// Known by a newer edit of the name.
    Superseded,
}

impl Leaves {
    /// Returns the state of an edit that is not in the index.
    const fn after(op: Op) -> Self {
        match op {
            Op::Add => Self::AfterAdd,
            Op::Replace => Self::AfterReplace,
            Op::Remove => Self::AfterRemove,
        }
    }
}

/// The heads of the buckets' chains.
type Heads<'cb> = &'cb [Cell<Option<&'cb Edit<'cb>>>];

/// The smallest number of buckets: a power of two.
const BUCKETS: usize = 8;

/// Edits in the order in which they were made, and the index of the edits that a read has looked
/// at.
pub(super) struct Record<'cb> {
    newest: Cell<Option<&'cb Edit<'cb>>>,
    index: Cell<Option<&'cb Index<'cb>>>,
}

struct Index<'cb> {
    /// The newest edit that is in the index.
    newest: Cell<Option<&'cb Edit<'cb>>>,
    heads: Cell<Heads<'cb>>,
    /// The number of names in the index.
    names: Cell<usize>,
    /// The lengths of these names, as bits. A name of another length is not searched.
    lengths: Cell<u32>,
}

impl<'cb> Edit<'cb> {
    pub(super) const fn value(&self) -> &'cb [u8] {
        self.value.get()
    }

    pub(super) const fn leaves(&self) -> Leaves {
        self.leaves.get()
    }

    /// Returns whether this is an edit of a name.
    fn is_of(&self, hash: u32, name: &[u8]) -> bool {
        self.hash.get() == hash && is_same(self.name, name)
    }

    /// Notes that the snapshot has no value of the name: the value of the edit is the only one.
    pub(super) fn set_only(&self) {
        self.leaves.set(Leaves::Value);
    }

    /// Keeps the value that the host returned as the first of several.
    pub(super) fn set_first(&self, value: &'cb [u8]) {
        self.value.set(value);
        self.leaves.set(Leaves::FirstOfSeveral);
    }
}

/// Returns the bit of a name's length.
const fn length_bit(name: &[u8]) -> u32 {
    1 << (name.len() % 32)
}

/// Returns a hash of a name, which ignores case. It takes eight bytes at a time. If the length is
/// not a multiple of eight, the last eight bytes overlap those before.
fn hash(name: &[u8]) -> u32 {
    const CASE: u64 = u64::from_ne_bytes([0x20; 8]);
    let mix = |hash: u64, word: u64| {
        // The low bits of a product do not depend on the high bits of its factors, and names differ
        // in their last bytes. So the high bits are mixed into the low ones before the
        // multiplication, and those of the product after it.
        let factor = hash ^ (word | CASE);
        let product = (factor ^ (factor >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
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

/// Returns whether two names are the same, compared without case. Most names are in lower case: so
/// eight bytes are compared at once, and only names that differ are compared byte by byte.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (words, _) = one.as_chunks::<8>();
    let (others, _) = other.as_chunks();
    match (one.last_chunk::<8>(), other.last_chunk()) {
        // A comparison of slices would call the bytewise `memcmp` of wasm.
        (Some(last), Some(other_last))
            if last == other_last && words.iter().zip(others).all(|(word, other)| word == other) =>
        {
            true
        }
        _ => one.eq_ignore_ascii_case(other),
    }
}

impl<'cb> Record<'cb> {
    pub(super) const fn new() -> Self {
        Self { newest: Cell::new(None), index: Cell::new(None) }
    }

    /// Returns whether there are no edits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.newest.get().is_none()
    }

    /// Forgets all edits.
    #[inline]
    pub(super) fn clear(&self) {
        self.newest.set(None);
        self.index.set(None);
    }

    /// Appends an edit. Returns whether there was memory for it.
    #[inline]
    pub(super) fn push(&self, bump: &'cb Bump<'cb>, op: Op, name: &[u8], value: &[u8]) -> bool {
        let edit = bump.put([name, value], |[name, value]| Edit {
            name,
            value: Cell::new(value),
            next: Cell::new(self.newest.get()),
            leaves: Cell::new(Leaves::after(op)),
            hash: Cell::new(0),
        });
        if edit.is_some() {
            self.newest.set(edit);
        }
        edit.is_some()
    }

    /// Returns the newest edit of a name, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// Fails if there is no memory for the index.
    #[inline(never)]
    pub(super) fn find(&self, bump: &'cb Bump<'cb>, name: &[u8]) -> Result<Option<&'cb Edit<'cb>>> {
        let Some(newest) = self.newest.get() else { return Ok(None) };
        let index = match self.index.get() {
            Some(index) => index,
            None => bump.put([b"", b""], |_| Index::new()).ok_or(Error::out_of_memory(size_of::<Index<'_>>()))?,
        };
        self.index.set(Some(index));
        index.extend_to(bump, newest)?;
        Ok(index.find(name))
    }
}

/// Returns whether both are the same edit, compared by address.
fn is_this<'cb>(one: Option<&'cb Edit<'cb>>, other: &'cb Edit<'cb>) -> bool {
    one.is_some_and(|one| core::ptr::eq(one, other))
}

impl<'cb> Index<'cb> {
    const fn new() -> Self {
        Self { newest: Cell::new(None), heads: Cell::new(&[]), names: Cell::new(0), lengths: Cell::new(0) }
    }

    /// Puts all edits up to the newest one into the index, unless they are in it.
    ///
    /// # Errors
    ///
    /// Fails if there is no memory for them.
    fn extend_to(&self, bump: &'cb Bump<'cb>, newest: &'cb Edit<'cb>) -> Result<()> {
        let before = self.newest.get();
        if is_this(before, newest) {
            return Ok(());
        }
        let is_new = |edit: &&'cb Edit<'cb>| !is_this(before, edit);
        let count = successors(Some(newest), |edit| edit.next.get().filter(is_new)).count();
        // The step that can fail comes before anything is changed.
        self.make_room(bump, self.names.get().saturating_add(count))?;
        // Each edit points to the one before it, and edits go into the index in the order in which
        // they were made. So the chain is turned round.
        let (mut edit, mut first) = (Some(newest), None);
        while let Some(found) = edit.filter(is_new) {
            edit = found.next.replace(first);
            first = Some(found);
        }
        while let Some(edit) = first {
            first = edit.next.replace(None);
            self.insert(edit);
            self.newest.set(Some(edit));
        }
        Ok(())
    }

    /// Returns the newest edit of a name among the edits in the index.
    fn find(&self, name: &[u8]) -> Option<&'cb Edit<'cb>> {
        if self.lengths.get() & length_bit(name) == 0 {
            return None;
        }
        let hash = hash(name);
        let mut edit = Self::head(self.heads.get(), hash).and_then(Cell::get);
        while let Some(found) = edit {
            if found.is_of(hash, name) {
                break;
            }
            edit = found.next.get();
        }
        edit
    }

    /// Returns the chain for names of this hash.
    fn head(heads: Heads<'cb>, hash: u32) -> Option<&'cb Cell<Option<&'cb Edit<'cb>>>> {
        // The number of chains is a power of two, or 0.
        heads.get(hash as usize & heads.len().wrapping_sub(1))
    }

    /// Puts one more edit into the index, in place of the name's edit before it.
    fn insert(&self, edit: &'cb Edit<'cb>) {
        let hash = hash(edit.name);
        edit.hash.set(hash);
        let Some(mut place) = Self::head(self.heads.get(), hash) else { return };
        let mut before = None;
        while let Some(found) = place.get() {
            if found.is_of(hash, edit.name) {
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
        edit.leaves.set(match (edit.leaves.get(), before) {
            (Leaves::AfterReplace, _) | (Leaves::AfterAdd, Some(Leaves::Nothing)) => Leaves::Value,
            (Leaves::AfterRemove, _) => Leaves::Nothing,
            (Leaves::AfterAdd, None) => Leaves::Added,
            (Leaves::AfterAdd, Some(_)) => Leaves::Several,
            (known, _) => known,
        });
    }

    /// Makes room in the index for this number of names.
    ///
    /// # Errors
    ///
    /// Fails if there is no memory for it.
    fn make_room(&self, bump: &'cb Bump<'cb>, names: usize) -> Result<()> {
        let old = self.heads.get();
        if names <= old.len() {
            return Ok(());
        }
        let size = names.max(BUCKETS).checked_next_power_of_two().ok_or(Error::out_of_memory(names))?;
        let heads: Heads<'cb> = bump.fill(&Cell::new(None), size)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;

    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";

    /// Returns the number of names that stand before others in the chains of an index that has room
    /// for all.
    fn steps(names: &[String]) -> usize {
        let mut chains = vec![0; names.len().next_power_of_two()];
        let last = chains.len() - 1;
        for name in names {
            chains[hash(name.as_bytes()) as usize & last] += 1;
        }
        chains.iter().map(|chain: &usize| chain * chain.saturating_sub(1) / 2).sum()
    }

    #[test]
    fn names_that_differ_in_one_byte_are_spread() {
        for len in 1..48 {
            for at in 0..len {
                let name = |byte: &u8| {
                    let mut name: Vec<u8> = b"x-some-name-of-".iter().copied().cycle().take(len).collect();
                    name[at] = *byte;
                    String::from_utf8(name).unwrap()
                };
                let names: Vec<String> = LETTERS.iter().map(name).collect();
                // By chance it is 15, and 496 if all are in one chain.
                assert!(steps(&names) < 60, "{} of {names:?}", steps(&names));
            }
        }
    }

    #[test]
    fn names_that_are_counted_are_spread() {
        for prefix in ["h", "x-", "x-added-", "x-added-header-", "x-some-name-that-is-longer-"] {
            let names: Vec<String> = (0..512).map(|number| format!("{prefix}{number}")).collect();
            // By chance it is 256.
            assert!(steps(&names) < 600, "{} of {prefix}", steps(&names));
        }
    }

    #[test]
    fn case_is_no_difference_and_each_byte_is_one() {
        for len in 0..40 {
            let name: Vec<u8> = b"x-Some-name-of-".iter().copied().cycle().take(len).collect();
            assert!(is_same(&name, &name) && is_same(&name, &name.to_ascii_uppercase()));
            assert_eq!(hash(&name), hash(&name.to_ascii_lowercase()));
            assert!(!is_same(&name, &name[..len.saturating_sub(1)]) || len == 0);
            for at in 0..len {
                let mut other = name.clone();
                other[at] = b'!';
                assert!(!is_same(&name, &other));
            }
        }
    }
}
