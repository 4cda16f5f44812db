//! The coverage of a sweep.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;

use sluicegate::Exports;

use super::{Phase, Sweep, few};
use crate::drive::running::RunningHost;
use crate::model::faults::{Fault, HostCall};

/// The extent of a sweep.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SweepReport {
    /// The host calls of the start, of the scenario and of the end. For a function that is called
    /// only once another call failed, it has the first call.
    pub calls: Vec<HostCall>,
    /// The number of faults in these calls.
    pub faults: usize,
    /// The number of callbacks that were called within host calls, out of order, or with numbers
    /// that do not exist.
    pub callbacks: usize,
    /// The number of faults in calls of WASI's functions.
    #[cfg(feature = "wasm")]
    pub wasi_faults: usize,
    #[cfg(feature = "wasm")]
    pub(super) ends: BTreeSet<String>,
    pub(super) unreached: BTreeSet<String>,
    /// True if the imports of the module are known.
    pub(super) is_wasm: bool,
}

impl SweepReport {
    /// Returns the names of the host functions that went wrong.
    #[must_use]
    pub fn functions(&self) -> BTreeSet<&'static str> {
        self.calls.iter().map(|call| call.import.name()).collect()
    }

    /// Returns the names that the sweep did not reach: the host functions that a compiled module
    /// imports and that never went wrong, and the callbacks that a module exports and no scenario
    /// calls.
    ///
    /// The imports of a module in this process are not known.
    #[must_use]
    pub fn unreached(&self) -> &BTreeSet<String> {
        &self.unreached
    }

    /// Returns the functions of WASI whose failure ends the VM, because the standard library panics
    /// or libc gives up.
    #[cfg(feature = "wasm")]
    #[must_use]
    pub fn wasi_that_ends(&self) -> &BTreeSet<String> {
        &self.ends
    }

    /// Joins this sweep and another sweep of the same module, whose scenario takes other paths.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.calls.extend(other.calls);
        self.faults += other.faults;
        self.callbacks += other.callbacks;
        #[cfg(feature = "wasm")]
        {
            self.wasi_faults += other.wasi_faults;
            self.ends.extend(other.ends);
        }
        self.unreached.retain(|name| other.unreached.contains(name));
        self
    }

    /// Asserts that the sweep reached everything, so that no scenario is forgotten when a filter
    /// grows.
    ///
    /// # Panics
    ///
    /// Panics if something is [unreached](Self::unreached). The message names it.
    pub fn assert_reaches_all(&self) {
        self.assert_reaches_all_but(&[]);
    }

    /// Asserts that the sweep reached everything except for these names.
    ///
    /// A filter may have functions that it cannot reach, such as functions of an SDK that another
    /// filter would use.
    ///
    /// # Panics
    ///
    /// Panics if something else is [unreached](Self::unreached), or if one of the names is reached
    /// or does not exist.
    pub fn assert_reaches_all_but(&self, names: &[&str]) {
        let known = |name: &&&str| self.is_wasm || Exports::ALL.contains(name);
        let names: BTreeSet<_> = names.iter().filter(known).map(|name| (*name).to_owned()).collect();
        assert_eq!(self.unreached, names, "the functions that the sweep does not reach");
    }
}

impl<T: PartialEq + Debug, S: Fn(&RunningHost) -> T> Sweep<'_, S, T> {
    /// Finds the functions that are called only once a call failed, such as by code that counts
    /// failures or replies for a filter. Makes the first call of each go wrong after that failure.
    /// Returns these calls, and the number of faults.
    pub(super) fn failures(&self) -> (Vec<HostCall>, usize) {
        let mut known: HashSet<_> = self.calls.iter().flatten().map(|call| call.import).collect();
        let (mut found, mut faults) = (Vec::new(), 0);
        for (phase, calls) in self.phases() {
            // The statuses say that something does not exist, and that the host failed.
            let each = calls.iter().enumerate().flat_map(|call| [1, 10].map(|status| (call, Fault::Status(status))));
            for ((at, call), first) in few(each.collect::<Vec<_>>().into_iter(), 97) {
                for (second, after) in self.record_failing(phase, at, &first).into_iter().enumerate() {
                    if !known.insert(after.import) {
                        continue;
                    }
                    found.push(after);
                    let each: Vec<_> = Fault::all().into_iter().filter(|fault| fault.matters(&after)).collect();
                    for fault in few(each.into_iter(), 7) {
                        let (name, cause) = (after.import.name(), call.import.name());
                        let what = format!(
                            "{fault:?} in host call {second} of the {phase:?}, {name}, after {first:?} in host call {at}, {cause}"
                        );
                        self.fault(phase, &[(at, first.clone()), (second, fault)], &what);
                        faults += 1;
                    }
                }
            }
        }
        (found, faults)
    }

    /// Returns the host calls of a phase in which one call fails.
    fn record_failing(&self, phase: Phase, at: usize, fault: &Fault) -> Vec<HostCall> {
        if phase == Phase::Start {
            return self.host.clone().recording().fault(at, fault.clone()).start().recorded();
        }
        let host = self.host.clone().start();
        host.fault(at, fault.clone());
        host.record();
        if phase == Phase::Scenario {
            (self.scenario)(&host);
        } else {
            host.finish();
        }
        host.recorded()
    }

    /// Returns the imports and callbacks of the module that this sweep did not reach.
    pub(super) fn unreached(&self, of_failures: &[HostCall]) -> BTreeSet<String> {
        let called = self.calls.iter().flatten().chain(of_failures).map(|call| call.import.name());
        let reached: BTreeSet<_> = called.chain(self.callbacks.iter().copied()).collect();
        let all = self.host.imports().into_iter().chain(self.host.callbacks().into_iter().map(str::to_owned));
        all.filter(|name| !reached.contains(&**name)).collect()
    }
}
