//! Metrics with Envoy's semantics.

use std::collections::BTreeMap;

use sluicegate::abi::{MetricType, Status};

/// The metrics of a proxy. A name is one metric of its kind for all VMs.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counters: BTreeMap<Vec<u8>, u64>,
    gauges: BTreeMap<Vec<u8>, u64>,
    histograms: BTreeMap<Vec<u8>, Vec<u64>>,
}

/// The numbers by which a VM knows metrics. The low two bits are the kind. Each definition gets a
/// new number, even if the name is known.
#[derive(Debug, Default)]
pub(crate) struct Definitions(BTreeMap<u32, Vec<u8>>);

const KIND: u32 = 3;
const COUNTER: u32 = MetricType::Counter as u32;
const GAUGE: u32 = MetricType::Gauge as u32;
const HISTOGRAM: u32 = MetricType::Histogram as u32;

impl Definitions {
    fn add(&mut self, kind: u32, name: Vec<u8>) -> u32 {
        let same_kind = self.0.keys().filter(|id| *id & KIND == kind).count();
        let id = (u32::try_from(same_kind).expect("fewer metrics than 4 billion") + 1) * (KIND + 1) + kind;
        self.0.insert(id, name);
        id
    }

    fn name(&self, id: u32) -> Result<&[u8], Status> {
        self.0.get(&id).map(Vec::as_slice).ok_or(Status::NotFound)
    }
}

impl Metrics {
    pub(crate) fn define(&mut self, numbers: &mut Definitions, kind: u32, name: Vec<u8>) -> Result<u32, Status> {
        match kind {
            COUNTER => drop(self.counters.entry(name.clone()).or_default()),
            GAUGE => drop(self.gauges.entry(name.clone()).or_default()),
            HISTOGRAM => drop(self.histograms.entry(name.clone()).or_default()),
            _ => return Err(Status::BadArgument),
        }
        Ok(numbers.add(kind, name))
    }

    pub(crate) fn increment(&mut self, numbers: &Definitions, id: u32, offset: i64) -> Result<(), Status> {
        let name = numbers.name(id);
        match id & KIND {
            COUNTER => {
                let counter = self.counters.get_mut(name?).ok_or(Status::NotFound)?;
                let offset = u64::try_from(offset).ok().filter(|offset| *offset > 0).ok_or(Status::BadArgument)?;
                *counter = counter.wrapping_add(offset);
            }
            GAUGE => {
                let gauge = self.gauges.get_mut(name?).ok_or(Status::NotFound)?;
                *gauge = gauge.wrapping_add_signed(offset);
            }
            _ => return Err(Status::BadArgument),
        }
        Ok(())
    }

    pub(crate) fn record(&mut self, numbers: &Definitions, id: u32, value: u64) -> Result<(), Status> {
        let name = numbers.name(id)?;
        match id & KIND {
            COUNTER => {
                let counter = self.counters.get_mut(name).ok_or(Status::NotFound)?;
                *counter = counter.wrapping_add(value);
            }
            GAUGE => *self.gauges.get_mut(name).ok_or(Status::NotFound)? = value,
            _ => self.histograms.get_mut(name).ok_or(Status::NotFound)?.push(value),
        }
        Ok(())
    }

    pub(crate) fn value(&self, numbers: &Definitions, id: u32) -> Result<u64, Status> {
        let metrics = match id & KIND {
            COUNTER => &self.counters,
            GAUGE => &self.gauges,
            _ => return Err(Status::BadArgument),
        };
        metrics.get(numbers.name(id)?).copied().ok_or(Status::NotFound)
    }

    pub(crate) fn counter(&self, name: &str) -> Option<u64> {
        self.counters.get(name.as_bytes()).copied()
    }

    pub(crate) fn gauge(&self, name: &str) -> Option<u64> {
        self.gauges.get(name.as_bytes()).copied()
    }

    pub(crate) fn histogram(&self, name: &str) -> Option<Vec<u64>> {
        self.histograms.get(name.as_bytes()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_refusals_are_envoys() {
        let (mut metrics, mut numbers) = (Metrics::default(), Definitions::default());
        let mut define = |kind| metrics.define(&mut numbers, kind, b"m".to_vec());
        assert_eq!([0, 1, 2, 0, 3].map(&mut define), [Ok(4), Ok(5), Ok(6), Ok(8), Err(Status::BadArgument)]);
        let mut increment = |id, offset| metrics.increment(&numbers, id, offset);
        assert_eq!([(4, 0), (4, -1), (6, 1)].map(|(id, by)| increment(id, by)), [Err(Status::BadArgument); 3]);
        assert_eq!(increment(12, 1), Err(Status::NotFound));
        assert_eq!((increment(4, 2), increment(5, -1)), (Ok(()), Ok(())));
        let value = |id| metrics.value(&numbers, id);
        assert_eq!((value(8), value(5)), (Ok(2), Ok(u64::MAX)));
        assert_eq!((value(6), value(9)), (Err(Status::BadArgument), Err(Status::NotFound)));
    }

    #[test]
    fn vms_have_their_own_numbers_and_share_what_they_stand_for() {
        let (mut metrics, mut first, mut second) = (Metrics::default(), Definitions::default(), Definitions::default());
        assert_eq!(metrics.define(&mut first, 0, b"other".to_vec()), Ok(4));
        assert_eq!(metrics.define(&mut first, 0, b"m".to_vec()), Ok(8));
        assert_eq!(metrics.define(&mut second, 0, b"m".to_vec()), Ok(4));
        assert_eq!(metrics.increment(&first, 8, 3), Ok(()));
        assert_eq!(metrics.value(&second, 4), Ok(3));
        assert_eq!(metrics.value(&second, 8), Err(Status::NotFound));
    }
}
