//! What a callback reads of a map: what was fetched once, and the edits since then.

use alloc::boxed::Box;
use core::cell::{Cell, OnceCell};
use core::mem::ManuallyDrop;

use super::edits::{self, LARGE_BYTES, LARGE_PAIRS};
use super::encode::EACH;
use super::map::{Fetched, HeaderMap};
use super::merge::merge;
use super::resolve::{Found, Op, Record};
use crate::ByteStr;
use crate::abi::ledger::{Holder, Span};
use crate::abi::{MapType, call, pending, try_slice};
use crate::error::{Error, Result};

/// The snapshots of one map in one callback. Each stays where it is until the callback returns, so a view survives later edits.
///
/// The first read fetches. Edits wait in the log of `edits`; a read of a name looks there first, and a read of all headers writes them back. Where
/// the guest cannot know what the proxy will make of an edit, or where edits were written back meanwhile, a read fetches again.
#[derive(Clone, Copy)]
pub(crate) struct Snapshots<'cb> {
    /// Beside the kept, not in it: so the compiler knows which map it is where a callback reads or edits it.
    map: MapType,
    /// It holds the edits whose values the callback views.
    kept: &'cb Holder<Kept>,
}

/// Where the snapshots of a callback are kept.
#[repr(C)]
struct Kept {
    first: Snapshot,
    state: Cell<State>,
}

/// What is known of a map in a callback: as long as it was not edited, how many headers were announced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct State(u32);

impl State {
    /// An edit was made.
    const EDITED: Self = Self(u32::MAX - 1);
    /// It is near the host's limits, as it was read.
    const LARGE: Self = Self(u32::MAX);

    /// Whether it was not edited, and is not near the limits.
    #[inline]
    const fn is_free(self) -> bool {
        self.0 as usize <= LARGE_PAIRS
    }
}

/// A place for a snapshot, and for the one after it.
#[derive(Default)]
// In this order: the number and the empty list are one store.
#[repr(C)]
struct Snapshot {
    map: OnceCell<HeaderMap>,
    /// Says nothing as long as there is no map.
    of: Cell<Of>,
    /// Emptied by [`Snapshots`], which drops the list.
    next: ManuallyDrop<OnceCell<Box<[Snapshot]>>>,
}

/// What a snapshot is of, as a number: how often the host's maps had been changed, and in its lowest byte how many edits are in it; none are in the host's map.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Of(u32);

/// The name of which the proxy may have another one.
pub(super) const HOST: &[u8] = b"host";

impl Of {
    /// The host's map as it is now.
    #[inline]
    fn host() -> Self {
        Self(edits::writes())
    }

    /// The same with the edits that wait.
    fn edited() -> Self {
        Self(edits::writes() | u32::from(edits::version()))
    }
}

impl Kept {
    const fn new(announced: u32) -> Self {
        let first = Snapshot { map: OnceCell::new(), of: Cell::new(Of(0)), next: ManuallyDrop::new(OnceCell::new()) };
        Self { first, state: Cell::new(State(announced)) }
    }

    /// One after the other: the list may be longer than the stack is deep.
    #[cold]
    #[inline(never)]
    fn drop_list(&mut self) {
        let mut next = self.first.next.take();
        while let Some(mut snapshots) = next {
            next = snapshots.first_mut().and_then(|snapshot| snapshot.next.take());
        }
    }
}

impl Drop for Kept {
    #[inline]
    fn drop(&mut self) {
        if self.first.next.get().is_some() {
            self.drop_list();
        }
    }
}

impl<'cb> Snapshots<'cb> {
    /// Gives the snapshots of a map, of as many headers as the host announced, to a function.
    #[inline]
    pub(crate) fn with<R>(map: MapType, announced: u32, with: impl FnOnce(Snapshots<'_>) -> R) -> R {
        Holder::with(Kept::new(announced), |kept| with(Snapshots { map, kept }))
    }

    pub(crate) const fn map(self) -> MapType {
        self.map
    }

    /// The map as it is now.
    #[inline]
    pub(crate) fn current(self) -> Result<&'cb HeaderMap> {
        if pending::any() {
            // With a `?`, so that what goes well need not be put where a failure would be.
            let map = self.edited()?;
            return Ok(map);
        }
        self.host()
    }

    /// The first value of a name, as it is now.
    #[inline]
    pub(crate) fn get(self, name: &[u8]) -> Result<Option<ByteStr<'cb>>> {
        let found = if pending::any() { self.get_edited(name)? } else { self.host()?.get(name) };
        if found.is_none() && name.len() == HOST.len() { self.get_host(name) } else { Ok(found) }
    }

    /// A request's `host`, which Envoy has as `:authority` and gives by either name.
    #[cold]
    #[inline(never)]
    fn get_host(self, name: &[u8]) -> Result<Option<ByteStr<'cb>>> {
        if self.map == MapType::HttpRequestHeaders && name.eq_ignore_ascii_case(HOST) {
            self.get(b":authority")
        } else {
            Ok(None)
        }
    }

    /// Notes an edit.
    #[inline]
    pub(crate) fn edit(self, op: Op, name: &[u8], value: &[u8]) -> Result<()> {
        let state = self.kept.state.replace(State::EDITED);
        if state.is_free() && !name.is_empty() && edits::is_lone(self.map) {
            return edits::write(Record { op, map: self.map, name, value }).map_err(Error::edit);
        }
        self.edit_again(state, op, name, value)
    }

    #[inline(never)]
    fn edit_again(self, state: State, op: Op, name: &[u8], value: &[u8]) -> Result<()> {
        if state == State::EDITED {
            edits::let_wait(self.map);
        } else if !state.is_free() {
            self.kept.state.set(State::LARGE);
            return edits::edit_now(op, self.map, name, value);
        }
        edits::edit(op, self.map, name, value)
    }

    /// Notes that a name goes: if the host is known not to have it, only what was added goes.
    #[inline]
    pub(crate) fn remove(self, name: &[u8]) -> Result<()> {
        let known = self.kept.first.map.get().filter(|_| self.kept.first.is_host());
        // Envoy has `host` as another name.
        let is_known = |host: &HeaderMap| !host.contains(name) && !name.eq_ignore_ascii_case(HOST);
        let op = if known.is_some_and(is_known) { Op::Discard } else { Op::Remove };
        self.edit(op, name, b"")
    }

    /// Replaces all of the map at the host. Edits of it that wait are not written before, if no others wait; they wait on if the host refuses.
    pub(crate) fn replace_all(self, pairs: &[u8]) -> Result<()> {
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
    fn host(self) -> Result<&'cb HeaderMap> {
        match self.kept.first.map.get() {
            None => self.fetch(),
            Some(map) if self.kept.first.is_host() => Ok(map),
            Some(_) => self.fetch_again(),
        }
    }

    /// The first time.
    fn fetch(self) -> Result<&'cb HeaderMap> {
        let now = Of::host();
        HeaderMap::as_written_or(
            self.map,
            |map| {
                self.look_at(map.len(), map.encoded_len());
                self.kept.first.put(now, map)
            },
            |odd| {
                let map = self.take(&self.kept.first, now, odd)?;
                Ok(map)
            },
        )
    }

    /// The same beside what was read before, if there is something.
    #[cold]
    #[inline(never)]
    fn fetch_again(self) -> Result<&'cb HeaderMap> {
        let now = Of::host();
        let place = self.find(now)?;
        match place.map.get() {
            Some(map) => Ok(map),
            None => self.take(place, now, call::map_slow(self.map)),
        }
    }

    /// Takes what was fetched.
    #[cold]
    #[inline(never)]
    fn take(self, place: &'cb Snapshot, now: Of, fetched: Fetched) -> Result<&'cb HeaderMap> {
        let map = HeaderMap::of(self.map, fetched)?;
        self.look_at(map.len(), map.encoded_len());
        place.put(now, map)
    }

    /// Notes what a map that was just fetched says about edits.
    #[inline]
    fn look_at(self, pairs: usize, bytes: usize) {
        // No pair takes less bytes than these.
        if bytes > LARGE_PAIRS * EACH && (pairs > LARGE_PAIRS || bytes > LARGE_BYTES) {
            self.kept.state.set(State::LARGE);
        }
        if self.kept.state.get() == State::EDITED {
            edits::let_wait(self.map);
        }
    }

    /// The map with the edits: put together here, if the guest can know what comes of them; else they are written back, and the host is asked.
    #[cold]
    #[inline(never)]
    fn edited(self) -> Result<&'cb HeaderMap> {
        if !edits::any(self.map) {
            return self.fetch_again();
        }
        let now = Of::edited();
        if let Some(map) = self.find(now)?.map.get() {
            return Ok(map);
        }
        let host = self.fetch_again()?;
        match edits::read(|edits, bytes| merge(edits, bytes, self.map, host))? {
            // Not the place that was free before, which may be the host's map now.
            Some(merged) => self.find(now)?.put(now, HeaderMap::own(self.map, merged)?),
            None => self.written_back(),
        }
    }

    /// The map with the edits, which are written back for it.
    #[inline(never)]
    fn written_back(self) -> Result<&'cb HeaderMap> {
        call::settle().map_err(Error::edit)?;
        self.fetch_again()
    }

    #[cold]
    #[inline(never)]
    fn get_edited(self, name: &[u8]) -> Result<Option<ByteStr<'cb>>> {
        let any = edits::any(self.map);
        let found = if any { edits::read(|edits, bytes| edits.find(bytes, self.map, name)) } else { Found::Untouched };
        match found {
            Found::Absent => Ok(None),
            Found::Value(value) => Ok(self.view(value)),
            Found::Untouched => Ok(self.fetch_again()?.get(name)),
            Found::Added(value) if !self.fetch_again()?.contains(name) => Ok(self.view(value)),
            Found::Added(_) | Found::Several => Ok(self.written_back()?.get(name)),
        }
    }

    /// The value of an edit, where it was noted.
    fn view(self, value: Span) -> Option<ByteStr<'cb>> {
        Some(ByteStr::new(value.of(self.kept.bytes())))
    }

    /// The snapshot of this, or a free place for it.
    #[inline(never)]
    fn find(self, of: Of) -> Result<&'cb Snapshot> {
        let mut snapshot = &self.kept.first;
        while snapshot.map.get().is_some() && snapshot.of.get() != of {
            snapshot = snapshot.next()?;
        }
        Ok(snapshot)
    }
}

impl Snapshot {
    /// Whether it is the map as the host has it now.
    #[inline]
    fn is_host(&self) -> bool {
        self.of.get() == Of::host()
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
