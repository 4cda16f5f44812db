//! Lists through the entries of a table. An entry knows both neighbours by their numbers, so each
//! step costs the same for few entries and for many.

use core::cell::Cell;

use crate::table::Table;

/// The place of an entry in one list.
pub(super) struct Link {
    listed: Cell<bool>,
    before: Cell<u32>,
    after: Cell<u32>,
}

impl Link {
    pub(super) const fn new() -> Self {
        Self { listed: Cell::new(false), before: Cell::new(NONE), after: Cell::new(NONE) }
    }
}

/// The ends of a list, in the order in which entries were added.
pub(super) struct List {
    first: Cell<u32>,
    last: Cell<u32>,
}

/// The number that no entry has.
const NONE: u32 = 0;

/// The link of an entry through which a list goes.
type LinkOf<T> = fn(&T) -> &Link;

impl List {
    pub(super) const fn new() -> Self {
        Self { first: Cell::new(NONE), last: Cell::new(NONE) }
    }

    pub(super) fn first(&self) -> Option<u32> {
        Some(self.first.get()).filter(|number| *number != NONE)
    }

    pub(super) fn last(&self) -> Option<u32> {
        Some(self.last.get()).filter(|number| *number != NONE)
    }

    /// Adds an entry of the table to the end, unless the entry is in the list.
    pub(super) fn push<T>(&self, table: &Table<T>, link: LinkOf<T>, number: u32) {
        let Some(entry) = table.get(number).filter(|_| number != NONE) else { return };
        let own = link(&entry);
        if own.listed.replace(true) {
            return;
        }
        let last = self.last.replace(number);
        own.before.set(last);
        own.after.set(NONE);
        match table.get(last).filter(|_| last != NONE) {
            Some(entry) => link(&entry).after.set(number),
            None => self.first.set(number),
        }
    }

    /// Forgets all entries. The table must be empty.
    pub(super) fn clear(&self) {
        self.first.set(NONE);
        self.last.set(NONE);
    }

    /// Removes an entry, if it is in the list.
    pub(super) fn remove<T>(&self, table: &Table<T>, link: LinkOf<T>, number: u32) {
        let Some(entry) = table.get(number) else { return };
        let own = link(&entry);
        if !own.listed.replace(false) {
            return;
        }
        let (before, after) = (own.before.get(), own.after.get());
        match table.get(before).filter(|_| before != NONE) {
            Some(entry) => link(&entry).after.set(after),
            None => self.first.set(after),
        }
        match table.get(after).filter(|_| after != NONE) {
            Some(entry) => link(&entry).before.set(before),
            None => self.last.set(before),
        }
    }
}
