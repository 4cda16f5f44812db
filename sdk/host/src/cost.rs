//! What running a module costs, in counts.

use std::ops::{Add, Sub};

/// Counts of what a module and its host did. They repeat to the digit, and never go back: a VM that
/// takes a dead one's place counts on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cost {
    /// Wasm instructions, as wasmtime's fuel counts them; 0 natively.
    pub instructions: u64,
    /// How often the host entered the module for a callback. Allocations are counted by themselves.
    pub vm_entries: u64,
    /// How often the module called the host, WASI's functions included.
    pub host_calls: u64,
    /// How often the host allocated in the module, to hand over a value.
    pub host_allocations: u64,
    /// By how many pages of 64 KiB the module's memory grew; 0 natively. What a VM begins with is
    /// no growth.
    pub pages: u64,
    /// How often it grew; 0 natively.
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

    /// What was spent since an earlier count.
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
