//! A table of contexts by the numbers that the host gave them.

use alloc::vec::Vec;
use core::cell::RefCell;

use crate::abi::{Shared, try_slice};
use crate::error::Result;

/// A map from context numbers to contexts, which is borrowed only within its own methods.
///
/// A number is hashed before its slot is searched. Hosts count contexts in a row, and a row of
/// taken slots would be one cluster. A lookup would end at the first slot. But the search for an
/// entry that lies elsewhere, and the closing of a gap after a removal, would go along all open
/// streams. With the hash, a lookup takes 1.5 probes and a removal looks at 2.5 slots on average,
/// in whatever order numbers come and go.
///
/// The table doubles when it is half full and halves at one eighth, so it has its first size again
/// when all streams are gone. Each entry moves once or twice in its life. The longest pause is the
/// move to 131,072 slots when 32,768 streams are open.
pub(crate) struct Table<T> {
    map: RefCell<Map<T>>,
}

struct Map<T> {
    /// The slots. Their number is a power of two, or zero.
    slots: Vec<Slot<T>>,
    len: usize,
}

type Slot<T> = Option<(u32, Shared<T>)>;

/// The smallest number of slots once there is an entry.
const LEAST: usize = 16;

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self { map: RefCell::new(Map { slots: Vec::new(), len: 0 }) }
    }

    pub(crate) fn get(&self, id: u32) -> Option<Shared<T>> {
        let map = self.map.try_borrow().ok()?;
        let (_, context) = map.slots.get(map.find(id)?)?.as_ref()?;
        Some(context.clone())
    }

    /// Returns whether the number is taken.
    pub(crate) fn contains(&self, id: u32) -> bool {
        self.map.try_borrow().is_ok_and(|map| map.find(id).is_some())
    }

    /// Adds a context. Returns `false` if the number is taken.
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory.
    pub(crate) fn insert(&self, id: u32, context: T) -> Result<bool> {
        let context = Shared::try_new(context)?;
        if self.contains(id) {
            return Ok(false);
        }
        self.reserve()?;
        Ok(self.put(id, context))
    }

    /// Makes room for one more context, for [`put`](Self::put).
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory.
    pub(crate) fn reserve(&self) -> Result<()> {
        let Ok(mut map) = self.map.try_borrow_mut() else { return Ok(()) };
        if map.len >= map.slots.len() / 2 {
            let slots = map.slots.len().saturating_mul(2).max(LEAST);
            map.resize(slots)?;
        }
        Ok(())
    }

    /// Adds a context in the room that [`reserve`](Self::reserve) made, without an allocation.
    /// Returns `false` if the number is taken, or if others took the room.
    pub(crate) fn put(&self, id: u32, context: Shared<T>) -> bool {
        let Ok(mut map) = self.map.try_borrow_mut() else { return false };
        // One slot stays empty, to end each probe.
        if map.find(id).is_some() || map.len + 1 >= map.slots.len() {
            return false;
        }
        map.place(id, context);
        map.len += 1;
        true
    }

    /// Removes a context, and returns it.
    pub(crate) fn remove(&self, id: u32) -> Option<Shared<T>> {
        let mut map = self.map.try_borrow_mut().ok()?;
        let at = map.find(id)?;
        let (_, context) = map.slots.get_mut(at)?.take()?;
        map.close_gap(at);
        map.len = map.len.saturating_sub(1);
        if map.slots.len() > LEAST && map.len <= map.slots.len() / 8 {
            // A table that stays large does no harm.
            let slots = map.slots.len() / 2;
            let _ = map.resize(slots);
        }
        Some(context)
    }

    /// Removes the contexts that `is_unwanted` chooses. Looks at each slot once.
    pub(crate) fn remove_all(&self, is_unwanted: impl Fn(&T) -> bool) {
        let mut at = 0;
        loop {
            let number = {
                let Ok(map) = self.map.try_borrow() else { return };
                let Some(rest) = map.slots.get(at..) else { return };
                let found = rest.iter().position(|slot| slot.as_ref().is_some_and(|(_, context)| is_unwanted(context)));
                let Some(found) = found else { return };
                at += found;
                map.slots.get(at).and_then(|slot| slot.as_ref().map(|(number, _)| *number))
            };
            let slots = self.slots();
            let Some(_removed) = number.and_then(|number| self.remove(number)) else { return };
            // The entries of a smaller table lie elsewhere.
            at = if self.slots() == slots { at } else { 0 };
        }
    }

    fn slots(&self) -> usize {
        self.map.try_borrow().map_or(0, |map| map.slots.len())
    }

    /// Removes all contexts.
    pub(crate) fn clear(&self) {
        if let Ok(mut map) = self.map.try_borrow_mut() {
            let emptied = core::mem::replace(&mut *map, Map { slots: Vec::new(), len: 0 });
            drop(map);
            drop(emptied);
        }
    }
}

/// Mixes a number so that its low bits depend on all of its bits. With a single multiplication,
/// entries would cluster at some steps between numbers, such as the Fibonacci numbers. With two
/// multiplications, no step up to 2,000 and no power of two makes them cluster.
const fn hash(id: u32) -> u32 {
    let mixed = id.wrapping_mul(0x9E37_79B9);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2C1B_3C6D);
    mixed ^ (mixed >> 16)
}

impl<T> Map<T> {
    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// Returns the slot from which a number is searched: the low bits of its hash. With the high
    /// bits, numbers that come or go in the order of another table's slots would fill a table of
    /// another size from one end, as one cluster.
    fn home(&self, id: u32) -> usize {
        hash(id) as usize & self.mask()
    }

    /// Returns the slot of a number, or `None` if the number is not in the map.
    fn find(&self, id: u32) -> Option<usize> {
        let mask = self.mask();
        let mut at = self.home(id);
        // An empty slot ends each probe, and at least half of them are empty.
        while let Some((found, _)) = self.slots.get(at)? {
            if *found == id {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Puts a context into the first free slot for its number. There must be a free slot.
    fn place(&mut self, id: u32, context: Shared<T>) {
        let mask = self.mask();
        let mut at = self.home(id);
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.is_none() {
                *slot = Some((id, context));
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Moves entries back that are behind an emptied slot and would no longer be found.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.mask();
        let mut at = (gap + 1) & mask;
        while let Some(Some((id, _))) = self.slots.get(at) {
            let home = self.home(*id);
            // The entry may move into the gap if its home is not between the two.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(gap) & mask {
                let entry = self.slots.get_mut(at).and_then(Option::take);
                if let Some(slot) = self.slots.get_mut(gap) {
                    *slot = entry;
                }
                gap = at;
            }
            at = (at + 1) & mask;
        }
    }

    fn resize(&mut self, slots: usize) -> Result<()> {
        let old = core::mem::replace(&mut self.slots, try_slice(slots, || None)?.into_vec());
        for (id, context) in old.into_iter().flatten() {
            self.place(id, context);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::__std::collections::HashMap;

    #[test]
    fn it_behaves_like_a_map_and_shrinks_back() {
        let table = Table::new();
        let mut model = HashMap::new();
        let mut random = 1_u32;
        for step in 0..if cfg!(miri) { 400 } else { 20_000_u32 } {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Numbers that collide in small tables, and some from the end of the range.
            let id = if random.is_multiple_of(7) { u32::MAX - random % 40 } else { (random >> 8) % 300 };
            if random % 5 < 3 {
                assert_eq!(table.insert(id, step).unwrap(), !model.contains_key(&id));
                model.entry(id).or_insert(step);
            } else {
                assert_eq!(table.remove(id).map(|value| *value), model.remove(&id));
            }
            assert_eq!(table.get(id).map(|value| *value), model.get(&id).copied());
        }
        for (id, value) in &model {
            assert_eq!(table.get(*id).map(|value| *value), Some(*value));
        }
        for id in model.into_keys() {
            assert!(table.remove(id).is_some());
        }
        let map = table.map.borrow();
        assert_eq!((map.len, map.slots.len()), (0, LEAST));
    }

    /// Returns the number of slots that a search for an absent number looks at on average, and the
    /// largest such number. A removal looks at the same slots.
    fn looked_at<T>(table: &Table<T>) -> (f64, usize) {
        let map = table.map.borrow();
        let (slots, mut taken, mut sum, mut most) = (map.slots.len(), 0, 0, 0);
        // Twice around, because a row of taken slots may continue over the end.
        for at in 0..slots * 2 {
            let is_taken = map.slots[at % slots].is_some();
            taken = if is_taken { taken + 1 } else { 0 };
            most = most.max(taken + 1);
            sum += if at < slots { 0 } else { taken + 1 };
        }
        (sum as f64 / slots as f64, most)
    }

    /// The stream, of those that are open, that ends next.
    #[derive(Clone, Copy, Debug)]
    enum Ends {
        Oldest,
        Newest,
        Random,
    }

    /// Opens `open` streams whose numbers are a step apart, then ends one stream for each new one,
    /// and then ends all. `look` gets the table in between and measures its cost.
    fn churn(step: u32, open: usize, ends: Ends, mut look: impl FnMut(&Table<()>)) {
        let table = Table::new();
        let mut streams = crate::__std::collections::VecDeque::new();
        let (mut next, mut random) = (1_u32, 1_u32);
        let mut end = |streams: &mut crate::__std::collections::VecDeque<u32>| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let ended = match ends {
                Ends::Oldest => streams.pop_front(),
                Ends::Newest => streams.pop_back(),
                Ends::Random => streams.swap_remove_back((random >> 8) as usize % streams.len()),
            };
            assert!(table.remove(ended.unwrap()).is_some());
        };
        for round in 0..open * 4 {
            assert!(table.insert(next, ()).unwrap());
            streams.push_back(next);
            next = next.wrapping_add(step);
            if round >= open {
                end(&mut streams);
            }
            if round.is_multiple_of(open / 4) {
                look(&table);
            }
        }
        while !streams.is_empty() {
            if streams.len().is_multiple_of(open / 4) {
                look(&table);
            }
            end(&mut streams);
        }
        assert_eq!(table.map.borrow().slots.len(), LEAST);
    }

    #[test]
    fn no_step_between_numbers_and_no_order_of_ending_makes_entries_cluster() {
        // Hosts number streams in a row. A VM of several plugins sees steps, and so does the VM of
        // a host that numbers other things in between. Fibonacci numbers are the worst for a
        // multiplied hash.
        let steps = [1, 2, 3, 4, 5, 7, 8, 13, 16, 34, 64, 100, 144, 233, 256, 610, 987, 1000, 1024, 1597, 4096, 65_536];
        let (opens, steps): (&[usize], &[u32]) = if cfg!(miri) { (&[16], &steps[..2]) } else { (&[60, 4000], &steps) };
        for (&open, &step) in opens.iter().flat_map(|open| steps.iter().map(move |step| (open, step))) {
            for ends in [Ends::Oldest, Ends::Newest, Ends::Random] {
                churn(step, open, ends, |table| {
                    let (average, most) = looked_at(table);
                    assert!(average < 5.0 && most < 100, "{open} by {step}, {ends:?}: {average}, {most}");
                });
            }
        }
    }

    /// Tests a removal in the order of another table: the entries that a context leaves behind go
    /// in the order of its own table, out of one that serves all contexts.
    #[test]
    fn numbers_that_come_and_go_in_the_order_of_another_table_do_not_cluster() {
        let most = if cfg!(miri) { 60 } else { 3_000 };
        for (step, beside) in [(1, 0), (4, 0), (1, most / 4), (4, most)] {
            let order = Table::new();
            for id in 1..=most {
                order.insert(id * step, ()).unwrap();
            }
            let ids: Vec<u32> = order.map.borrow().slots.iter().flatten().map(|(id, _)| *id).collect();
            let table = Table::new();
            for id in 1..=beside {
                table.insert((most + id) * step, ()).unwrap();
            }
            let look = |done: usize| {
                if done.is_multiple_of(50) {
                    let (average, longest) = looked_at(&table);
                    assert!(average < 5.0 && longest < 200, "{step}, {beside}, {done}: {average}, {longest}");
                }
            };
            for (done, id) in ids.iter().enumerate() {
                table.insert(*id, ()).unwrap();
                look(done);
            }
            for (done, id) in ids.iter().enumerate() {
                assert!(table.remove(*id).is_some());
                look(done);
            }
        }
    }

    #[test]
    fn short_streams_beside_many_long_ones_cost_what_they_do_alone() {
        let (table, long) = (Table::new(), if cfg!(miri) { 100 } else { 16_000 });
        for id in 1..=long {
            table.insert(id, ()).unwrap();
        }
        for id in long + 1..long * 5 {
            table.insert(id, ()).unwrap();
            let (average, most) = if id.is_multiple_of(long / 4) { looked_at(&table) } else { (0.0, 0) };
            assert!(average < 5.0 && most < 100, "{id}: {average}, {most}");
            // A few of these streams stay too.
            if !id.is_multiple_of(100) {
                table.remove(id);
            }
        }
    }

    #[test]
    fn thousands_of_streams_in_order_are_found() {
        let table = Table::new();
        for id in 1..=3_000 {
            assert!(table.insert(id, id).unwrap());
        }
        assert!((1..=3_000).all(|id| table.get(id).is_some_and(|value| *value == id)));
        table.clear();
        assert!(table.get(1).is_none());
    }
}
