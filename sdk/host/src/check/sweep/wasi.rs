//! Faults of WASI's functions, which the standard library calls and the SDK does not.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::{Phase, Sweep};
use crate::drive::running::RunningHost;
use crate::model::faults::WasiFault;

/// Returns whether the standard library, or the libc below it, ends the VM at this fault. Neither a
/// filter nor the SDK could prevent that.
fn may_end(function: &str, fault: WasiFault) -> bool {
    match function {
        // `Instant::now` and the seed of a `HashMap` panic without a value, and accept any value.
        "clock_time_get" | "random_get" => matches!(fault, WasiFault::Errno(_)),
        // `println!` panics if it cannot write a line, or only a part of it.
        "fd_write" => true,
        // libc ends the module if it cannot read the environment. A panic reads `RUST_BACKTRACE`
        // from there.
        "environ_get" | "environ_sizes_get" | "args_get" | "args_sizes_get" => true,
        // Hosts return from `proc_exit`, and the code after the call is a trap.
        "proc_exit" => true,
        _ => false,
    }
}

impl<T: PartialEq + Debug, S: Fn(&RunningHost) -> T> Sweep<'_, S, T> {
    /// Makes each call of WASI's functions go wrong in each way. Returns the number of faults, and
    /// the functions that end the VM at one.
    ///
    /// # Panics
    ///
    /// Panics if the VM ends at a fault that does not end a standard library, or if the VM does not
    /// serve the next request.
    pub(super) fn wasi(&self) -> (usize, BTreeSet<String>) {
        let (mut faults, mut ends) = (0, BTreeSet::new());
        for (phase, calls) in [Phase::Start, Phase::Scenario].into_iter().zip(&self.wasi) {
            for (at, function) in calls.iter().enumerate() {
                for fault in WasiFault::all() {
                    let what = format!("{fault:?} in call {at} of WASI of the {phase:?}, {function}");
                    if self.wasi_fault(phase, at, fault, &what) {
                        assert!(may_end(function, fault), "the VM ends by {what}");
                        ends.insert(function.clone());
                    }
                    faults += 1;
                }
            }
        }
        (faults, ends)
    }

    /// Makes a call go wrong, and returns whether the VM ends. If it does not, it must serve the
    /// next request.
    fn wasi_fault(&self, phase: Phase, at: usize, fault: WasiFault, what: &str) -> bool {
        let host = self.host.clone();
        let host = if phase == Phase::Start { host.wasi_fault(at, fault).start() } else { host.start() };
        if phase == Phase::Scenario {
            host.wasi_fault(at, fault);
        }
        (self.scenario)(&host);
        host.harm();
        if host.trapped().is_some() {
            return true;
        }
        host.clear_faults();
        if phase == Phase::Scenario {
            self.serves(&host, what);
        }
        false
    }
}
