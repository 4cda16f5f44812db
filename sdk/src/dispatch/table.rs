//! Contexts by the number that the host gave them.

use alloc::vec::Vec;
use core::cell::RefCell;

use crate::abi::{Shared, try_slice};
use crate::error::Result;

/// A map from context numbers to contexts, borrowed only within its own methods.
///
/// Hosts count contexts up from one, so the number itself is its hash: open streams lie side by side, and a lookup is one probe. The table
/// doubles at half full and halves at one eighth, so it is back to its first size when all streams are gone.
pub(crate) struct Table<T> {
    map: RefCell<Map<T>>,
}

struct Map<T> {
    /// A power of two of them, or none.
    slots: Vec<Slot<T>>,
    len: usize,
}

type Slot<T> = Option<(u32, Shared<T>)>;

/// The least number of slots once there is an entry.
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

    /// Adds a context, or answers false if the number is taken.
    pub(crate) fn insert(&self, id: u32, context: T) -> Result<bool> {
        let context = Shared::try_new(context)?;
        if self.get(id).is_some() {
            return Ok(false);
        }
        self.reserve()?;
        Ok(self.put(id, context))
    }

    /// Makes room for one context more, for [`put`](Self::put).
    pub(crate) fn reserve(&self) -> Result<()> {
        let Ok(mut map) = self.map.try_borrow_mut() else { return Ok(()) };
        if map.len >= map.slots.len() / 2 {
            let slots = map.slots.len().saturating_mul(2).max(LEAST);
            map.resize(slots)?;
        }
        Ok(())
    }

    /// Adds a context where there is room, without an allocation; false if the number is taken, or others took the room.
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

    /// Takes a context out.
    pub(crate) fn remove(&self, id: u32) -> Option<Shared<T>> {
        let mut map = self.map.try_borrow_mut().ok()?;
        let at = map.find(id)?;
        let (_, context) = map.slots.get_mut(at)?.take()?;
        map.close_gap(at);
        map.len = map.len.saturating_sub(1);
        if map.slots.len() > LEAST && map.len <= map.slots.len() / 8 {
            // A table that stays large is no harm.
            let slots = map.slots.len() / 2;
            let _ = map.resize(slots);
        }
        Some(context)
    }

    /// Shows every entry to a function of the SDK's own, which does not come back here.
    pub(crate) fn each(&self, mut show: impl FnMut(u32, &T)) {
        let Ok(map) = self.map.try_borrow() else { return };
        for (id, context) in map.slots.iter().flatten() {
            show(*id, context);
        }
    }

    /// Takes everything out.
    pub(crate) fn clear(&self) {
        if let Ok(mut map) = self.map.try_borrow_mut() {
            let emptied = core::mem::replace(&mut *map, Map { slots: Vec::new(), len: 0 });
            drop(map);
            drop(emptied);
        }
    }
}

impl<T> Map<T> {
    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// Where the number stands.
    fn find(&self, id: u32) -> Option<usize> {
        let mask = self.mask();
        let mut at = id as usize & mask;
        // An empty slot ends each probe, and at least half of them are empty.
        while let Some((found, _)) = self.slots.get(at)? {
            if *found == id {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Puts a context into the first free slot for its number; there is one.
    fn place(&mut self, id: u32, context: Shared<T>) {
        let mask = self.mask();
        let mut at = id as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.is_none() {
                *slot = Some((id, context));
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Moves entries back that stand behind an emptied slot and would no longer be found.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.mask();
        let mut at = (gap + 1) & mask;
        while let Some(Some((id, _))) = self.slots.get(at) {
            let home = *id as usize & mask;
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
