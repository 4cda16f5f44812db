//! Functions of WASI that go wrong, which the standard library calls and the SDK does not.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::{Phase, Sweep};
use crate::faults::WasiFault;
use crate::running::Running;

/// Whether the standard library, or the libc below it, ends the VM by this fault: nothing that a
/// filter or the SDK could take back.
fn may_end(function: &str, fault: WasiFault) -> bool {
    match function {
        // `Instant::now` and the seed of a `HashMap` panic without an answer, and take any.
        "clock_time_get" | "random_get" => matches!(fault, WasiFault::Errno(_)),
        // `println!` panics where a line cannot be written, or not all of it.
        "fd_write" => true,
        // libc ends the module where it cannot read the environment, which a panic asks for
        // `RUST_BACKTRACE`.
        "environ_get" | "environ_sizes_get" | "args_get" | "args_sizes_get" => true,
        // Hosts return from it, and what follows it is a trap.
        "proc_exit" => true,
        _ => false,
    }
}

impl<T: PartialEq + Debug, S: Fn(&Running) -> T> Sweep<'_, S, T> {
    /// Lets each call of WASI's functions go wrong in each way: how many faults there were, and
    /// which functions end the VM by one.
    ///
    /// # Panics
    ///
    /// If the VM ends by a fault that does not end a standard library, or does not serve the next
    /// request.
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

    /// Whether the VM ends. If not, it serves the next request.
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
        host.behave();
        if phase == Phase::Scenario {
            self.serves(&host, what);
        }
        false
    }
}
