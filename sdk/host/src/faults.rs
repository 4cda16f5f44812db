//! Hosts that misbehave on demand.

use std::collections::{BTreeMap, HashMap};

use sluicegate::abi::{Import, Status};

/// What goes wrong in one host call.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// It answers this status, also one that no specification knows, and does nothing. 6 is what a
    /// guest without memory gets.
    Status(u32),
    /// It answers OK and does nothing: neither bytes nor numbers are where they should be.
    Silent,
    /// What it hands over is at address 0, and has a size.
    Null,
    /// What it hands over is said to be larger than the block that was asked for.
    Oversized,
    /// What it hands over is said to have 4 GiB less a byte.
    Vast,
    /// Half of what it should hand over.
    Truncated,
    /// What it hands over has the right size, and every byte is `0xff`: no text, no map.
    Garbage,
    /// The first byte of what it hands over is one more than it should be: a map that has fewer
    /// pairs than it says.
    Miscounted,
    /// What it hands over is empty.
    Empty,
    /// It asks for a hundred blocks before the one that it hands over: more than the SDK gives at
    /// once.
    Greedy,
    /// The numbers that it writes, such as ids, tokens, sizes and times, are all this one; the
    /// largest is also the largest of 64 bits.
    Number(u32),
    /// The number that it writes is the one that was written last: an id or token that is taken.
    Repeated,
    /// It calls this callback with these arguments first, while the guest waits.
    Nested(&'static str, Vec<u32>),
}

impl Fault {
    /// One of each kind that tells something by itself: every status of the ABI and two of none,
    /// every way to hand over bytes and numbers wrongly.
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

    /// Whether it makes a difference in this call.
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

/// What goes wrong in one call of a function of WASI, on the wasm rung.
#[cfg(feature = "wasm")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WasiFault {
    /// The function answers this errno, and does nothing.
    Errno(u32),
    /// The function answers success, and does nothing: the guest's memory is as it was.
    Silent,
    /// The function answers success, and every byte that it writes is `0xff`: the time, random
    /// bytes, sizes, counts.
    Garbage,
}

#[cfg(feature = "wasm")]
impl WasiFault {
    /// Returns one of each kind that tells something by itself: the errnos that a libc tells apart,
    /// one that there is not, and all ways to lie.
    #[must_use]
    pub fn all() -> Vec<Self> {
        // Again, bad file, fault, invalid, I/O, out of memory, no such function, not supported, not
        // permitted, not capable.
        let errnos = [6, 8, 21, 28, 29, 48, 52, 58, 63, 76, 0xffff];
        errnos.into_iter().map(Self::Errno).chain([Self::Silent, Self::Garbage]).collect()
    }
}

/// What goes wrong in calls of WASI's functions, which are counted by themselves.
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

    /// What goes wrong in the call that begins now.
    pub(crate) fn begin(&mut self, function: &str) -> Option<WasiFault> {
        self.record.iter_mut().for_each(|record| record.push(function.to_owned()));
        let planned = self.at.remove(&self.next);
        self.next += 1;
        planned
    }
}

/// A host call as it was recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct HostCall {
    /// The function.
    pub import: Import,
    /// What it answered.
    pub status: u32,
    /// Whether it handed over bytes.
    pub hands_over: bool,
    /// Whether it wrote numbers.
    pub writes_numbers: bool,
}

/// What goes wrong, and where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// What functions answer instead of doing their work.
    pub(crate) statuses: HashMap<Import, Status>,
    /// What happens in which host call, by its number.
    at: BTreeMap<usize, Fault>,
    /// The number of the next host call.
    next: usize,
    /// What was written last where a number goes.
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

    /// What goes wrong in the call that begins now.
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
