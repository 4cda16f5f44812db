//! What a callback reads of a map: a snapshot that was fetched once, and the edits made since.

use alloc::boxed::Box;
use core::cell::{Cell, OnceCell};
use core::mem::ManuallyDrop;

use super::check::Check;
use super::map::{AUTHORITY, Fetched, HeaderMap, is_host};
use super::record::{Leaves, Record};
use super::write::{self, Op, writes};
use crate::ByteStr;
use crate::abi::{Bump, HostBytes, MapType, Refused, Status, call, try_box};
use crate::error::{Error, Result};

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
    kept: &'cb Kept<'cb>,
}

/// What a callback owns: what it fetched, and the memory of its record.
struct Owned {
    /// The first snapshot, which most callbacks have no other beside.
    first: OnceCell<HeaderMap>,
    more: More,
    bump: Bump,
}

/// The end of a list, or the next of what was fetched. Emptied by [`Owned`].
struct More(ManuallyDrop<OnceCell<Box<Next>>>);

struct Next {
    fetched: FetchedBlock,
    more: More,
}

enum FetchedBlock {
    Map(HeaderMap),
    Value(HostBytes),
}

/// What a callback knows of the map. All that it points to is [`Owned`].
struct Kept<'cb> {
    owned: &'cb Owned,
    /// Where the next thing that is fetched goes.
    end: Cell<&'cb More>,
    /// The newest snapshot.
    snapshot: Cell<Option<&'cb HeaderMap>>,
    /// The count of writes up to which the snapshot and the record say what the host has.
    known: Cell<u32>,
    /// The edits since the snapshot, if there are any.
    record: Cell<Option<&'cb Record<'cb>>>,
}

impl More {
    const fn new() -> Self {
        Self(ManuallyDrop::new(OnceCell::new()))
    }
}

impl Owned {
    const fn new() -> Self {
        Self { first: OnceCell::new(), more: More::new(), bump: Bump::new() }
    }

    /// One after the other: the list may be longer than the stack is deep.
    #[cold]
    #[inline(never)]
    fn drop_list(&mut self) {
        let mut next = self.more.0.take();
        while let Some(mut node) = next {
            next = node.more.0.take();
        }
    }
}

impl Drop for Owned {
    #[inline]
    fn drop(&mut self) {
        if self.more.0.get().is_some() {
            self.drop_list();
        }
    }
}

impl<'cb> Kept<'cb> {
    const fn new(owned: &'cb Owned) -> Self {
        Self {
            owned,
            end: Cell::new(&owned.more),
            snapshot: Cell::new(None),
            known: Cell::new(0),
            record: Cell::new(None),
        }
    }

    /// The snapshot, if it and the record say what the host has now.
    #[inline]
    fn current(&self) -> Option<&'cb HeaderMap> {
        self.snapshot.get().filter(|_| self.known.get() == writes())
    }

    /// Keeps what was fetched to the end of the callback.
    fn push(&self, fetched: FetchedBlock) -> Result<&'cb FetchedBlock> {
        let next = try_box(Next { fetched, more: More::new() })?;
        let end = self.end.get();
        // Not `get_or_init`: its check for a nested call brings the panic machinery along.
        let _ = end.0.set(next);
        let next = end.0.get().ok_or(Error::new("a header map was read while it was read"))?;
        self.end.set(&next.more);
        Ok(&next.fetched)
    }
}

impl<'cb> Snapshots<'cb> {
    /// Gives the snapshots of a map to a function, and a reference that lives as long.
    #[inline]
    pub(crate) fn with<P, R>(map: MapType, beside: &P, with: impl for<'a> FnOnce(Snapshots<'a>, &'a P) -> R) -> R {
        let owned = Owned::new();
        let kept = Kept::new(&owned);
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
        match self.kept.current() {
            Some(map) if self.kept.record.get().is_none() => Ok(map),
            None if self.kept.snapshot.get().is_none() => self.fetch(),
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
        match (self.kept.current(), self.kept.record.get()) {
            (Some(map), None) => Ok(map.get(name)),
            (Some(map), Some(record)) => self.get_edited(map, record, name),
            (None, _) => Ok(self.current()?.get(name)),
        }
    }

    /// Makes an edit.
    ///
    /// # Errors
    ///
    /// If the name or the value is not what `check` lets pass, or the host refuses.
    #[inline]
    pub(crate) fn edit(self, check: Check, op: Op, name: &[u8], value: &[u8]) -> Result<()> {
        check.check(name, value).map_err(|error| error.within(op.call()))?;
        let before = writes();
        write::edit(op, self.map, name, value)?;
        if self.kept.snapshot.get().is_some() && self.kept.known.get() == before {
            self.record(before.wrapping_add(1), op, name, value);
        }
        Ok(())
    }

    /// Removes a name, unless it is known that the host does not have it.
    ///
    /// # Errors
    ///
    /// If the name is not what `check` lets pass, the SDK is out of memory, or the host refuses.
    #[inline]
    pub(crate) fn remove(self, check: Check, name: &[u8]) -> Result<()> {
        if let Some(map) = self.kept.current()
            && self.is_absent(map, name)?
        {
            return check.check(name, b"").map_err(|error| error.within(Op::Remove.call()));
        }
        self.edit(check, Op::Remove, name, b"")
    }

    /// Replaces all of the map.
    ///
    /// # Errors
    ///
    /// If the host refuses.
    pub(crate) fn replace_all(self, pairs: &[u8]) -> Result<()> {
        write::replace_all(self.map, pairs)
    }

    /// Records an edit that the host has taken. If that is not possible the snapshot is out of date from now on, and the next read asks the host.
    #[inline(never)]
    fn record(self, after: u32, op: Op, name: &[u8], value: &[u8]) {
        let kept = self.kept;
        // A host that called back meanwhile may have changed the map; and of `host` the guest cannot know whether it is `:authority`, as in Envoy.
        if writes() != after || is_host(name) {
            return;
        }
        let record = match kept.record.get() {
            Some(record) => Some(record),
            None => kept.owned.bump.put(Record::new(&kept.owned.bump)).ok(),
        };
        if let Some(record) = record
            && record.push(op, name, value).is_ok()
        {
            kept.record.set(Some(record));
            kept.known.set(after);
        }
    }

    /// Whether the host is known not to have a name.
    #[inline(never)]
    fn is_absent(self, map: &HeaderMap, name: &[u8]) -> Result<bool> {
        let edit = match self.kept.record.get() {
            Some(record) => record.find(name)?,
            None => None,
        };
        Ok(match edit {
            Some(edit) => edit.leaves() == Leaves::Nothing,
            // Envoy has `host` as another name.
            None => map.find(name).is_none() && !is_host(name),
        })
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
        let first = &self.kept.owned.first;
        let _ = first.set(map);
        self.know(now, first.get())
    }

    /// From now on this snapshot says what the host has.
    #[inline]
    fn know(self, now: u32, map: Option<&'cb HeaderMap>) -> Result<&'cb HeaderMap> {
        let map = map.ok_or(Error::new("a header map was read while it was read"))?;
        self.kept.snapshot.set(Some(map));
        self.kept.known.set(now);
        self.kept.record.set(None);
        Ok(map)
    }

    /// Keeps what was fetched, of which nothing is known yet.
    #[cold]
    #[inline(never)]
    fn keep(self, now: u32, fetched: Fetched) -> Result<&'cb HeaderMap> {
        let map = HeaderMap::of(self.map, fetched)?;
        if self.kept.owned.first.get().is_none() {
            return self.keep_first(now, map);
        }
        let map = match self.kept.push(FetchedBlock::Map(map))? {
            FetchedBlock::Map(map) => Some(map),
            FetchedBlock::Value(_) => None,
        };
        self.know(now, map)
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
    fn get_edited(self, map: &'cb HeaderMap, record: &Record<'cb>, name: &[u8]) -> Result<Option<ByteStr<'cb>>> {
        let Some(edit) = record.find(name)? else {
            return match map.find(name) {
                None if is_host(name) => self.get_edited(map, record, AUTHORITY),
                found => Ok(found.map(ByteStr::new)),
            };
        };
        let is_known = match edit.leaves() {
            Leaves::Nothing => return Ok(None),
            Leaves::Value | Leaves::FirstOfSeveral => true,
            Leaves::Added => map.find(name).is_none(),
            Leaves::Several | Leaves::Superseded => false,
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
