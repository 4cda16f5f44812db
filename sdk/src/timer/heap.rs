//! A heap of a plugin's timers, in the order of their times.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::abi::{Shared, try_slice};
use crate::error::Result;

/// An entry of a [`Heap`]: its due time, and its place in the heap.
pub(super) trait Due {
    /// Returns the due time, and a number that orders equal times.
    fn key(&self) -> (u64, u32);

    /// Returns the place in the heap, which only the heap writes.
    fn place(&self) -> &Cell<usize>;
}

/// A binary heap whose entries know their places, so that an entry is removed or moved without a
/// search.
///
/// The heap is borrowed only within its own methods, which run no foreign code. A removed entry is
/// dropped after the borrow.
pub(super) struct Heap<T> {
    inner: RefCell<Inner<T>>,
}

struct Inner<T> {
    /// The slots, which are full up to `len`. Their number is a power of two, or zero.
    slots: Vec<Option<Shared<T>>>,
    len: usize,
}

/// The smallest number of slots once there is an entry.
const LEAST: usize = 4;

impl<T: Due> Heap<T> {
    pub(super) const fn new() -> Self {
        Self { inner: RefCell::new(Inner { slots: Vec::new(), len: 0 }) }
    }

    /// Returns the entry that is due first, or `None` if there is none.
    pub(super) fn first(&self) -> Option<Shared<T>> {
        self.inner.try_borrow().ok()?.slots.first()?.clone()
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory.
    pub(super) fn push(&self, entry: Shared<T>) -> Result<()> {
        let Ok(mut inner) = self.inner.try_borrow_mut() else { return Ok(()) };
        let at = inner.len;
        if at == inner.slots.len() {
            inner.resize(at.saturating_mul(2).max(LEAST))?;
        }
        inner.put(at, Some(entry));
        inner.len = at + 1;
        inner.rise(at);
        Ok(())
    }

    /// Removes an entry, if it is in the heap.
    pub(super) fn remove(&self, entry: &T) {
        let Ok(mut inner) = self.inner.try_borrow_mut() else { return };
        let at = entry.place().get();
        if !inner.is_at(entry, at) {
            return;
        }
        let last = inner.len - 1;
        inner.swap(at, last);
        let gone = inner.slots.get_mut(last).and_then(Option::take);
        inner.len = last;
        if at < last {
            inner.rise(at);
            inner.sink(at);
        }
        let slots = inner.slots.len();
        if slots > LEAST && last <= slots / 4 {
            // A heap that stays large does no harm.
            let _ = inner.resize(slots / 2);
        }
        drop(inner);
        drop(gone);
    }

    /// Moves an entry whose time has changed.
    pub(super) fn update(&self, entry: &T) {
        let Ok(mut inner) = self.inner.try_borrow_mut() else { return };
        let at = entry.place().get();
        if inner.is_at(entry, at) {
            inner.rise(at);
            inner.sink(entry.place().get());
        }
    }
}

impl<T: Due> Inner<T> {
    fn is_at(&self, entry: &T, at: usize) -> bool {
        self.slots.get(at).and_then(Option::as_ref).is_some_and(|found| core::ptr::eq(&raw const **found, entry))
    }

    fn key(&self, at: usize) -> Option<(u64, u32)> {
        Some(self.slots.get(at)?.as_ref()?.key())
    }

    fn put(&mut self, at: usize, entry: Option<Shared<T>>) {
        if let Some(entry) = &entry {
            entry.place().set(at);
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = entry;
        }
    }

    fn swap(&mut self, first: usize, second: usize) {
        let taken = self.slots.get_mut(first).and_then(Option::take);
        let other = self.slots.get_mut(second).and_then(Option::take);
        self.put(second, taken);
        // The two places may be the same.
        if other.is_some() {
            self.put(first, other);
        }
    }

    /// Moves an entry up while it is due before the entry above it.
    fn rise(&mut self, mut at: usize) {
        while at > 0 {
            let above = (at - 1) / 2;
            if self.key(above) <= self.key(at) {
                return;
            }
            self.swap(at, above);
            at = above;
        }
    }

    /// Moves an entry down while an entry below it is due before it.
    fn sink(&mut self, mut at: usize) {
        loop {
            let left = at.saturating_mul(2).saturating_add(1);
            let Some(of_left) = self.key(left) else { return };
            let (below, key) = match self.key(left + 1) {
                Some(of_right) if of_right < of_left => (left + 1, of_right),
                _ => (left, of_left),
            };
            if self.key(at).is_none_or(|own| own <= key) {
                return;
            }
            self.swap(at, below);
            at = below;
        }
    }

    fn resize(&mut self, slots: usize) -> Result<()> {
        let old = core::mem::replace(&mut self.slots, try_slice(slots, || None)?.into_vec());
        for (slot, entry) in self.slots.iter_mut().zip(old) {
            *slot = entry;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::__std::collections::BTreeSet;

    struct Timer {
        due: Cell<u64>,
        number: u32,
        place: Cell<usize>,
    }

    impl Due for Timer {
        fn key(&self) -> (u64, u32) {
            (self.due.get(), self.number)
        }

        fn place(&self) -> &Cell<usize> {
            &self.place
        }
    }

    #[test]
    fn it_behaves_like_an_ordered_set_and_shrinks_back() {
        let (heap, mut model, mut all) = (Heap::new(), BTreeSet::new(), Vec::<Shared<Timer>>::new());
        let mut random = 1_u32;
        let mut next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random >> 8
        };
        for number in 0..if cfg!(miri) { 300 } else { 20_000 } {
            match next() % 8 {
                0..=3 => {
                    let (due, place) = (Cell::new(u64::from(next() % 50)), Cell::new(0));
                    let timer = Shared::try_new(Timer { due, number, place }).unwrap();
                    heap.push(timer.clone()).unwrap();
                    model.insert(timer.key());
                    all.push(timer);
                }
                4 if !all.is_empty() => {
                    let timer = all.swap_remove(next() as usize % all.len());
                    heap.remove(&timer);
                    // Removing it again does nothing.
                    heap.remove(&timer);
                    model.remove(&timer.key());
                }
                5 if !all.is_empty() => {
                    let timer = &all[next() as usize % all.len()];
                    model.remove(&timer.key());
                    timer.due.set(u64::from(next() % 50));
                    heap.update(timer);
                    model.insert(timer.key());
                }
                6 => {
                    if let Some(first) = heap.first() {
                        heap.remove(&first);
                        all.retain(|timer| timer.number != first.number);
                        assert_eq!(model.pop_first(), Some(first.key()));
                    }
                }
                _ => {}
            }
            assert_eq!(heap.first().map(|first| first.key()), model.first().copied());
        }
        while let Some(first) = heap.first() {
            heap.remove(&first);
            assert_eq!(model.pop_first(), Some(first.key()));
        }
        assert!(model.is_empty());
        assert_eq!(heap.inner.borrow().slots.len(), LEAST);
    }
}
