//! The controls of a test: the log, counts, costs and faults.

use std::collections::BTreeMap;

use sluicegate::abi::{Import, LogLevel, Status};

use crate::backends::live;
use crate::drive::running::RunningHost;
use crate::model::cost::Cost;
use crate::model::faults::{Fault, HostCall};
use crate::model::state::LogLine;

impl RunningHost {
    /// Returns all lines that the filter logged, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.state().log.clone()
    }

    /// Returns whether a line of this level and exactly this text was logged.
    #[must_use]
    pub fn logged(&self, level: LogLevel, text: &str) -> bool {
        self.state().log.iter().any(|line| line.level == level && line.text == text)
    }

    /// Clears the log.
    pub fn clear_log(&self) {
        self.state().log.clear();
    }

    /// Sets the lowest level that the proxy's log keeps.
    pub fn set_log_level(&self, level: LogLevel) {
        self.state().log_level = level as u32;
    }

    /// Returns the number of times the filter called a host function.
    #[must_use]
    pub fn calls(&self, import: Import) -> usize {
        self.state().calls.get(&import).copied().unwrap_or_default()
    }

    /// Returns the number of all host calls of the filter.
    #[must_use]
    pub fn all_calls(&self) -> usize {
        self.state().calls.values().sum()
    }

    /// Returns the cost of the module since it was first loaded, start functions included.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.state().cost
    }

    /// Returns the cost of each callback since the module was first loaded. The host calls,
    /// allocations and growth within a callback are included.
    #[must_use]
    pub fn costs(&self) -> BTreeMap<&'static str, Cost> {
        self.costs.borrow().clone()
    }

    /// Returns the number of pages of 64 KiB of the module's linear memory; 0 natively.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.vm().pages()
    }

    /// Returns the number of times the linear memory could not grow because of
    /// [`Host::page_limit`](crate::Host); 0 natively.
    #[must_use]
    pub fn refused_grows(&self) -> u64 {
        self.vm().refused_grows()
    }

    /// Returns the number of bytes that the filters of this thread hold natively.
    ///
    /// Returns `None` if [`Counting`](crate::Counting) is not the global allocator.
    #[must_use]
    pub fn live_bytes(&self) -> Option<isize> {
        live::live()
    }

    /// Returns whether [`live_bytes`](Self::live_bytes) counts this module's bytes.
    pub(crate) fn is_counted(&self) -> bool {
        self.pages() == 0 && self.live_bytes().is_some()
    }

    /// Makes a host function return a status instead of doing its work. [`Status::Ok`] makes the
    /// function work again.
    pub fn fail(&self, import: Import, status: Status) {
        let statuses = &mut self.state().faults.statuses;
        if status == Status::Ok {
            statuses.remove(&import);
        } else {
            statuses.insert(import, status);
        }
    }

    /// Makes a host call go wrong. The next host call of the module is number 0.
    pub fn fault(&self, call: usize, fault: Fault) {
        self.state().faults.plan(call, fault);
    }

    /// Makes a call of a WASI function go wrong. The next such call of the module is number 0.
    #[cfg(feature = "wasm")]
    pub fn wasi_fault(&self, call: usize, fault: crate::WasiFault) {
        self.state().faults.wasi.plan(call, fault);
    }

    /// Ends the record of the calls of WASI's functions, and returns their names in order.
    #[cfg(feature = "wasm")]
    pub fn recorded_wasi(&self) -> Vec<String> {
        self.state().faults.take_wasi_record()
    }

    /// Removes everything that [`fail`](Self::fail), [`fault`](Self::fault) and `wasi_fault`
    /// planned.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Begins a record of all host calls.
    pub fn record(&self) {
        self.state().faults.start_record();
    }

    /// Ends the record, and returns the host calls in order.
    pub fn recorded(&self) -> Vec<HostCall> {
        self.state().faults.take_record()
    }
}
