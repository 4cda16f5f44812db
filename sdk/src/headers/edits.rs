//! Edits that wait: noted while a callback runs, written back before anyone can see the maps.
//!
//! One log for all maps of a VM, empty between callbacks. What becomes of its records is `resolve`'s. The log belongs to the callback that began it:
//! one that a host calls within another writes its edits at once.

use core::cell::Cell;

use super::encode::{EACH, MAX_BYTES, MAX_PAIRS};
use super::map::HeaderMap;
use super::resolve::{Edits, MOST, Op, Record, bit};
use super::snapshots::HOST;
use crate::abi::pending::{self, When};
use crate::abi::{LogLevel, MapType, Refused, call, depth, ledger};
use crate::error::{Error, Result};
use crate::log;

/// A map of more pairs is near the host's limit: the edits that can wait might bring it past that.
pub(super) const LARGE_PAIRS: usize = MAX_PAIRS - MOST;
/// A map of more bytes likewise.
pub(super) const LARGE_BYTES: usize = MAX_BYTES - 4 * ledger::SIZE;

// Beside each other, not in one: in a filter that never edits, the compiler sees that nobody writes these.
crate::__vm_local! {
    static EDITS: Edits = Edits::new();
}

crate::__vm_local! {
    /// The depth of the callback that the edits belong to.
    static DEPTH: Cell<usize> = Cell::new(0);
}

crate::__vm_local! {
    /// Goes up by [`WRITE`] when the host's maps are changed.
    static WRITES: Cell<u32> = Cell::new(0);
}

crate::__vm_local! {
    /// The maps, as bits, whose edits wait: all, but those that the callback before edited once, without a read after it. To note that one edit and to
    /// write it back later would cost four times its host call.
    static WAIT: Cell<u8> = Cell::new(u8::MAX);
}

crate::__vm_local! {
    /// The maps, as bits, whose next edit need not wait: those that are not in `WAIT`, and none while edits wait.
    static AT_ONCE: Cell<u8> = Cell::new(0);
}

crate::__vm_local! {
    /// Whether edits were read that wait.
    static READ: Cell<bool> = Cell::new(false);
}

crate::__vm_local! {
    /// Whether edits of the callback that just returned were refused.
    static FAILED: Cell<bool> = Cell::new(false);
}

/// What a change of the host's maps counts, so that there is room below it for as many edits as can wait.
const WRITE: u32 = 1 << u8::BITS;

/// Notes an edit, if there is room and the log is this callback's.
#[inline]
fn note(record: Record<'_>) -> bool {
    let depth = depth();
    EDITS.with(|edits| {
        if edits.len() == 0 {
            ledger::clear();
            DEPTH.with(|owner| owner.set(depth));
            AT_ONCE.with(|at_once| at_once.set(0));
            pending::wait(write_back);
        } else if DEPTH.with(Cell::get) != depth {
            return false;
        }
        edits.note(record)
    })
}

/// Whether edits of this map wait, of this callback.
pub(super) fn any(map: MapType) -> bool {
    waiting() & bit(map) != 0
}

/// The maps whose edits wait, of this callback.
fn waiting() -> u8 {
    if pending::any() && DEPTH.with(Cell::get) == depth() { EDITS.with(Edits::maps) } else { 0 }
}

/// Gives the edits that wait to a function, which calls neither the host nor the filter. Whoever asks has seen that there are [`any`].
pub(super) fn read<R>(with: impl FnOnce(&Edits, &[u8]) -> R) -> R {
    READ.with(|read| read.set(true));
    EDITS.with(|edits| ledger::read(|bytes| with(edits, bytes)))
}

/// How many edits wait: another number after each, as long as nothing is written back. Less than [`WRITE`].
pub(super) fn version() -> u8 {
    EDITS.with(Edits::len)
}

/// How often the host's maps were changed, times [`WRITE`].
#[inline]
pub(super) fn writes() -> u32 {
    WRITES.with(Cell::get)
}

/// The host's maps are no longer what they were when they were fetched.
#[inline]
pub(super) fn changed() {
    WRITES.with(|writes| writes.set(writes.get().wrapping_add(WRITE)));
}

/// Whether the first edit of a map in a callback need not wait: it is the only one, as far as one can tell, and no other edit waits.
#[inline]
pub(super) fn is_lone(map: MapType) -> bool {
    AT_ONCE.with(Cell::get) & bit(map) != 0
}

/// Edits of this map are to wait from now on: there were several in a callback, or a read after one.
pub(super) fn let_wait(map: MapType) {
    WAIT.with(|wait| wait.set(wait.get() | bit(map)));
    AT_ONCE.with(|at_once| at_once.set(at_once.get() & !bit(map)));
}

/// The log is empty again.
fn begin_again() {
    AT_ONCE.with(|at_once| at_once.set(!WAIT.with(Cell::get)));
}

/// Notes an edit; or writes it at once, if it cannot wait.
///
/// # Errors
///
/// If the edit is wrong by itself; if it cannot wait and the host refuses; if the map would be over the host's limits, as far as this can be known.
#[inline]
pub(crate) fn edit(op: Op, map: MapType, name: &[u8], value: &[u8]) -> Result<()> {
    // Of `host` the guest cannot know whether it is `:authority`, as in Envoy: what is read next is what the proxy made of it.
    let cannot_wait = name.is_empty() || name.len() == HOST.len() && name.eq_ignore_ascii_case(HOST);
    if !cannot_wait && note(Record { op, map, name, value }) { Ok(()) } else { edit_now(op, map, name, value) }
}

/// Writes an edit at once, after what waits, and never past the host's limits: for the edit that cannot wait, and for a map that is large.
///
/// # Cost
///
/// The whole map is fetched to see how large it is.
#[cold]
#[inline(never)]
pub(super) fn edit_now(op: Op, map: MapType, name: &[u8], value: &[u8]) -> Result<()> {
    if name.is_empty() {
        return Err(Error::new("a header without a name"));
    }
    let size = name.len().saturating_add(value.len());
    if size > MAX_BYTES {
        return Err(Error::too_large("bytes in a header", size, MAX_BYTES));
    }
    call::settle().map_err(Error::edit)?;
    if matches!(op, Op::Add | Op::Replace) {
        fits(&HeaderMap::as_written(map)?, op, name, value)?;
    }
    // What was written just now may be of this name.
    let op = if op == Op::Discard { Op::Remove } else { op };
    write(Record { op, map, name, value }).map_err(|refused| match refused {
        Refused::Edit { call, map, status } => Error::header(call, map, name, status),
        other => Error::edit(other),
    })
}

/// Whether a map with this edit is one that hosts decode.
fn fits(headers: &HeaderMap, op: Op, name: &[u8], value: &[u8]) -> Result<()> {
    let (mut pairs, mut bytes) = (headers.len() + 1, headers.encoded_len() + name.len() + value.len() + EACH);
    if op == Op::Replace {
        for old in headers.get_all(name) {
            pairs -= 1;
            bytes = bytes.saturating_sub(name.len() + old.len() + EACH);
        }
    }
    if pairs > MAX_PAIRS {
        return Err(Error::too_large("pairs in a header map", pairs, MAX_PAIRS));
    }
    if bytes > MAX_BYTES {
        return Err(Error::too_large("bytes in a header map", bytes, MAX_BYTES));
    }
    Ok(())
}

/// Whether edits of the callback that just returned were refused; asked once.
pub(crate) fn failed() -> bool {
    FAILED.with(|failed| failed.get() && failed.replace(false))
}

/// After a callback that answers nothing: what was refused in it is logged, and is not the next callback's.
#[inline]
pub(crate) fn forget_failure() {
    FAILED.with(|failed| failed.set(false));
}

/// Whether edits wait, all of this map and this callback.
pub(crate) fn only(map: MapType) -> bool {
    waiting() == bit(map)
}

/// Forgets all edits that wait: the map that they were for was replaced.
pub(crate) fn forget() {
    pending::clear();
    EDITS.with(Edits::clear);
    begin_again();
    READ.with(|read| read.set(false));
    changed();
}

/// Writes all edits back that wait and belong to this callback, all of them, and tells of the first that the host refuses.
fn write_back(when: When) -> Result<(), Refused> {
    if DEPTH.with(Cell::get) != depth() {
        return Ok(());
    }
    pending::clear();
    let answer = EDITS.with(|edits| {
        // A callback that the host makes meanwhile finds edits of another depth: it writes its own at once.
        let answer = ledger::read(|bytes| write_all(edits, bytes));
        edits.clear();
        begin_again();
        // Also if nothing was written: the log's versions begin again.
        changed();
        READ.with(|read| read.set(false));
        answer
    });
    if when == When::AtReturn
        && let Err(refused) = answer
    {
        log::failure(LogLevel::Error, "header edits", &Error::edit(refused));
        FAILED.with(|failed| failed.set(true));
    }
    answer
}

fn write_all(edits: &Edits, bytes: &[u8]) -> Result<(), Refused> {
    let mut answer = Ok(());
    for record in edits.standing(bytes) {
        // Most callbacks edit once.
        if edits.len() == 1 && !READ.with(Cell::get) {
            WAIT.with(|wait| wait.set(wait.get() & !bit(record.map)));
        }
        if let Err(refused) = write(record) {
            answer = answer.and(Err(refused));
        }
    }
    answer
}

/// The one host call of an edit.
#[inline]
pub(super) fn write(Record { op, map, name, value }: Record<'_>) -> Result<(), Refused> {
    changed();
    let answer = match op {
        Op::Add => call::add_map_value(map, name, value),
        Op::Replace => call::replace_map_value(map, name, value),
        Op::Remove => call::remove_map_value(map, name),
        Op::Discard => Ok(()),
    };
    answer.map_err(|status| Refused::Edit { call: op.call(), map, status })
}
