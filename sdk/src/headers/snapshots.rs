//! What a callback reads of a map: a snapshot that was fetched once, and the edits made since.

use core::cell::Cell;

use super::check::Check;
use super::map::{AUTHORITY, Fetched, HeaderMap, is_host};
use super::record::{Leaves, Record};
use super::write::{self, Op, writes};
use crate::abi::{Bump, MapType, Refused, Status, WithBump, call};
use crate::error::{Error, Result};
use crate::{ByteStr, ToValue};

/// The reads and edits of one map in one callback.
///
/// An edit goes to the host at once. If there is a snapshot by then it also goes into a record, so
/// that later reads of a name are answered from both without the host. Where the guest cannot know
/// what the proxy made of an edit, the host is asked for the one name; a snapshot after edits is
/// fetched again. Who else changes a map meanwhile (an editor, a callback within this one) is
/// noticed by a count: then the next read fetches the map again.
///
/// Whatever was read stays where it is until the callback returns.
#[derive(Clone, Copy)]
pub(crate) struct Snapshots<'cb> {
    /// Beside what is kept, not in it: so the compiler knows which map it is where a callback reads
    /// or edits it.
    map: MapType,
    /// Nothing before the first read: a callback that only edits pays for no more than this.
    kept: &'cb WithBump<'cb, Kept<'cb>>,
}

/// What a callback knows of the map.
struct Kept<'cb> {
    /// The first snapshot, which most callbacks have no other beside.
    first: HeaderMap,
    /// The newest snapshot, unless that is the first.
    newest: Cell<Option<&'cb HeaderMap>>,
    /// The count of writes up to which the newest snapshot and the record say what the host has.
    known: Cell<u32>,
    /// The edits since the snapshot.
    record: Record<'cb>,
}

impl<'cb> Kept<'cb> {
    /// What is known after so many writes.
    #[inline]
    const fn new(writes: u32, first: HeaderMap) -> Self {
        Self { first, newest: Cell::new(None), known: Cell::new(writes), record: Record::new() }
    }

    /// Returns the newest snapshot, if it and the record say what the host has now.
    #[inline]
    fn current(&'cb self) -> Option<&'cb HeaderMap> {
        (self.known.get() == writes()).then(|| self.newest.get().unwrap_or(&self.first))
    }

    /// Returns whether the host is known not to have a name.
    fn is_absent(&'cb self, bump: &'cb Bump<'cb>, name: &[u8]) -> bool {
        let Some(map) = self.current() else { return false };
        match self.record.find(bump, name) {
            Ok(Some(edit)) => edit.leaves() == Leaves::Nothing,
            // Envoy has `host` as another name.
            Ok(None) => map.find(name).is_none() && !is_host(name),
            // Without memory for the index nothing is known.
            Err(_) => false,
        }
    }
}

const fn nested() -> Error {
    Error::new("a header map was read while it was read")
}

impl<'cb> Snapshots<'cb> {
    /// Gives the snapshots of a map to a function, and a reference that lives as long.
    #[inline]
    pub(crate) fn with<P, R>(map: MapType, beside: &P, with: impl for<'a> FnOnce(Snapshots<'a>, &'a P) -> R) -> R {
        let kept = WithBump::new();
        with(Snapshots { map, kept: &kept }, beside)
    }

    pub(crate) const fn map(self) -> MapType {
        self.map
    }

    /// Returns the map as it is now.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, sends what is no header map, or the SDK is out of memory.
    #[inline]
    pub(crate) fn current(self) -> Result<&'cb HeaderMap> {
        let Some((kept, bump)) = self.kept.get() else { return self.fetch() };
        match kept.current() {
            Some(map) if kept.record.is_empty() => Ok(map),
            _ => {
                // With a `?`, so that what goes well need not be put where a failure would be.
                let map = self.fetch_again(kept, bump)?;
                Ok(map)
            }
        }
    }

    /// Returns the first value of a name, as it is now.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, sends what is no header map, or the SDK is out of memory.
    #[inline]
    pub(crate) fn get(self, name: &[u8]) -> Result<Option<ByteStr<'cb>>> {
        if let Some((kept, bump)) = self.kept.get()
            && !kept.record.is_empty()
            && let Some(map) = kept.current()
        {
            return self.get_edited(kept, bump, map, name);
        }
        Ok(self.current()?.get(name))
    }

    /// Appends an entry.
    ///
    /// # Errors
    ///
    /// Fails if the name or the value is not what `check` lets pass, or the host refuses.
    #[inline]
    pub(crate) fn add<V: ToValue>(self, check: Check, name: &[u8], value: &V) -> Result<()> {
        write::checked((check, Op::Add, self.map), name, value, |value| self.write_add(name, value))
    }

    /// Sets the value of a name.
    ///
    /// # Errors
    ///
    /// Fails as [`add`](Self::add) does.
    #[inline]
    pub(crate) fn replace<V: ToValue>(self, check: Check, name: &[u8], value: &V) -> Result<()> {
        write::checked((check, Op::Replace, self.map), name, value, |value| self.write_replace(name, value))
    }

    /// Removes a name, unless it is known that the host does not have it.
    ///
    /// # Errors
    ///
    /// Fails if the name is not what `check` lets pass, or the host refuses.
    #[inline]
    pub(crate) fn remove(self, check: Check, name: &[u8]) -> Result<()> {
        write::checked((check, Op::Remove, self.map), name, b"", |_| self.write_remove(name))
    }

    /// Replaces all of the map.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    pub(crate) fn replace_all(self, pairs: &[u8]) -> Result<()> {
        write::replace_all(self.map, pairs)
    }

    /// Fetches the map for the first time.
    fn fetch(self) -> Result<&'cb HeaderMap> {
        let now = writes();
        HeaderMap::fetch_or(
            self.map,
            |map| self.keep(now, map),
            |odd| {
                // With a `?`, so that what goes well need not be put where a failure would be.
                let map = self.keep_odd(now, odd)?;
                Ok(map)
            },
        )
    }

    /// Keeps the first snapshot.
    #[inline]
    fn keep(self, now: u32, map: HeaderMap) -> Result<&'cb HeaderMap> {
        match self.kept.set(Kept::new(now, map)) {
            Some((kept, _)) => Ok(&kept.first),
            None => Err(nested()),
        }
    }

    #[cold]
    #[inline(never)]
    fn keep_odd(self, now: u32, fetched: Fetched) -> Result<&'cb HeaderMap> {
        self.keep(now, HeaderMap::of(self.map, fetched)?)
    }

    #[inline(never)]
    fn write_add(self, name: &[u8], value: &[u8]) -> u32 {
        self.write(Op::Add, name, value)
    }

    #[inline(never)]
    fn write_replace(self, name: &[u8], value: &[u8]) -> u32 {
        self.write(Op::Replace, name, value)
    }

    #[inline(never)]
    fn write_remove(self, name: &[u8]) -> u32 {
        if self.kept.get().is_some_and(|(kept, bump)| kept.is_absent(bump, name)) {
            return 0;
        }
        self.write(Op::Remove, name, b"")
    }

    /// Writes an edit and records it, and gives the host's status. Of an edit that is not recorded
    /// the next read asks the host.
    #[inline]
    fn write(self, op: Op, name: &[u8], value: &[u8]) -> u32 {
        let before = writes();
        let status = write::edit(op, self.map, name, value);
        if status == 0
            && let Some((kept, bump)) = self.kept.get()
            && kept.known.get() == before
            // Of `host` the guest cannot know whether it is `:authority`, as in Envoy.
            && !is_host(name)
            && kept.record.push(bump, op, name, value)
        {
            // A host that called back meanwhile may have changed the map: then this is not the
            // newest write.
            kept.known.set(write::next(before));
        }
        status
    }

    /// Fetches the map again, beside what was read before. To put it together here from the
    /// snapshot and the record takes three times as many instructions.
    #[cold]
    #[inline(never)]
    fn fetch_again(self, kept: &'cb Kept<'cb>, bump: &'cb Bump<'cb>) -> Result<&'cb HeaderMap> {
        let now = writes();
        let map = bump.keep(HeaderMap::of(self.map, call::map(self.map))?)?;
        kept.newest.set(Some(map));
        kept.known.set(now);
        kept.record.clear();
        Ok(map)
    }

    /// Returns the first value of a name, asked of the host.
    fn ask(self, bump: &'cb Bump<'cb>, name: &[u8]) -> Result<Option<&'cb [u8]>> {
        match call::map_value(self.map, name) {
            Ok(value) => Ok(Some(bump.keep(value)?)),
            Err(Refused::Status(Status::NotFound)) => Ok(None),
            Err(refused) => Err(Error::host("proxy_get_header_map_value", self.map, refused)),
        }
    }

    /// Returns a value after edits.
    #[cold]
    #[inline(never)]
    fn get_edited(
        self,
        kept: &'cb Kept<'cb>,
        bump: &'cb Bump<'cb>,
        map: &'cb HeaderMap,
        name: &[u8],
    ) -> Result<Option<ByteStr<'cb>>> {
        let Some(edit) = kept.record.find(bump, name)? else {
            return match map.find(name) {
                None if is_host(name) => self.get_edited(kept, bump, map, AUTHORITY),
                found => Ok(found.map(ByteStr::new)),
            };
        };
        if edit.leaves() == Leaves::Added && map.find(name).is_none() {
            edit.set_only();
        }
        let is_known = match edit.leaves() {
            Leaves::Nothing => return Ok(None),
            Leaves::Value | Leaves::FirstOfSeveral => true,
            Leaves::AfterAdd
            | Leaves::AfterReplace
            | Leaves::AfterRemove
            | Leaves::Added
            | Leaves::Several
            | Leaves::Superseded => false,
        };
        if is_known {
            return Ok(Some(ByteStr::new(edit.value())));
        }
        let value = self.ask(bump, name)?;
        if let Some(value) = value {
            edit.set_first(value);
        }
        Ok(value.map(ByteStr::new))
    }
}
