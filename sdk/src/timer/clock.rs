//! The timers of a plugin, and their clock.

use core::cell::Cell;

use super::heap::{Due, Heap};
use super::{LATEST, MILLISECOND, Run, TICK};
use crate::abi::{Shared, call};
use crate::effective::set_effective_context;
use crate::error::Result;
use crate::table::Table;
use crate::tick::set_at_host;
use sluicegate_alloc::region::outside;

/// The action of an entry when its time has come.
pub(super) enum What {
    Tick,
    Run(Run),
    #[cfg(feature = "async")]
    Wake(Shared<crate::task::Slot<()>>),
}

pub(super) struct Entry {
    pub(super) number: u32,
    /// The name of a timer that runs a closure. Only such timers are found by a name.
    pub(super) name: Option<&'static str>,
    /// The number of another timer whose name has the same hash, or 0 if there is none.
    same_hash: Cell<u32>,
    /// The due time, in nanoseconds of the plugin's own clock.
    pub(super) due: Cell<u64>,
    /// The period, or `None` if the timer runs once.
    pub(super) every: Option<u64>,
    /// `None` while the timer runs.
    pub(super) what: Cell<Option<What>>,
    place: Cell<usize>,
}

impl Due for Entry {
    fn key(&self) -> (u64, u32) {
        (self.due.get(), self.number)
    }

    fn place(&self) -> &Cell<usize> {
        &self.place
    }
}

/// A plugin's timers, and a clock that never goes back.
///
/// A timer is found by its number, by its name and by its time without looking at the others.
pub(super) struct Clock {
    timers: Table<Entry>,
    /// The newest timer of each hash of a name.
    names: Table<Cell<u32>>,
    by_time: Heap<Entry>,
    next_number: Cell<u32>,
    /// The nanoseconds for which this clock has run.
    pub(super) now: Cell<u64>,
    /// The wall clock's time when it was last read, or the largest number before the first read.
    wall: Cell<u64>,
    /// The period of the host's tick in milliseconds. 0 is off.
    pub(super) period: Cell<u32>,
    /// The time of the host's next tick.
    pub(super) next_tick: Cell<u64>,
}

/// Returns the hash of a name: FNV-1a.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811C_9DC5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Clock {
    pub(super) const fn new() -> Self {
        Self {
            timers: Table::new(),
            names: Table::new(),
            by_time: Heap::new(),
            next_number: Cell::new(TICK + 1),
            now: Cell::new(0),
            wall: Cell::new(u64::MAX),
            period: Cell::new(0),
            next_tick: Cell::new(u64::MAX),
        }
    }

    /// Advances the clock to now. Returns `false` if the wall clock went back or centuries ahead,
    /// or if the host does not tell the time.
    pub(super) fn look(&self) -> bool {
        let Ok(wall) = call::time() else { return false };
        let passed = wall.checked_sub(self.wall.replace(wall));
        let now = passed.and_then(|passed| self.now.get().checked_add(passed)).filter(|now| *now <= LATEST);
        if let Some(now) = now {
            self.now.set(now);
        }
        now.is_some()
    }

    /// Starts a timer under a free number.
    pub(super) fn insert(
        &self,
        number: u32,
        name: Option<&'static str>,
        wait: u64,
        every: Option<u64>,
        what: What,
    ) -> Result<()> {
        self.look();
        let due = Cell::new(self.now.get().saturating_add(wait));
        let (same_hash, what, place) = (Cell::new(0), Cell::new(Some(what)), Cell::new(0));
        let entry = Entry { number, name, same_hash, due, every, what, place };
        outside(|| {
            let entry = Shared::try_new(entry)?;
            self.timers.reserve()?;
            self.timers.put(number, entry.clone());
            self.by_time.push(entry.clone()).and_then(|()| self.note_name(&entry)).inspect_err(|_| {
                self.remove(number);
            })
        })
    }

    /// Starts a timer under the next number.
    pub(super) fn start(&self, name: Option<&'static str>, wait: u64, every: Option<u64>, what: What) -> Result<u32> {
        let number = self.next_number.get();
        // After 4 billion timers the numbers start again. A timer that still runs under such a
        // number is stopped.
        self.next_number.set(number.checked_add(1).unwrap_or(TICK + 1));
        self.remove(number);
        self.insert(number, name, wait, every, what)?;
        Ok(number)
    }

    /// Returns the timer with this number, or `None` if there is none.
    pub(super) fn get(&self, number: u32) -> Option<Shared<Entry>> {
        self.timers.get(number)
    }

    /// Returns the timer that is due first, or `None` if there is none.
    pub(super) fn first(&self) -> Option<Shared<Entry>> {
        self.by_time.first()
    }

    /// Moves a timer to another time.
    pub(super) fn postpone(&self, entry: &Entry, due: u64) {
        entry.due.set(due);
        self.by_time.update(entry);
    }

    /// Removes a timer. Returns `false` if there is none of this number.
    pub(super) fn remove(&self, number: u32) -> bool {
        outside(|| {
            let Some(entry) = self.timers.remove(number) else { return false };
            self.by_time.remove(&entry);
            self.forget_name(&entry);
            true
        })
    }

    /// Returns the number of the newest timer with this name, or `None` if there is none.
    pub(super) fn named(&self, name: &str) -> Option<u32> {
        let mut number = self.names.get(hash(name))?.get();
        while number != 0 {
            let entry = self.timers.get(number)?;
            if entry.name == Some(name) {
                return Some(number);
            }
            number = entry.same_hash.get();
        }
        None
    }

    fn note_name(&self, entry: &Entry) -> Result<()> {
        let Some(name) = entry.name else { return Ok(()) };
        match self.names.get(hash(name)) {
            Some(newest) => entry.same_hash.set(newest.replace(entry.number)),
            None => drop(self.names.insert(hash(name), Cell::new(entry.number))?),
        }
        Ok(())
    }

    fn forget_name(&self, entry: &Entry) {
        let Some(name) = entry.name else { return };
        let Some(newest) = self.names.get(hash(name)) else { return };
        let next = entry.same_hash.get();
        match newest.get() == entry.number {
            true if next == 0 => drop(self.names.remove(hash(name))),
            true => newest.set(next),
            false => {
                let mut number = newest.get();
                while let Some(other) = self.timers.get(number).filter(|_| number != 0) {
                    number = other.same_hash.get();
                    if number == entry.number {
                        other.same_hash.set(next);
                    }
                }
            }
        }
    }

    /// Sets the host's tick to the timer that is due first. `stream` holds the plugin and the
    /// context that acts now, if the context is not the plugin's.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    pub(super) fn arm(&self, stream: Option<(u32, u32)>) -> Result<()> {
        let now = self.now.get();
        let wanted = match self.first() {
            None => 0,
            Some(first) => {
                let due = first.due.get();
                let wait = due.saturating_sub(now).max(MILLISECOND);
                // The host ticks at that time already.
                if self.period.get() != 0 && due.abs_diff(self.next_tick.get()) < MILLISECOND {
                    return Ok(());
                }
                u32::try_from(wait.div_ceil(MILLISECOND)).unwrap_or(u32::MAX)
            }
        };
        if wanted == 0 && self.period.get() == 0 {
            return Ok(());
        }
        if let Some((plugin, _)) = stream {
            set_effective_context(plugin)?;
        }
        let set = set_at_host(0, wanted);
        if let Some((_, stream)) = stream {
            set_effective_context(stream)?;
        }
        set?;
        self.period.set(wanted);
        self.next_tick.set(match wanted {
            0 => u64::MAX,
            _ => now.saturating_add(u64::from(wanted) * MILLISECOND),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_hash_are_told_apart() {
        // Two pairs of names whose FNV-1a hashes are equal.
        let names = ["costarring", "liquid", "declinate", "macallums"];
        assert_eq!((hash(names[0]), hash(names[2])), (hash(names[1]), hash(names[3])));
        let clock = Clock::new();
        let start = |name| clock.start(Some(name), 1, None, What::Tick).unwrap();
        let numbers = names.map(start);
        assert_eq!(names.map(|name| clock.named(name)), numbers.map(Some));
        assert_eq!(clock.named("another"), None);
        // The oldest, the newest and one between them, of one hash.
        let between = start("costarring");
        let newest = start("liquid");
        assert_eq!(clock.named("costarring"), Some(between));
        assert!(clock.remove(between) && !clock.remove(between));
        assert_eq!((clock.named("costarring"), clock.named("liquid")), (Some(numbers[0]), Some(newest)));
        assert!(clock.remove(numbers[0]));
        assert_eq!((clock.named("costarring"), clock.named("liquid")), (None, Some(newest)));
        assert!(clock.remove(newest));
        assert_eq!(clock.named("liquid"), Some(numbers[1]));
        assert!(clock.remove(numbers[1]) && clock.remove(numbers[2]) && clock.remove(numbers[3]));
        assert!(names.iter().all(|name| clock.named(name).is_none()));
        assert!(clock.first().is_none());
    }
}
