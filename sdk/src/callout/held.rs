//! What a stream holds back while it waits for an answer.
//!
//! No host tells, and a proxy that is told to resume what it does not hold may crash. So the directions are noted for those filters whose streams go on if an answer
//! fails, and for nobody else.

use core::cell::Cell;

use crate::abi::StreamType;
use crate::dispatch::Table;
use sluicegate_alloc::region::outside;

crate::__vm_local! {
    /// A bit for each direction, by the numbers of the contexts.
    static HELD: Table<Cell<u8>> = Table::new();
}

const fn bit(direction: StreamType) -> u8 {
    1 << direction as u8
}

/// Notes whether a direction is held back.
pub(crate) fn note(context: u32, direction: StreamType, holds: bool) {
    HELD.with(|held| match held.get(context) {
        Some(bits) if holds => bits.set(bits.get() | bit(direction)),
        Some(bits) => bits.set(bits.get() & !bit(direction)),
        None if holds => {
            // If memory is out the stream will not go on by itself. The table outlives the region of the stream.
            let _ = outside(|| held.insert(context, Cell::new(bit(direction))));
        }
        None => {}
    });
}

/// Whether a direction is held back.
pub(crate) fn holds(context: u32, direction: StreamType) -> bool {
    HELD.with(|held| held.get(context)).is_some_and(|bits| bits.get() & bit(direction) != 0)
}

/// Whether a direction was held back, and is no more.
#[cfg(feature = "async")]
pub(crate) fn went_on(context: u32, direction: StreamType) -> bool {
    HELD.with(|held| held.get(context)).is_some_and(|bits| bits.get() & bit(direction) == 0)
}

/// Forgets a context.
pub(crate) fn forget(context: u32) {
    HELD.with(|held| held.remove(context));
}

/// Forgets everything.
pub(super) fn clear() {
    HELD.with(Table::clear);
}
