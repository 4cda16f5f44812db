//! The state that the VMs of one proxy share.

use std::collections::BTreeMap;

use crate::model::metric::Metrics;
use crate::model::shared::{Queues, SharedData};

/// The state that the VMs of one proxy share.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// The clock that the guest sees, in nanoseconds since the Unix epoch.
    pub(crate) now: u64,
    /// The nanoseconds that passed. Ticks and timeouts depend on them, and setting the clock does
    /// not change them.
    pub(crate) passed: u64,
    pub(crate) shared_data: SharedData,
    pub(crate) queues: Queues,
    pub(crate) metrics: Metrics,
    /// The number of VMs that were started.
    pub(crate) vms: u32,
    /// The number of live VMs of each `vm_id`. Their data and queues end with the last one.
    pub(crate) vm_ids: BTreeMap<Vec<u8>, u32>,
}

impl Proxy {
    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: u64) {
        self.passed += time;
        self.now += time;
    }

    pub(crate) fn begin_vm(&mut self, vm_id: &[u8]) -> u32 {
        self.vms += 1;
        *self.vm_ids.entry(vm_id.to_vec()).or_default() += 1;
        self.vms
    }

    pub(crate) fn end_vm(&mut self, vm_id: &[u8]) {
        if let Some(vms) = self.vm_ids.get_mut(vm_id) {
            *vms -= 1;
            if *vms == 0 {
                self.vm_ids.remove(vm_id);
                self.shared_data.forget(vm_id);
                self.queues.forget(vm_id);
            }
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        let (shared_data, queues, metrics) = (SharedData::default(), Queues::default(), Metrics::default());
        Self {
            now: 1_700_000_000_000_000_000,
            passed: 0,
            shared_data,
            queues,
            metrics,
            vms: 0,
            vm_ids: BTreeMap::new(),
        }
    }
}
