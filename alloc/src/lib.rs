//! Where a Proxy-Wasm filter's memory comes from: allocators behind features, and one macro that installs the picked one.
//!
//! ```
//! sluicegate_alloc::install!();
//! ```
//!
//! | feature | allocator | choose it for |
//! |---|---|---|
//! | `system` | the standard library's: wasi-libc's dlmalloc on wasm32-wasip1, the Rust dlmalloc on wasm32-unknown-unknown | the fewest pages under mixed loads |
//! | `talc` | [talc](https://docs.rs/talc) | a third of the code, and better locality for large blocks |
//! | none | the standard library's, because nothing is installed | another allocator of your own |
//!
//! Features unify across a build, so several may be on at once. They are ranked: the first of talc, system wins. [`PICKED`] tells which.
//!
//! Linear memory grows and never shrinks, and every worker thread of the proxy has its own: what an allocator does not give back to itself is
//! lost for the life of the VM.
//!
//! Outside of wasm nothing is installed: tests run on the allocator of the test.
#![no_std]

#[cfg(feature = "system")]
extern crate std;

#[cfg(all(feature = "talc", target_family = "wasm", not(target_feature = "atomics")))]
mod talc;

/// The name of the picked allocator; none if no feature picks one.
pub const PICKED: Option<&str> = picked::NAME;

/// A line about the picked allocator, for a log.
pub const PICKED_LINE: Option<&str> = picked::LINE;

/// The picked allocator: what [`install!`] makes the global one.
#[cfg(all(any(feature = "talc", feature = "system"), target_family = "wasm"))]
pub use picked::{ALLOCATOR, Allocator};

// One module for each allocator, with the same names in it: the features' rank is in these conditions, and nowhere else.

#[cfg(feature = "talc")]
mod picked {
    pub(crate) const NAME: Option<&str> = Some("talc");
    pub(crate) const LINE: Option<&str> = Some("sluicegate: allocator talc");

    /// talc over `memory.grow`, for one thread.
    #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
    pub use crate::talc::{ALLOCATOR, Allocator};
    #[cfg(all(target_family = "wasm", target_feature = "atomics"))]
    compile_error!("talc is installed on wasm without threads only; no Proxy-Wasm host offers threads");
}

#[cfg(all(feature = "system", not(feature = "talc")))]
mod picked {
    pub(crate) const NAME: Option<&str> = Some("system");
    pub(crate) const LINE: Option<&str> = Some("sluicegate: allocator system");

    /// The standard library's own allocator.
    #[cfg(target_family = "wasm")]
    pub use std::alloc::System as Allocator;
    /// The allocator, as a value for a static.
    #[cfg(target_family = "wasm")]
    pub const ALLOCATOR: Allocator = Allocator;
}

#[cfg(not(any(feature = "talc", feature = "system")))]
mod picked {
    pub(crate) const NAME: Option<&str> = None;
    pub(crate) const LINE: Option<&str> = None;
}

/// Makes the picked allocator the global one of a module: once, in the crate that becomes the module.
///
/// Without a picked allocator, and outside of wasm, it does nothing.
#[cfg(all(any(feature = "talc", feature = "system"), target_family = "wasm"))]
#[macro_export]
macro_rules! install {
    () => {
        #[global_allocator]
        static GLOBAL: $crate::Allocator = $crate::ALLOCATOR;
    };
}

/// Makes the picked allocator the global one of a module: once, in the crate that becomes the module.
///
/// Without a picked allocator, and outside of wasm, it does nothing.
#[cfg(not(all(any(feature = "talc", feature = "system"), target_family = "wasm")))]
#[macro_export]
macro_rules! install {
    () => {};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_feature_of_the_rank_wins() {
        let expected = if cfg!(feature = "talc") {
            Some("talc")
        } else if cfg!(feature = "system") {
            Some("system")
        } else {
            None
        };
        assert_eq!(PICKED, expected);
        assert_eq!(PICKED_LINE.is_some(), expected.is_some());
    }
}
