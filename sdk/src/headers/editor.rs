//! Edits of a map without reading it.

use super::edits::edit;
use super::resolve::Op;
use crate::ToValue;
use crate::abi::{MapType, call};
use crate::error::{Error, Result};

/// Edits a map, entry by entry.
///
/// Edits wait, and what is left of them is written back before anyone can see the map: when the callback returns, and before a call that could see it.
/// A refusal of the host is then the error of that call, or for the failure policy; or of [`flush`](Self::flush).
///
/// # Cost
///
/// One host call that returns nothing for each edit that no later one undoes (0.1 to 0.2 µs in Envoy).
#[derive(Clone, Copy, Debug)]
pub struct MapEditor {
    map: MapType,
}

impl MapEditor {
    pub(crate) const fn new(map: MapType) -> Self {
        Self { map }
    }

    /// Appends an entry, beside any of the same name.
    ///
    /// # Errors
    ///
    /// If the name is empty, or the map would be over the host's limits as far as it is known.
    ///
    /// # Cost
    ///
    /// A note. It is one host call when the callback ends, unless a later edit undoes it.
    pub fn add(&self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        value.with_value(|value| edit(Op::Add, self.map, name.as_ref(), value))
    }

    /// Sets the value of a name, whether it is there or not.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    ///
    /// # Cost
    ///
    /// A note. It is one host call when the callback ends, unless a later edit undoes it.
    pub fn replace(&self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        value.with_value(|value| edit(Op::Replace, self.map, name.as_ref(), value))
    }

    /// Removes all entries of a name; none is fine too.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    ///
    /// # Cost
    ///
    /// A note. It is one host call when the callback ends, unless a later edit undoes it.
    pub fn remove(&self, name: impl AsRef<[u8]>) -> Result<()> {
        edit(Op::Remove, self.map, name.as_ref(), b"")
    }

    /// Writes back what waits, of all maps.
    ///
    /// # Errors
    ///
    /// If the host refuses an edit: the first one that it refused, after all were tried.
    ///
    /// # Cost
    ///
    /// One host call for each edit that is left.
    pub fn flush(&self) -> Result<()> {
        call::settle().map_err(Error::edit)
    }
}
