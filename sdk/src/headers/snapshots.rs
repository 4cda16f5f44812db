//! What a callback reads of a map: a snapshot that was fetched once, and the edits made since.

use alloc::boxed::Box;
use core::cell::{Cell, OnceCell};
use core::mem::ManuallyDrop;

use super::check::Check;
use super::map::{AUTHORITY, Fetched, HeaderMap, is_host};
use super::record::{Edit, Leaves, Record};
use super::write::{self, Op, writes};
use crate::abi::{Bump, HostBytes, MapType, Place, Refused, Status, call, try_box};
use crate::error::{Error, Result};
use crate::{ByteStr, ToValue};

/// The reads and edits of one map in one callback.
///
/// An edit goes to the host at once. If there is a snapshot by then it also goes into a record, so that later reads of a name are answered from both without
/// the host. Where the guest cannot know what the proxy made of an edit, the host is asked for the one name; a snapshot after edits is fetched again. Who else
/// changes a map meanwhile (an editor, a callback within this one) is noticed by a count: then the next read fetches the map again.
///
/// Whatever was read stays where it is until the callback returns.
#[derive(Clone, Copy)]
pub(crate) struct Snapshots<'cb> {
    /// Beside what is kept, not in it: so the compiler knows which map it is where a callback reads or edits it.
    map: MapType,
    kept: &'cb Kept<'cb, 'cb>,
}

/// What a callback fetched and edited, and what it knows of the map. It points to itself, so nothing in it that points is dropped by a function of its own.
struct Kept<'p, 'cb> {
    /// The first snapshot, which most callbacks have no other beside.
    first: OnceCell<HeaderMap>,
    /// What was fetched after it.
    more: List,
    /// Where the next thing that is fetched goes; `None` before there are any.
    end: Cell<Option<&'cb More>>,
    /// The newest snapshot, unless that is the first.
    newest: Cell<Option<&'cb HeaderMap>>,
    /// The write up to which the newest snapshot and the record say what the host has; 0 before there is a snapshot.
    known: Cell<u32>,
    /// The edits since the snapshot.
    record: Record<'cb>,
    /// The memory of the record.
    bump: Bump<'p>,
}

/// Everything that a callback fetched, but for the first snapshot.
struct List(More);

/// The end of a list, or the next of what was fetched. Emptied by [`List`].
struct More(ManuallyDrop<OnceCell<Box<Next>>>);

struct Next {
    fetched: FetchedBlock,
    more: More,
}

enum FetchedBlock {
    Map(HeaderMap),
    Value(HostBytes),
}

impl More {
    const fn new() -> Self {
        Self(ManuallyDrop::new(OnceCell::new()))
    }
}

impl List {
    /// One after the other: the list may be longer than the stack is deep.
    #[cold]
    #[inline(never)]
    fn clear(&mut self) {
        let mut next = self.0.0.take();
        while let Some(mut node) = next {
            next = node.more.0.take();
        }
    }
}

impl Drop for List {
    #[inline]
    fn drop(&mut self) {
        if self.0.0.get().is_some() {
            self.clear();
        }
    }
}

impl<'p, 'cb> Kept<'p, 'cb> {
    #[inline]
    const fn new(place: &'p mut Place) -> Self {
        Self {
            first: OnceCell::new(),
            more: List(More::new()),
            end: Cell::new(None),
            newest: Cell::new(None),
            known: Cell::new(0),
            record: Record::new(),
            bump: Bump::new(place),
        }
    }

    /// The snapshot, if it and the record say what the host has now.
    #[inline]
    fn current(&'cb self) -> Option<&'cb HeaderMap> {
        if self.known.get() == writes() { self.newest.get().or_else(|| self.first.get()) } else { None }
    }

    /// The newest edit of a name since the snapshot.
    fn find(&'cb self, name: &[u8]) -> Result<Option<&'cb Edit<'cb>>> {
        self.record.find(&self.bump, name)
    }

    /// Keeps what was fetched to the end of the callback.
    fn push(&'cb self, fetched: FetchedBlock) -> Result<&'cb FetchedBlock> {
        let next = try_box(Next { fetched, more: More::new() })?;
        let end = self.end.get().unwrap_or(&self.more.0);
        // Not `get_or_init`: its check for a nested call brings the panic machinery along.
        let _ = end.0.set(next);
        let next = end.0.get().ok_or(nested())?;
        self.end.set(Some(&next.more));
        Ok(&next.fetched)
    }
}

const fn nested() -> Error {
    Error::new("a header map was read while it was read")
}

impl<'cb> Snapshots<'cb> {
    /// Gives the snapshots of a map to a function, and a reference that lives as long.
    #[inline]
    pub(crate) fn with<P, R>(map: MapType, beside: &P, with: impl for<'a> FnOnce(Snapshots<'a>, &'a P) -> R) -> R {
        let mut place = Place::new();
        let kept = Kept::new(&mut place);
        with(Snapshots { map, kept: &kept }, beside)
    }

    pub(crate) const fn map(self) -> MapType {
        self.map
    }

    /// Returns the map as it is now.
    ///
    /// # Errors
    ///
    /// If the host refuses, sends what is no header map, or memory is out.
    #[inline]
    pub(crate) fn current(self) -> Result<&'cb HeaderMap> {
        if self.kept.first.get().is_none() {
            return self.fetch();
        }
        match self.kept.current() {
            Some(map) if self.kept.record.is_empty() => Ok(map),
            _ => {
                // With a `?`, so that what goes well need not be put where a failure would be.
                let map = self.fetch_again()?;
                Ok(map)
            }
        }
    }

    /// Returns the first value of a name, as it is now.
    ///
    /// # Errors
    ///
    /// If the host refuses, sends what is no header map, or memory is out.
    #[inline]
    pub(crate) fn get(self, name: &[u8]) -> Result<Option<ByteStr<'cb>>> {
        match self.kept.current() {
            Some(map) if self.kept.record.is_empty() => Ok(map.get(name)),
            Some(map) => self.get_edited(map, name),
            None => Ok(self.current()?.get(name)),
        }
    }

    /// Appends an entry.
    ///
    /// # Errors
    ///
    /// If the name or the value is not what `check` lets pass, or the host refuses.
    #[inline]
    pub(crate) fn add<V: ToValue>(self, check: Check, name: &[u8], value: &V) -> Result<()> {
        write::checked((check, Op::Add, self.map), name, value, |value| self.write_add(name, value))
    }

    /// Sets the value of a name.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    #[inline]
    pub(crate) fn replace<V: ToValue>(self, check: Check, name: &[u8], value: &V) -> Result<()> {
        write::checked((check, Op::Replace, self.map), name, value, |value| self.write_replace(name, value))
    }

    /// Removes a name, unless it is known that the host does not have it.
    ///
    /// # Errors
    ///
    /// If the name is not what `check` lets pass, or the host refuses.
    #[inline]
    pub(crate) fn remove(self, check: Check, name: &[u8]) -> Result<()> {
        write::checked((check, Op::Remove, self.map), name, b"", |_| self.write_remove(name))
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
        if self.kept.current().is_some_and(|map| self.is_absent(map, name)) {
            return 0;
        }
        self.write(Op::Remove, name, b"")
    }

    /// Writes an edit and records it, and gives the host's status. Of an edit that is not recorded the next read asks the host.
    #[inline]
    fn write(self, op: Op, name: &[u8], value: &[u8]) -> u32 {
        let kept = self.kept;
        let before = writes();
        let status = write::edit(op, self.map, name, value);
        // Of `host` the guest cannot know whether it is `:authority`, as in Envoy.
        if status == 0 && kept.known.get() == before && !is_host(name) && kept.record.push(&kept.bump, op, name, value)
        {
            // A host that called back meanwhile may have changed the map: then this is not the newest write.
            kept.known.set(write::next(before));
        }
        status
    }

    /// Replaces all of the map.
    ///
    /// # Errors
    ///
    /// If the host refuses.
    pub(crate) fn replace_all(self, pairs: &[u8]) -> Result<()> {
        write::replace_all(self.map, pairs)
    }

    /// Whether the host is known not to have a name.
    fn is_absent(self, map: &HeaderMap, name: &[u8]) -> bool {
        match self.kept.find(name) {
            Ok(Some(edit)) => edit.leaves() == Leaves::Nothing,
            // Envoy has `host` as another name.
            Ok(None) => map.find(name).is_none() && !is_host(name),
            // Without memory for the index nothing is known.
            Err(_) => false,
        }
    }

    /// Fetches the map for the first time.
    fn fetch(self) -> Result<&'cb HeaderMap> {
        let now = writes();
        HeaderMap::fetch_or(
            self.map,
            |map| self.keep_first(now, map),
            |odd| {
                let map = self.keep(now, odd)?;
                Ok(map)
            },
        )
    }

    #[inline]
    fn keep_first(self, now: u32, map: HeaderMap) -> Result<&'cb HeaderMap> {
        let first = &self.kept.first;
        let _ = first.set(map);
        self.kept.known.set(now);
        match first.get() {
            Some(map) => Ok(map),
            None => Err(nested()),
        }
    }

    /// Keeps what was fetched, of which nothing is known yet.
    #[cold]
    #[inline(never)]
    fn keep(self, now: u32, fetched: Fetched) -> Result<&'cb HeaderMap> {
        let map = HeaderMap::of(self.map, fetched)?;
        if self.kept.first.get().is_none() {
            return self.keep_first(now, map);
        }
        let FetchedBlock::Map(map) = self.kept.push(FetchedBlock::Map(map))? else { return Err(nested()) };
        self.kept.newest.set(Some(map));
        self.kept.known.set(now);
        self.kept.record.clear();
        Ok(map)
    }

    /// Fetches the map again, beside what was read before. To put it together here from the snapshot and the record takes three times as many instructions.
    #[cold]
    #[inline(never)]
    fn fetch_again(self) -> Result<&'cb HeaderMap> {
        let now = writes();
        self.keep(now, call::map(self.map))
    }

    /// The first value of a name, asked of the host.
    fn ask(self, name: &[u8]) -> Result<Option<&'cb [u8]>> {
        match call::map_value(self.map, name) {
            Ok(value) => Ok(match self.kept.push(FetchedBlock::Value(value))? {
                FetchedBlock::Value(value) => Some(value),
                FetchedBlock::Map(_) => None,
            }),
            Err(Refused::Status(Status::NotFound)) => Ok(None),
            Err(refused) => Err(Error::host("proxy_get_header_map_value", self.map, refused)),
        }
    }

    /// A value after edits.
    #[cold]
    #[inline(never)]
    fn get_edited(self, map: &'cb HeaderMap, name: &[u8]) -> Result<Option<ByteStr<'cb>>> {
        let Some(edit) = self.kept.find(name)? else {
            return match map.find(name) {
                None if is_host(name) => self.get_edited(map, AUTHORITY),
                found => Ok(found.map(ByteStr::new)),
            };
        };
        if edit.leaves() == Leaves::Added && map.find(name).is_none() {
            edit.set_only();
        }
        let is_known = match edit.leaves() {
            Leaves::Nothing => return Ok(None),
            Leaves::Value | Leaves::FirstOfSeveral => true,
            Leaves::Unknown(_) | Leaves::Added | Leaves::Several | Leaves::Superseded => false,
        };
        if is_known {
            return Ok(Some(ByteStr::new(edit.value())));
        }
        let value = self.ask(name)?;
        if let Some(value) = value {
            edit.set_first(value);
        }
        Ok(value.map(ByteStr::new))
    }
}
