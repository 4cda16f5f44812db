//! Faults: hosts that misbehave on demand.

use std::collections::{BTreeMap, HashMap};

use sluicegate::abi::{Import, Status};

/// A fault of one host call.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The call returns this status, and does nothing. The status may be one that no specification
    /// knows. A guest that is out of memory gets 6.
    Status(u32),
    /// The call returns OK and does nothing. It writes neither bytes nor numbers.
    Silent,
    /// The call hands over bytes at address 0, with a size.
    Null,
    /// The call gives a size that is larger than the block that it asked for.
    Oversized,
    /// The call gives a size of 4 GiB less a byte.
    Vast,
    /// The call hands over half of the bytes.
    Truncated,
    /// The call hands over bytes of the right size that are all `0xff`: no text, no map.
    Garbage,
    /// The call hands over bytes whose first byte is one too large. A map then has fewer pairs than
    /// it says.
    Miscounted,
    /// The call hands over nothing.
    Empty,
    /// The call asks for a hundred blocks before the one that it hands over. The SDK does not give
    /// so many at once.
    Greedy,
    /// The call writes this number for every number, such as ids, tokens, sizes and times. For
    /// `u32::MAX` a 64-bit number is `u64::MAX`.
    Number(u32),
    /// The call writes the number that was written last: an id or token that is taken.
    Repeated,
    /// The call first calls this callback with these arguments, while the guest waits.
    Nested(&'static str, Vec<u32>),
}

impl Fault {
    /// Returns one fault of each kind that is worth a test: every status of the ABI, two statuses
    /// of none, and every way to hand over bytes and numbers wrongly.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let statuses = (1..=13).chain([99, u32::MAX]).map(Self::Status);
        let values = [
            Self::Silent,
            Self::Null,
            Self::Oversized,
            Self::Vast,
            Self::Truncated,
            Self::Garbage,
            Self::Miscounted,
            Self::Empty,
            Self::Greedy,
        ];
        let numbers = [Self::Number(0), Self::Number(77), Self::Number(u32::MAX), Self::Repeated];
        statuses.chain(values).chain(numbers).collect()
    }

    /// Returns whether the fault makes a difference in this call.
    #[must_use]
    pub fn matters(&self, call: &HostCall) -> bool {
        match self {
            Self::Status(_) | Self::Nested(..) => true,
            Self::Silent => call.hands_over || call.writes_numbers,
            Self::Null
            | Self::Oversized
            | Self::Vast
            | Self::Truncated
            | Self::Garbage
            | Self::Miscounted
            | Self::Empty
            | Self::Greedy => call.hands_over,
            Self::Number(_) | Self::Repeated => call.writes_numbers,
        }
    }
}

/// A fault of one call of a WASI function, on the wasm backend.
#[cfg(feature = "wasm")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WasiFault {
    /// The function returns this errno, and does nothing.
    Errno(u32),
    /// The function returns success, and does nothing. The guest's memory stays as it was.
    Silent,
    /// The function returns success, and every byte that it writes is `0xff`: the time, random
    /// bytes, sizes, counts.
    Garbage,
}

#[cfg(feature = "wasm")]
impl WasiFault {
    /// Returns one fault of each kind that is worth a test: the errnos that a libc distinguishes,
    /// an errno that does not exist, and the other faults.
    #[must_use]
    pub fn all() -> Vec<Self> {
        // Again, bad file, fault, invalid, I/O, out of memory, no such function, not supported, not
        // permitted, not capable.
        let errnos = [6, 8, 21, 28, 29, 48, 52, 58, 63, 76, 0xffff];
        errnos.into_iter().map(Self::Errno).chain([Self::Silent, Self::Garbage]).collect()
    }
}

/// The planned faults of WASI's functions, whose calls are counted apart.
#[cfg(feature = "wasm")]
#[derive(Clone, Debug, Default)]
pub(crate) struct WasiFaults {
    at: BTreeMap<usize, WasiFault>,
    next: usize,
    /// The functions that were called since the record began.
    record: Option<Vec<String>>,
}

#[cfg(feature = "wasm")]
impl WasiFaults {
    /// Plans a fault for a call; 0 is the next one.
    pub(crate) fn plan(&mut self, call: usize, fault: WasiFault) {
        self.at.insert(self.next + call, fault);
    }

    /// Counts a call that begins now, and returns its fault.
    pub(crate) fn begin(&mut self, function: &str) -> Option<WasiFault> {
        self.record.iter_mut().for_each(|record| record.push(function.to_owned()));
        let planned = self.at.remove(&self.next);
        self.next += 1;
        planned
    }
}

/// A recorded host call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct HostCall {
    /// The host function.
    pub import: Import,
    /// The status that the call returned.
    pub status: u32,
    /// True if the call handed over bytes.
    pub hands_over: bool,
    /// True if the call wrote numbers.
    pub writes_numbers: bool,
}

/// The planned faults.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// The statuses that functions return instead of doing their work.
    pub(crate) statuses: HashMap<Import, Status>,
    /// The faults of single host calls, by the number of the call.
    at: BTreeMap<usize, Fault>,
    /// The number of the next host call.
    next: usize,
    /// The number that was written last.
    pub(crate) last_number: u64,
    /// The host calls since the record began.
    record: Option<Vec<HostCall>>,
    #[cfg(feature = "wasm")]
    pub(crate) wasi: WasiFaults,
}

impl Faults {
    /// Plans a fault for a host call; 0 is the next one.
    pub(crate) fn plan(&mut self, call: usize, fault: Fault) {
        self.at.insert(self.next + call, fault);
    }

    pub(crate) fn clear(&mut self) {
        self.at.clear();
        self.statuses.clear();
        #[cfg(feature = "wasm")]
        self.wasi.at.clear();
    }

    /// Counts a host call that begins now, and returns its fault.
    pub(crate) fn begin(&mut self, import: Import) -> Option<Fault> {
        let planned = self.at.remove(&self.next);
        self.next += 1;
        planned.or_else(|| self.statuses.get(&import).map(|status| Fault::Status(status.code())))
    }

    pub(crate) fn note(&mut self, call: HostCall) {
        self.record.iter_mut().for_each(|record| record.push(call));
    }

    pub(crate) fn start_record(&mut self) {
        self.record = Some(Vec::new());
        #[cfg(feature = "wasm")]
        {
            self.wasi.record = Some(Vec::new());
        }
    }

    #[cfg(feature = "wasm")]
    pub(crate) fn take_wasi_record(&mut self) -> Vec<String> {
        self.wasi.record.take().unwrap_or_default()
    }

    pub(crate) fn take_record(&mut self) -> Vec<HostCall> {
        self.record.take().unwrap_or_default()
    }
}
