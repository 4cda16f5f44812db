//! Which snapshot a callback reads: the first read fetches, later ones share it, and an edit makes the next read fetch again.

use alloc::boxed::Box;
use core::cell::{Cell, OnceCell};

use super::HeaderMap;
use crate::abi::{MapType, call, try_slice};
use crate::error::{Error, Result};

/// The snapshots of one map in one callback. A snapshot stays where it is until the callback returns, so a view survives later edits.
pub(crate) struct Snapshots {
    map: MapType,
    first: Snapshot,
    /// How many snapshots there are.
    fetched: Cell<usize>,
    /// How many of them an edit has made stale: all, or all but the last.
    stale: Cell<usize>,
}

/// A place for a snapshot, and for the one after it.
#[derive(Default)]
struct Snapshot {
    map: OnceCell<HeaderMap>,
    next: OnceCell<Box<[Snapshot]>>,
}

impl Snapshots {
    pub(crate) const fn new(map: MapType) -> Self {
        let first = Snapshot { map: OnceCell::new(), next: OnceCell::new() };
        Self { map, first, fetched: Cell::new(0), stale: Cell::new(0) }
    }

    pub(crate) const fn map(&self) -> MapType {
        self.map
    }

    /// The map as it is now.
    pub(crate) fn current(&self) -> Result<&HeaderMap> {
        let mut snapshot = &self.first;
        for _ in 0..self.stale.get() {
            snapshot = snapshot.next()?;
        }
        if let Some(map) = snapshot.map.get() {
            return Ok(map);
        }
        let block =
            call::map(self.map).map_err(|refused| Error::refused("proxy_get_header_map_pairs", self.map, refused))?;
        // Not `get_or_init`: its check for a nested call brings the panic machinery along.
        let _ = snapshot.map.set(HeaderMap::decode(self.map, block)?);
        self.fetched.set(self.stale.get() + 1);
        snapshot.map.get().ok_or(Error::malformed(self.map, "fetched while it was fetched"))
    }

    /// The map was edited: what was fetched is no longer what the host holds.
    pub(crate) fn invalidate(&self) {
        self.stale.set(self.fetched.get());
    }
}

impl Snapshot {
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
