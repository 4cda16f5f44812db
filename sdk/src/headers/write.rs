//! Edits, each written to the host by the call that makes it.

use core::cell::Cell;

use super::check::Check;
use crate::ToValue;
use crate::abi::{MapType, call};
use crate::error::{Error, Result};

crate::__vm_local! {
    /// The number of changes that the VM has made to maps of the host, wrapping. A snapshot
    /// compares the number to notice changes.
    static WRITES: Cell<u32> = Cell::new(0);
}

/// The effect of an edit on the headers of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Op {
    /// Appends one header.
    Add,
    /// Removes all headers of the name and appends one.
    Replace,
    /// Removes all headers of the name.
    Remove,
}

impl Op {
    /// Returns the name of the host function that makes the edit.
    const fn call(self) -> &'static &'static str {
        match self {
            Self::Add => &"proxy_add_header_map_value",
            Self::Replace => &"proxy_replace_header_map_value",
            Self::Remove => &"proxy_remove_header_map_value",
        }
    }
}

/// Returns the number of changes that the VM has made to maps.
#[inline]
pub(super) fn writes() -> u32 {
    WRITES.with(Cell::get)
}

/// Returns the count after one more change.
#[inline]
pub(super) const fn next(writes: u32) -> u32 {
    writes.wrapping_add(1)
}

/// Counts a change of a map, before the host is called. A callback that the host makes meanwhile
/// does not know of the change, and counts its own.
#[inline]
fn count() {
    WRITES.with(|writes| writes.set(next(writes.get())));
}

/// Checks a name and a value as `check` says, and makes the edit. `write` returns the host's
/// status.
///
/// If this is inlined, the compiler checks a name that is a literal.
///
/// # Errors
///
/// Fails if `check` refuses the name or the value, or if the host refuses.
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

/// Checks a name and a value that do not pass the quick check.
///
/// # Errors
///
/// Fails if `check` refuses one of them.
#[cold]
#[inline(never)]
fn look_again(check: Check, op: Op, name: &[u8], value: &[u8]) -> Result<()> {
    check.check(name, value).map_err(|error| error.within(op.call()))
}

/// Writes an edit, and returns the host's status.
#[inline]
pub(super) fn edit(op: Op, map: MapType, name: &[u8], value: &[u8]) -> u32 {
    count();
    match op {
        Op::Add => call::add_map_value(map, name, value),
        Op::Replace => call::replace_map_value(map, name, value),
        Op::Remove => call::remove_map_value(map, name),
    }
}

/// Writes an edit as [`edit`] does, without inlining: the module has the code once.
#[inline(never)]
pub(super) fn edit_out_of_line(op: Op, map: MapType, name: &[u8], value: &[u8]) -> u32 {
    edit(op, map, name, value)
}

/// Writes a whole map, in the host's encoding.
///
/// # Errors
///
/// Fails if the host refuses.
pub(super) fn replace_pairs(map: MapType, pairs: &[u8]) -> Result<()> {
    count();
    call::set_map(map, pairs).map_err(|status| Error::host("proxy_set_header_map_pairs", map, status))
}
