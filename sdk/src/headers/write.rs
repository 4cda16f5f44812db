//! Edits, each written to the host by the call that makes it.

use core::cell::Cell;

use crate::abi::{MapType, call};
use crate::error::{Error, Result};

crate::__vm_local! {
    /// How often the VM has changed a map of the host's, wrapping: whoever knows a map compares.
    static WRITES: Cell<u32> = Cell::new(0);
}

/// What an edit does to the headers of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Op {
    /// Appends one.
    Add,
    /// Removes all and appends one.
    Replace,
    /// Removes all.
    Remove,
}

impl Op {
    /// The host function that does it.
    pub(super) const fn call(self) -> &'static &'static str {
        match self {
            Self::Add => &"proxy_add_header_map_value",
            Self::Replace => &"proxy_replace_header_map_value",
            Self::Remove => &"proxy_remove_header_map_value",
        }
    }
}

/// Returns how often the VM has changed a map.
#[inline]
pub(super) fn writes() -> u32 {
    WRITES.with(Cell::get)
}

/// Counts a change of a map. Counted before the host is called: a callback that the host makes meanwhile knows nothing of the change, and counts its own.
#[inline]
fn count() {
    WRITES.with(|writes| writes.set(writes.get().wrapping_add(1)));
}

/// Writes an edit, whose bytes were looked at.
///
/// # Errors
///
/// If the host refuses.
#[inline]
pub(super) fn edit(op: Op, map: MapType, name: &[u8], value: &[u8]) -> Result<()> {
    count();
    let answer = match op {
        Op::Add => call::add_map_value(map, name, value),
        Op::Replace => call::replace_map_value(map, name, value),
        Op::Remove => call::remove_map_value(map, name),
    };
    answer.map_err(|status| Error::header(op.call(), map, name, status))
}

/// Writes a whole map, in the host's encoding.
///
/// # Errors
///
/// If the host refuses.
pub(super) fn replace_all(map: MapType, pairs: &[u8]) -> Result<()> {
    count();
    call::set_map(map, pairs).map_err(|status| Error::host("proxy_set_header_map_pairs", map, status))
}
