//! The cost of running a module, in counts.

use std::ops::{Add, Sub};

/// Counts of what a module and its host did. The counts are the same in each run. They never go
/// back: a VM that replaces a dead one continues the dead one's counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cost {
    /// Wasm instructions, as wasmtime's fuel counts them; 0 natively.
    pub instructions: u64,
    /// The number of times the host entered the module for a callback. Allocations are counted
    /// apart.
    pub vm_entries: u64,
    /// The number of host calls of the module, WASI's functions included.
    pub host_calls: u64,
    /// The number of times the host allocated in the module to hand over a value.
    pub host_allocations: u64,
    /// The pages of 64 KiB by which the module's linear memory grew; 0 natively. The pages that a
    /// VM begins with do not count.
    pub pages: u64,
    /// The number of times the linear memory grew; 0 natively.
    pub grows: u64,
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            instructions: self.instructions + other.instructions,
            vm_entries: self.vm_entries + other.vm_entries,
            host_calls: self.host_calls + other.host_calls,
            host_allocations: self.host_allocations + other.host_allocations,
            pages: self.pages + other.pages,
            grows: self.grows + other.grows,
        }
    }
}

impl Sub for Cost {
    type Output = Self;

    /// Returns the cost since an earlier count.
    fn sub(self, earlier: Self) -> Self {
        Self {
            instructions: self.instructions - earlier.instructions,
            vm_entries: self.vm_entries - earlier.vm_entries,
            host_calls: self.host_calls - earlier.host_calls,
            host_allocations: self.host_allocations - earlier.host_allocations,
            pages: self.pages - earlier.pages,
            grows: self.grows - earlier.grows,
        }
    }
}
