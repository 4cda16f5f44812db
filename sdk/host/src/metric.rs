//! Metrics as Envoy keeps them.

use std::collections::BTreeMap;

use sluicegate::abi::{MetricType, Status};

/// The metrics of a proxy. A definition is a number whose low two bits are the kind; each one is a new number, also of a name that is known.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    definitions: BTreeMap<u32, Vec<u8>>,
    counters: BTreeMap<Vec<u8>, u64>,
    gauges: BTreeMap<Vec<u8>, u64>,
    histograms: BTreeMap<Vec<u8>, Vec<u64>>,
}

const KIND: u32 = 3;
const COUNTER: u32 = MetricType::Counter as u32;
const GAUGE: u32 = MetricType::Gauge as u32;
const HISTOGRAM: u32 = MetricType::Histogram as u32;

impl Metrics {
    pub(crate) fn define(&mut self, kind: u32, name: Vec<u8>) -> Result<u32, Status> {
        match kind {
            COUNTER => drop(self.counters.entry(name.clone()).or_default()),
            GAUGE => drop(self.gauges.entry(name.clone()).or_default()),
            HISTOGRAM => drop(self.histograms.entry(name.clone()).or_default()),
            _ => return Err(Status::BadArgument),
        }
        let same_kind = self.definitions.keys().filter(|id| *id & KIND == kind).count();
        let id = (u32::try_from(same_kind).expect("fewer metrics than 4 billion") + 1) * (KIND + 1) + kind;
        self.definitions.insert(id, name);
        Ok(id)
    }

    pub(crate) fn increment(&mut self, id: u32, offset: i64) -> Result<(), Status> {
        let name = self.definitions.get(&id).ok_or(Status::NotFound);
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

    pub(crate) fn record(&mut self, id: u32, value: u64) -> Result<(), Status> {
        let name = self.definitions.get(&id).ok_or(Status::NotFound)?;
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

    pub(crate) fn value(&self, id: u32) -> Result<u64, Status> {
        let metrics = match id & KIND {
            COUNTER => &self.counters,
            GAUGE => &self.gauges,
            _ => return Err(Status::BadArgument),
        };
        let name = self.definitions.get(&id).ok_or(Status::NotFound)?;
        metrics.get(name).copied().ok_or(Status::NotFound)
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
        let mut metrics = Metrics::default();
        let define = |metrics: &mut Metrics, kind| metrics.define(kind, b"m".to_vec());
        assert_eq!([0, 1, 2, 0].map(|kind| define(&mut metrics, kind)), [Ok(4), Ok(5), Ok(6), Ok(8)]);
        assert_eq!(define(&mut metrics, 3), Err(Status::BadArgument));
        assert_eq!(metrics.increment(4, 0), Err(Status::BadArgument));
        assert_eq!(metrics.increment(4, -1), Err(Status::BadArgument));
        assert_eq!(metrics.increment(6, 1), Err(Status::BadArgument));
        assert_eq!(metrics.increment(12, 1), Err(Status::NotFound));
        assert_eq!((metrics.increment(4, 2), metrics.value(8)), (Ok(()), Ok(2)));
        assert_eq!((metrics.increment(5, -1), metrics.value(5)), (Ok(()), Ok(u64::MAX)));
        assert_eq!(metrics.value(6), Err(Status::BadArgument));
        assert_eq!(metrics.value(9), Err(Status::NotFound));
    }
}
