//! The reads of a map in a callback: a snapshot that was fetched once, and the edits made since.

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
/// An edit goes to the host at once. If there is a snapshot by then, the edit also goes into a
/// record. Later reads of a name use both, without the host. If the guest cannot know how the proxy
/// applied an edit, the host is asked for the one name. A snapshot after edits is fetched again. An
/// editor, or a callback within this one, may change the map meanwhile. A count shows such a
/// change, and the next read fetches the map again.
///
/// A value that was read stays where it is until the callback returns.
#[derive(Clone, Copy)]
pub(crate) struct Snapshots<'cb> {
    /// The map, which lies beside `kept`, not in it. So the compiler knows the map where a callback
    /// reads or edits it.
    map: MapType,
    /// The knowledge of the map, which is empty before the first read. A callback that only edits
    /// pays for no more than this.
    kept: &'cb WithBump<'cb, Kept<'cb>>,
}

/// The knowledge that a callback has of the map.
struct Kept<'cb> {
    /// The first snapshot, which is the only one in most callbacks.
    first: HeaderMap,
    /// The newest snapshot, unless it is the first.
    newest: Cell<Option<&'cb HeaderMap>>,
    /// The count of writes up to which the newest snapshot and the record agree with the host.
    known: Cell<u32>,
    /// The edits since the snapshot.
    record: Record<'cb>,
}

impl<'cb> Kept<'cb> {
    /// Returns the knowledge after this number of writes.
    #[inline]
    const fn new(writes: u32, first: HeaderMap) -> Self {
        Self { first, newest: Cell::new(None), known: Cell::new(writes), record: Record::new() }
    }

    /// Returns the newest snapshot, if it and the record agree with the host now.
    #[inline]
    fn current(&'cb self) -> Option<&'cb HeaderMap> {
        (self.known.get() == writes()).then(|| self.newest.get().unwrap_or(&self.first))
    }

    /// Returns whether the host is known to have no header of a name.
    fn is_absent(&'cb self, bump: &'cb Bump<'cb>, name: &[u8]) -> bool {
        let Some(map) = self.current() else { return false };
        match self.record.find(bump, name) {
            Ok(Some(edit)) => edit.leaves() == Leaves::Nothing,
            // Envoy uses another name for `host`.
            Ok(None) => map.find(name).is_none() && !is_host(name),
            // Without memory for the index nothing is known.
            Err(_) => false,
        }
    }
}

const fn nested() -> Error {
    Error::new("the host called back while it was asked for a header map")
}

impl<'cb> Snapshots<'cb> {
    /// Passes the snapshots of a map to a function, together with a reference that lives as long.
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
    /// Fails if the host refuses, if the host sends bytes that are not a header map, or if the SDK
    /// is out of memory.
    #[inline]
    pub(crate) fn current(self) -> Result<&'cb HeaderMap> {
        let Some((kept, bump)) = self.kept.get() else { return self.fetch() };
        match kept.current() {
            Some(map) if kept.record.is_empty() => Ok(map),
            _ => {
                // The `?` keeps the success value out of the place of an error.
                let map = self.fetch_again(kept, bump)?;
                Ok(map)
            }
        }
    }

    /// Returns the first value of a name as it is now, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, if the host sends bytes that are not a header map, or if the SDK
    /// is out of memory.
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
    /// Fails if `check` refuses the name or the value, or if the host refuses.
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

    /// Removes a name, unless the host is known not to have it.
    ///
    /// # Errors
    ///
    /// Fails if `check` refuses the name, or if the host refuses.
    #[inline]
    pub(crate) fn remove(self, check: Check, name: &[u8]) -> Result<()> {
        write::checked((check, Op::Remove, self.map), name, b"", |_| self.write_remove(name))
    }

    /// Replaces the whole map.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    pub(crate) fn replace_pairs(self, pairs: &[u8]) -> Result<()> {
        write::replace_pairs(self.map, pairs)
    }

    /// Fetches the map for the first time.
    fn fetch(self) -> Result<&'cb HeaderMap> {
        let now = writes();
        HeaderMap::fetch_or(
            self.map,
            |map| self.keep(now, map),
            |odd| {
                // The `?` keeps the success value out of the place of an error.
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

    /// Writes an edit, records it, and returns the host's status. After an edit that is not
    /// recorded, the next read asks the host.
    #[inline]
    fn write(self, op: Op, name: &[u8], value: &[u8]) -> u32 {
        let before = writes();
        let status = write::edit(op, self.map, name, value);
        if status == 0
            && let Some((kept, bump)) = self.kept.get()
            && kept.known.get() == before
            // The guest cannot know whether the host has `host` as `:authority`, as Envoy does.
            && !is_host(name)
            && kept.record.push(bump, op, name, value)
        {
            // A callback that the host made meanwhile may have changed the map. Then this is not
            // the newest write.
            kept.known.set(write::next(before));
        }
        status
    }

    /// Fetches the map again, and keeps the values that were read before. Merging the snapshot and
    /// the record in the guest would take three times as many instructions.
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

    /// Asks the host for the first value of a name.
    fn ask(self, bump: &'cb Bump<'cb>, name: &[u8]) -> Result<Option<&'cb [u8]>> {
        match call::map_value(self.map, name) {
            Ok(value) => Ok(Some(bump.keep(value)?)),
            Err(Refused::Status(Status::NotFound)) => Ok(None),
            Err(refused) => Err(Error::host("proxy_get_header_map_value", self.map, refused)),
        }
    }

    /// Returns the first value of a name after edits.
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
