//! What a sweep reached.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;

use sluicegate::abi::Exports;

use super::{Phase, Sweep, few};
use crate::faults::{Fault, HostCall};
use crate::running::Running;

/// What a sweep went through.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Swept {
    /// The host calls of the start, of the scenario, and of the end, and the first of each function
    /// that is called only once one of them failed.
    pub calls: Vec<HostCall>,
    /// How many faults there were in these calls.
    pub faults: usize,
    /// How many callbacks came within them, out of order, or with numbers of nothing.
    pub callbacks: usize,
    /// How many faults there were in calls of WASI's functions.
    #[cfg(feature = "wasm")]
    pub wasi_faults: usize,
    #[cfg(feature = "wasm")]
    pub(super) ends: BTreeSet<String>,
    pub(super) unreached: BTreeSet<String>,
    /// Whether it is known what the module imports.
    pub(super) is_wasm: bool,
}

impl Swept {
    /// The names of the host functions that went wrong.
    #[must_use]
    pub fn functions(&self) -> BTreeSet<&'static str> {
        self.calls.iter().map(|call| call.import.name()).collect()
    }

    /// The host functions that a compiled module imports and that never went wrong, and the
    /// callbacks that a module has and no scenario comes to. What a module in this process would
    /// import is not known.
    #[must_use]
    pub fn unreached(&self) -> &BTreeSet<String> {
        &self.unreached
    }

    /// The functions of WASI whose failure ends the VM, because the standard library panics or libc
    /// gives up.
    #[cfg(feature = "wasm")]
    #[must_use]
    pub fn wasi_that_ends(&self) -> &BTreeSet<String> {
        &self.ends
    }

    /// This sweep and another one of the same module, whose scenario goes other ways.
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

    /// Wants all to be reached, and so that each part of a filter is swept: no scenario is
    /// forgotten when a filter grows.
    ///
    /// # Panics
    ///
    /// If something is [unreached](Self::unreached); the message names it.
    pub fn assert_reaches_all(&self) {
        self.assert_reaches_all_but(&[]);
    }

    /// Likewise, but for what a filter has and cannot come to, such as an SDK's function that
    /// another filter would use.
    ///
    /// # Panics
    ///
    /// If something else is [unreached](Self::unreached), or if one of these is reached or not
    /// there.
    pub fn assert_reaches_all_but(&self, names: &[&str]) {
        let known = |name: &&&str| self.is_wasm || Exports::ALL.contains(name);
        let names: BTreeSet<_> = names.iter().filter(known).map(|name| (*name).to_owned()).collect();
        assert_eq!(self.unreached, names, "what the sweep does not reach");
    }
}

impl<T: PartialEq + Debug, S: Fn(&Running) -> T> Sweep<'_, S, T> {
    /// Looks for functions that are called only once a call failed, as by what counts failures or
    /// answers for a filter, and lets the first call of each go wrong after that failure: these
    /// calls, and how many faults there were.
    pub(super) fn failures(&self) -> (Vec<HostCall>, usize) {
        let mut known: HashSet<_> = self.calls.iter().flatten().map(|call| call.import).collect();
        let (mut found, mut faults) = (Vec::new(), 0);
        for (phase, calls) in self.phases() {
            // That something is not there, and that it cannot be had.
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

    /// The host calls of a phase in which one fails.
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

    /// What the module has and this sweep did not come to, which let these functions go wrong as
    /// well.
    pub(super) fn unreached(&self, of_failures: &[HostCall]) -> BTreeSet<String> {
        let called = self.calls.iter().flatten().chain(of_failures).map(|call| call.import.name());
        let reached: BTreeSet<_> = called.chain(self.callbacks.iter().copied()).collect();
        let all = self.host.imports().into_iter().chain(self.host.callbacks().into_iter().map(str::to_owned));
        all.filter(|name| !reached.contains(&**name)).collect()
    }
}
