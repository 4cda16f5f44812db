//! Edits, each written to the host by the call that makes it.

use core::cell::Cell;

use super::check::Check;
use crate::ToValue;
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
    /// Returns the host function that does it.
    const fn call(self) -> &'static &'static str {
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

/// Returns the count after one more change.
#[inline]
pub(super) const fn next(writes: u32) -> u32 {
    writes.wrapping_add(1)
}

/// Counts a change of a map. Counted before the host is called: a callback that the host makes
/// meanwhile knows nothing of the change, and counts its own.
#[inline]
fn count() {
    WRITES.with(|writes| writes.set(next(writes.get())));
}

/// Makes an edit of a name and a value that are looked at before, if they are to be. `write` gives
/// the host's status.
///
/// Where the name is a literal the compiler looks at it, if this is inlined.
///
/// # Errors
///
/// Fails if the name or the value is not what `check` lets pass, or the host refuses.
#[inline]
pub(super) fn checked<V: ToValue>(
    (check, op, map): (Check, Op, MapType),
    name: &[u8],
    value: &V,
    write: impl FnOnce(&[u8]) -> u32,
) -> Result<()> {
    value.with_value(|value| {
        if !check.passes_name(name) || !(V::IS_PRINTABLE || check.passes_value(value)) {
            look_again(check, op, name, value)?;
        }
        match write(value) {
            0 => Ok(()),
            refused => Err(Error::header(op.call(), map, name, refused)),
        }
    })
}

/// Checks what does not pass at first sight.
///
/// # Errors
///
/// Fails if it is not what `check` lets pass.
#[cold]
#[inline(never)]
fn look_again(check: Check, op: Op, name: &[u8], value: &[u8]) -> Result<()> {
    check.check(name, value).map_err(|error| error.within(op.call()))
}

/// Writes an edit, and gives the host's status.
#[inline]
pub(super) fn edit(op: Op, map: MapType, name: &[u8], value: &[u8]) -> u32 {
    count();
    match op {
        Op::Add => call::add_map_value(map, name, value),
        Op::Replace => call::replace_map_value(map, name, value),
        Op::Remove => call::remove_map_value(map, name),
    }
}

/// Returns the same, once in a module.
#[inline(never)]
pub(super) fn edit_out_of_line(op: Op, map: MapType, name: &[u8], value: &[u8]) -> u32 {
    edit(op, map, name, value)
}

/// Writes a whole map, in the host's encoding.
///
/// # Errors
///
/// Fails if the host refuses.
pub(super) fn replace_all(map: MapType, pairs: &[u8]) -> Result<()> {
    count();
    call::set_map(map, pairs).map_err(|status| Error::host("proxy_set_header_map_pairs", map, status))
}
