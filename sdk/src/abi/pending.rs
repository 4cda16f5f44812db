//! Whether edits of header maps wait to be written back, as far as the boundary needs to know.
//!
//! `headers::edits` keeps them. Here is only the function that writes them back, while there are any: each host call that could see a map asks for it
//! first, and so does the end of each callback. A filter that never edits links neither the function nor what asks for it: nothing but `None` is ever
//! stored.

use core::cell::Cell;

use super::Refused;

/// Writes all back that waits; at the end of a callback it also tells the log and the failure policy.
pub(crate) type WriteBack = fn(When) -> Result<(), Refused>;

/// Why edits are written back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum When {
    /// A host call is next that could see them; it fails if they do.
    BeforeCall,
    /// The callback returns.
    AtReturn,
}

crate::__vm_local! {
    static WRITE_BACK: Cell<Option<WriteBack>> = Cell::new(None);
}

/// There are edits, and this writes them back.
#[inline]
pub(crate) fn wait(write_back: WriteBack) {
    WRITE_BACK.with(|pending| pending.set(Some(write_back)));
}

/// There are none any more.
#[inline]
pub(crate) fn clear() {
    WRITE_BACK.with(|pending| pending.set(None));
}

/// Whether there are edits.
#[inline]
pub(crate) fn any() -> bool {
    WRITE_BACK.with(|pending| pending.get().is_some())
}

/// Writes back what waits.
#[inline]
pub(crate) fn settle(when: When) -> Result<(), Refused> {
    match WRITE_BACK.with(Cell::get) {
        Some(write_back) => write_back(when),
        None => Ok(()),
    }
}
