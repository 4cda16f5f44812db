//! Shared data and queues of the VMs of a proxy, with Envoy's semantics.

use std::collections::{BTreeMap, VecDeque};

use sluicegate::abi::Status;

/// A VM's `vm_id`, and the name of a value or queue.
type Name = (Vec<u8>, Vec<u8>);

/// Values under a VM's `vm_id` and a key, each with the number of its last write.
#[derive(Debug, Default)]
pub(crate) struct SharedData {
    values: BTreeMap<Name, (Vec<u8>, u32)>,
    writes: u32,
}

impl SharedData {
    pub(crate) fn get(&self, vm_id: &[u8], key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
        self.values.get(&(vm_id.to_vec(), key.to_vec())).cloned().ok_or(Status::NotFound)
    }

    /// Removes all values of a `vm_id`, whose last VM has ended.
    pub(crate) fn forget(&mut self, vm_id: &[u8]) {
        self.values.retain(|(of, _), _| of != vm_id);
    }

    /// Sets a value. If the key has no value, `cas` does not matter.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::CasMismatch`] if `cas` is not 0 and not the number of the key's last
    /// write.
    pub(crate) fn set(&mut self, vm_id: &[u8], key: Vec<u8>, value: Vec<u8>, cas: u32) -> Result<(), Status> {
        let key = (vm_id.to_vec(), key);
        if cas != 0 && self.values.get(&key).is_some_and(|(_, last)| *last != cas) {
            return Err(Status::CasMismatch);
        }
        self.writes += 1;
        self.values.insert(key, (value, self.writes));
        Ok(())
    }
}

/// Queues under a VM's `vm_id` and a name, by numbers from 1 on.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    numbers: BTreeMap<Name, u32>,
    /// The number that was given last.
    last: u32,
    queues: BTreeMap<u32, Queue>,
    /// The plugin and the queue of each item of which the plugin was not told, in the order of the
    /// items.
    untold: Vec<(Owner, u32)>,
}

/// The numbers of a VM and of the plugin in it.
type Owner = (u32, u32);

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Vec<u8>>,
    /// The plugin that registered the queue last, or `None` if that was the test.
    owner: Option<Owner>,
}

impl Queues {
    /// Registers a queue, and returns its number. A queue that exists keeps its items.
    pub(crate) fn register(&mut self, vm_id: &[u8], name: &[u8], owner: Option<Owner>) -> u32 {
        let last = &mut self.last;
        let number = *self.numbers.entry((vm_id.to_vec(), name.to_vec())).or_insert_with(|| {
            *last += 1;
            *last
        });
        self.queues.entry(number).or_default().owner = owner;
        number
    }

    /// Removes all queues of a `vm_id`, whose last VM has ended. Numbers are not given again.
    pub(crate) fn forget(&mut self, vm_id: &[u8]) {
        let gone: Vec<_> = self.numbers.extract_if(.., |(of, _), _| of == vm_id).map(|(_, number)| number).collect();
        self.queues.retain(|number, _| !gone.contains(number));
        self.untold.retain(|(_, number)| !gone.contains(number));
    }

    pub(crate) fn resolve(&self, vm_id: &[u8], name: &[u8]) -> Result<u32, Status> {
        self.numbers.get(&(vm_id.to_vec(), name.to_vec())).copied().ok_or(Status::NotFound)
    }

    pub(crate) fn enqueue(&mut self, queue: u32, item: Vec<u8>) -> Result<(), Status> {
        let found = self.queues.get_mut(&queue).ok_or(Status::NotFound)?;
        found.items.push_back(item);
        self.untold.extend(found.owner.map(|owner| (owner, queue)));
        Ok(())
    }

    pub(crate) fn dequeue(&mut self, queue: u32) -> Result<Vec<u8>, Status> {
        self.queues.get_mut(&queue).ok_or(Status::NotFound)?.items.pop_front().ok_or(Status::Empty)
    }

    pub(crate) fn len(&self, queue: u32) -> usize {
        self.queues.get(&queue).map_or(0, |queue| queue.items.len())
    }

    /// Takes the items of which a VM's plugins were not told: plugin and queue for each item.
    pub(crate) fn take_untold(&mut self, vm: u32) -> Vec<(u32, u32)> {
        let of_vm = self.untold.extract_if(.., |((of, _), _)| *of == vm);
        of_vm.map(|((_, plugin), queue)| (plugin, queue)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_keeps_its_number_and_its_items() {
        let mut queues = Queues::default();
        let theirs = queues.register(b"vm", b"q", None);
        queues.enqueue(theirs, b"unheard".to_vec()).unwrap();
        assert_eq!((queues.register(b"", b"q", Some((0, 1))), queues.resolve(b"vm", b"q")), (2, Ok(theirs)));
        assert_eq!(queues.register(b"vm", b"q", Some((0, 1))), theirs);
        queues.enqueue(theirs, b"heard".to_vec()).unwrap();
        assert_eq!(queues.take_untold(7), []);
        assert_eq!((queues.take_untold(0), queues.take_untold(0)), (vec![(1, theirs)], vec![]));
        assert_eq!(
            [(); 3].map(|()| queues.dequeue(theirs)),
            [Ok(b"unheard".to_vec()), Ok(b"heard".to_vec()), Err(Status::Empty)]
        );
        assert_eq!((queues.dequeue(9), queues.enqueue(9, vec![])), (Err(Status::NotFound), Err(Status::NotFound)));
        assert_eq!(queues.resolve(b"", b"other"), Err(Status::NotFound));
    }

    #[test]
    fn a_number_is_compared_where_there_is_a_value() {
        let mut data = SharedData::default();
        assert_eq!(data.get(b"", b"k"), Err(Status::NotFound));
        let mut set = |value: &[u8], cas| {
            let answer = data.set(b"", b"k".to_vec(), value.to_vec(), cas);
            (answer, data.get(b"", b"k").unwrap())
        };
        assert_eq!(set(b"a", 77), (Ok(()), (b"a".to_vec(), 1)));
        assert_eq!(set(b"b", 77), (Err(Status::CasMismatch), (b"a".to_vec(), 1)));
        assert_eq!(set(b"", 1), (Ok(()), (Vec::new(), 2)));
        assert_eq!(set(b"c", 0), (Ok(()), (b"c".to_vec(), 3)));
    }
}
