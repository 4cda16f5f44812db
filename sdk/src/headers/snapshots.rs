//! What a callback reads of a map: what was fetched once, and the edits since then.

use alloc::boxed::Box;
use core::cell::{Cell, OnceCell};

use super::edits::{self, LARGE_BYTES, LARGE_PAIRS};
use super::encode::{Pair, encode_own};
use super::map::HeaderMap;
use super::resolve::{Found, Op, Record, find};
use crate::ByteStr;
use crate::abi::{MapType, call, pending, try_slice};
use crate::error::{Error, Result};

/// The snapshots of one map in one callback. Each stays where it is until the callback returns, so a view survives later edits.
///
/// The first read fetches. Edits wait in the log of `edits`; a read of a name looks there first, and a read of all headers writes them back. Where
/// the guest cannot know what the proxy will make of an edit, or where edits were written back meanwhile, a read fetches again.
pub(crate) struct Snapshots {
    map: MapType,
    first: Snapshot,
    state: Cell<State>,
}

/// What is known of a map in a callback.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Unedited,
    /// An edit was made.
    Edited,
    /// It is near the host's limits, as the host announced or as it was read.
    Large,
}

/// A place for a snapshot, and for the one after it.
#[derive(Default)]
struct Snapshot {
    map: OnceCell<HeaderMap>,
    of: Cell<Of>,
    next: OnceCell<Box<[Snapshot]>>,
}

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Of {
    #[default]
    Nothing,
    /// The host's map, when it had been changed this often.
    Host(u32),
    /// The value of one name with all edits, at these versions of the host's map and the log.
    Value(u32, usize),
}

impl Snapshots {
    /// Of a map of as many headers as the host announced.
    pub(crate) const fn new(map: MapType, announced: u32) -> Self {
        let first = Snapshot { map: OnceCell::new(), of: Cell::new(Of::Nothing), next: OnceCell::new() };
        let state = if announced as usize > LARGE_PAIRS { State::Large } else { State::Unedited };
        Self { map, first, state: Cell::new(state) }
    }

    pub(crate) const fn map(&self) -> MapType {
        self.map
    }

    /// The map as it is now.
    #[inline]
    pub(crate) fn current(&self) -> Result<&HeaderMap> {
        if pending::any() { self.edited() } else { self.host() }
    }

    /// The first value of a name, as it is now.
    #[inline]
    pub(crate) fn get(&self, name: &[u8]) -> Result<Option<ByteStr<'_>>> {
        if pending::any() { self.get_edited(name) } else { Ok(self.host()?.get(name)) }
    }

    /// Notes an edit.
    #[inline]
    pub(crate) fn edit(&self, op: Op, name: &[u8], value: &[u8]) -> Result<()> {
        let state = self.state.replace(State::Edited);
        if state == State::Unedited && !name.is_empty() && edits::is_lone(self.map) {
            return edits::write(Record { op, map: self.map, name, value }).map_err(Error::edit);
        }
        self.edit_again(state, op, name, value)
    }

    #[inline(never)]
    fn edit_again(&self, state: State, op: Op, name: &[u8], value: &[u8]) -> Result<()> {
        match state {
            State::Unedited => {}
            State::Edited => edits::let_wait(self.map),
            State::Large => {
                self.state.set(State::Large);
                return edits::edit_now(op, self.map, name, value);
            }
        }
        edits::edit(op, self.map, name, value)
    }

    /// Notes that a name goes: if the host is known not to have it, only what was added goes.
    #[inline]
    pub(crate) fn remove(&self, name: &[u8]) -> Result<()> {
        let known = self.first.map.get().filter(|_| self.first.is_host());
        let op = if known.is_some_and(|host| !host.contains(name)) { Op::Discard } else { Op::Remove };
        self.edit(op, name, b"")
    }

    /// Replaces all of the map at the host. Edits of it that wait are not written before, if no others wait; they wait on if the host refuses.
    pub(crate) fn replace_all(&self, pairs: &[u8]) -> Result<()> {
        let map = self.map;
        let only = edits::only(map);
        if !only {
            call::settle().map_err(Error::edit)?;
        }
        call::set_map(map, pairs).map_err(|status| Error::host("proxy_set_header_map_pairs", map, status))?;
        if only {
            edits::forget();
        } else {
            edits::changed();
        }
        Ok(())
    }

    /// The map as the host has it, without the edits that wait.
    #[inline]
    fn host(&self) -> Result<&HeaderMap> {
        match self.first.map.get() {
            Some(map) if self.first.is_host() => Ok(map),
            _ => self.fetch(),
        }
    }

    #[inline(never)]
    fn fetch(&self) -> Result<&HeaderMap> {
        let now = Of::Host(edits::writes());
        let place = if self.first.map.get().is_none() { &self.first } else { self.find(now, None)? };
        if let Some(map) = place.map.get() {
            return Ok(map);
        }
        let map = HeaderMap::as_written(self.map)?;
        if map.len() > LARGE_PAIRS || map.encoded_len() > LARGE_BYTES {
            self.state.set(State::Large);
        } else if self.state.get() == State::Edited {
            edits::let_wait(self.map);
        }
        place.put(now, map)
    }

    /// The map with the edits, which are written back for it. To put the two together in the guest would take longer, and as much memory.
    #[cold]
    #[inline(never)]
    fn edited(&self) -> Result<&HeaderMap> {
        if edits::any(self.map) {
            call::settle().map_err(Error::edit)?;
        }
        self.host()
    }

    #[cold]
    #[inline(never)]
    fn get_edited(&self, name: &[u8]) -> Result<Option<ByteStr<'_>>> {
        let now = Of::Value(edits::writes(), edits::version());
        let place = self.find(now, Some(name))?;
        if let Some(map) = place.map.get() {
            return Ok(map.get(name));
        }
        // What is found is copied while the log is borrowed; the host is asked when it no longer is.
        let found = edits::read(|records| find(records, self.map, name).map(|value| encode_own(Pair { name, value })));
        let copied = match found {
            Found::Absent => return Ok(None),
            Found::Value(copied) => copied?,
            Found::Untouched => return Ok(self.host()?.get(name)),
            Found::Added(copied) if !self.host()?.contains(name) => copied?,
            Found::Added(_) | Found::Several => return Ok(self.edited()?.get(name)),
        };
        // The first place may have been taken meanwhile, by the host's map.
        Ok(self.find(now, Some(name))?.put(now, HeaderMap::own(self.map, copied)?)?.get(name))
    }

    /// The snapshot of this, or a free place for it; of a single value only the one of this name.
    #[inline(never)]
    fn find(&self, of: Of, name: Option<&[u8]>) -> Result<&Snapshot> {
        let mut snapshot = &self.first;
        while let Some(map) = snapshot.map.get() {
            if snapshot.of.get() == of && name.is_none_or(|name| map.contains(name)) {
                break;
            }
            snapshot = snapshot.next()?;
        }
        Ok(snapshot)
    }
}

impl Snapshot {
    /// Whether it is the map as the host has it now.
    #[inline]
    fn is_host(&self) -> bool {
        self.of.get() == Of::Host(edits::writes())
    }

    fn put(&self, of: Of, map: HeaderMap) -> Result<&HeaderMap> {
        self.of.set(of);
        // Not `get_or_init`: its check for a nested call brings the panic machinery along.
        let _ = self.map.set(map);
        self.map.get().ok_or(Error::new("a header map was read while it was read"))
    }

    fn next(&self) -> Result<&Self> {
        if self.next.get().is_none() {
            let next = try_slice(1, Self::default)?;
            let _ = self.next.set(next);
        }
        self.next.get().and_then(|next| next.first()).ok_or(Error::out_of_memory(size_of::<Self>()))
    }
}

impl Drop for Snapshots {
    /// One after the other: the list may be longer than the stack is deep.
    fn drop(&mut self) {
        let mut next = self.first.next.take();
        while let Some(mut snapshots) = next {
            next = snapshots.first_mut().and_then(|snapshot| snapshot.next.take());
        }
    }
}
