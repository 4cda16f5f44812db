//! The arguments of a host call, and the guest's memory.
//!
//! The backends differ in how arguments are read and where results are written. [`Arguments`] hides
//! that.

use sluicegate::abi::Status;

/// The reasons why a host call does not return OK.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The host call returns this status.
    Status(u32),
    /// The host call does not return: the VM is dead.
    #[cfg_attr(not(feature = "wasm"), allow(dead_code, reason = "natively it is a panic"))]
    Trap(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status.code())
    }
}

/// Bytes for the guest, with the way to hand them over.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) bytes: &'a [u8],
    /// The size that the guest gets.
    pub(crate) told: usize,
    /// True if the guest gets address 0 in place of the block's.
    pub(crate) null: bool,
    /// True if the guest may leave the block. Nothing is allocated if the guest gives no place for
    /// the address, and nothing is written where the guest gives no place.
    pub(crate) may_be_left: bool,
}

/// The arguments of a host call, which are taken one after the other, and the guest's memory.
pub(crate) trait Arguments {
    /// Takes an unsigned number.
    fn int(&mut self) -> u64;

    /// Takes an address and a size, and copies those bytes of the guest.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are outside of the guest's memory.
    fn bytes(&mut self) -> Result<Vec<u8>, Failure>;

    /// Allocates in the guest, copies the bytes, and writes the address and the size to the places
    /// that the next two arguments give. For no bytes nothing is allocated.
    ///
    /// # Errors
    ///
    /// Fails if the guest does not allocate, or if a place is outside of the guest's memory.
    fn hand_over(&mut self, block: &Block<'_>) -> Result<(), Failure>;

    /// Returns whether the guest gives no place for the address that comes next.
    fn declines(&self) -> bool {
        false
    }

    fn write_size(&mut self, number: usize) -> Result<(), Failure>;
    fn write_u32(&mut self, number: u32) -> Result<(), Failure>;
    fn write_u64(&mut self, number: u64) -> Result<(), Failure>;

    /// Asks the guest for a block, and forgets the block.
    fn allocate(&mut self, size: usize) -> Result<(), Failure>;

    /// Calls the guest from within the host call.
    fn nest(&mut self, callback: &'static str, arguments: &[u32]) -> Result<(), Failure>;
}
