//! The profile of the program's allocator.

use super::Profile;
use crate::installed::Installed;
use crate::program::installed;

/// Returns the profile of the program's allocator. The profile is empty if this crate does not know
/// the allocator. The function does not allocate, and needs 3 KiB of stack.
///
/// **Cost:** some 100 instructions for each of at most 256 samples.
#[must_use]
pub fn profile() -> Profile {
    installed().map_or(Profile::NEW, Installed::profile)
}

/// Sets the average number of bytes between two samples of the program's allocator: at least one.
/// Removes the existing samples, because they were taken at another interval.
pub fn profile_each(bytes: usize) {
    if let Some(heap) = installed() {
        heap.profile_each(bytes);
    }
}
