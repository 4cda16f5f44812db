//! What the VMs of a proxy share, as Envoy keeps it.

use std::collections::BTreeMap;

use sluicegate::abi::Status;

/// Values under keys, each with the number of its last write.
#[derive(Debug, Default)]
pub(crate) struct SharedData {
    values: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    writes: u32,
}

impl SharedData {
    pub(crate) fn get(&self, key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
        self.values.get(key).cloned().ok_or(Status::NotFound)
    }

    /// A key that is absent is written whatever number comes with it.
    pub(crate) fn set(&mut self, key: Vec<u8>, value: Vec<u8>, cas: u32) -> Result<(), Status> {
        if cas != 0 && self.values.get(&key).is_some_and(|(_, last)| *last != cas) {
            return Err(Status::CasMismatch);
        }
        self.writes += 1;
        self.values.insert(key, (value, self.writes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_compared_where_there_is_a_value() {
        let mut data = SharedData::default();
        assert_eq!(data.get(b"k"), Err(Status::NotFound));
        let mut set = |value: &[u8], cas| {
            let answer = data.set(b"k".to_vec(), value.to_vec(), cas);
            (answer, data.get(b"k").unwrap())
        };
        assert_eq!(set(b"a", 77), (Ok(()), (b"a".to_vec(), 1)));
        assert_eq!(set(b"b", 77), (Err(Status::CasMismatch), (b"a".to_vec(), 1)));
        assert_eq!(set(b"", 1), (Ok(()), (Vec::new(), 2)));
        assert_eq!(set(b"c", 0), (Ok(()), (b"c".to_vec(), 3)));
    }
}
