//! Where a Proxy-Wasm filter's memory comes from: allocators behind features, and one macro that
//! installs the selected one.
//!
//! ```
//! sluicegate_alloc::install!();
//! ```
//!
//! | feature | allocator | choose it for |
//! |---|---|---|
//! | `freelist` | [`Freelist`]: size classes over a coalescing [`Heap`] | everything: a pair of blocks is a pop and a push, and no operation walks |
//! | `arena` | [`Arena`]: the free lists, with a region in the tag of a small block | seeing how many blocks outlive their requests |
//! | `talc` | `Talc`: [talc](https://docs.rs/talc) over a source of ours | the least code |
//! | `system` | the standard library's: wasi-libc's dlmalloc on wasm32-wasip1, the Rust dlmalloc on wasm32-unknown-unknown | nothing new |
//! | none | the standard library's, because nothing is installed | [another allocator of your own](announce) |
//!
//! Features unify across a build, so several may be on at once. They are ranked: the first of
//! freelist, arena, talc, system wins. [`SELECTED`] tells which. [Below](#which-one) is what each
//! costs, measured, and why not to choose it.
//!
//! Linear memory grows and never shrinks, and every worker thread of the proxy has its own: what an
//! allocator does not give back to itself is lost for the life of the VM. Every strategy here
//! answers null when there is no more memory; none traps, panics or calls the host.
//!
//! Outside of wasm [`install!`] installs nothing: tests run on the allocator of the test.
//! `Allocator` works there all the same, for any number of threads:
//!
//! ```
//! # #[cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]
//! #[global_allocator]
//! static GLOBAL: sluicegate_alloc::Allocator = sluicegate_alloc::ALLOCATOR;
//! # fn main() {
//! assert_eq!(vec![1; 1000].iter().sum::<i32>(), 1000);
//! # }
//! ```
//!
//! # Layers
//!
//! A [`Source`](source::Source) hands out pages; a [`Strategy`] makes blocks of them, over
//! `&mut self`; [`Global`] puts a cell or a lock around it. Natively the free lists have a form of
//! their own for threads, without a lock on small blocks: `Native`. That part uses std, for its
//! thread-locals; on wasm the crate needs `core` alone. To add a strategy, implement [`Strategy`]
//! over a source: its documentation has one. An allocator of one's own is then a static:
//!
//! ```
//! use sluicegate_alloc::{Freelist, Global, source::Platform};
//!
//! static MINE: Global<Freelist<Platform>> = Global::new(Freelist::new(Platform::new()));
//! ```
//!
//! The README follows. Its links to files lead into the repository.
//!
#![doc = include_str!("../README.md")]
#![no_std]
#![allow(unsafe_code, reason = "an allocator hands out raw memory; each block says why it may")]

#[cfg(feature = "request-arena")]
extern crate alloc;

mod arena;
mod freelist;
mod global;
mod heap;
mod installed;
mod lock;
#[cfg(not(target_family = "wasm"))]
mod native;
mod policy;
#[cfg(feature = "profile")]
pub mod profile;
#[cfg(not(feature = "profile"))]
#[path = "profile_off.rs"]
mod profile;
pub mod region;
pub mod report;
#[cfg(feature = "request-arena")]
pub mod request;
mod selected;
pub mod source;
mod stats;
mod strategy;
mod sync;
#[cfg(feature = "system")]
mod system;
#[cfg(feature = "strategy-talc")]
mod talc;

pub use arena::Arena;
pub use freelist::Freelist;
pub use global::Global;
pub use heap::Heap;
#[doc(hidden)]
pub use installed::__announce;
pub use installed::{Installed, limit, live, snapshot, usage};
#[cfg(not(any(target_family = "wasm", loom, shuttle)))]
pub use native::Native;
pub use report::{HeapReport, heap_report};
#[cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]
pub use selected::{ALLOCATOR, Allocator};
pub use selected::{SELECTED, SELECTED_LINE};
pub use stats::{Class, Snapshot};
pub use strategy::{Strategy, Usage};
#[cfg(feature = "system")]
pub use system::System;
#[cfg(feature = "strategy-talc")]
pub use talc::Talc;

/// Parts for this crate's own tests and benches, which promise nothing: another version may have
/// them otherwise, or not at all.
#[doc(hidden)]
pub mod testing {
    #[cfg(not(target_family = "wasm"))]
    pub use crate::native::{Shared, Worker};
    pub use crate::source::fixed::Fixed;
}

/// Tells this crate which allocator the program runs on, if it is none that a feature picks: from
/// here on [`live`], [`usage`], [`snapshot`], [`limit`] and [regions](region) speak of it.
///
/// It takes the name of a static, which is the program's `#[global_allocator]`. It is called where
/// the program begins, before the first region is opened. A filter of the SDK need not call it:
/// `sluicegate::plugin!` does, for the allocator that is named there.
///
/// Returns false if it comes too late: another one was announced, or a region was opened.
///
/// ```
/// use sluicegate_alloc::{Global, Heap, source::Platform};
///
/// #[global_allocator]
/// static MINE: Global<Heap<Platform>> = Global::new(Heap::new(Platform::new()));
///
/// # fn main() {
/// assert!(sluicegate_alloc::announce!(MINE));
/// let kept = vec![1; 1000];
/// assert!(sluicegate_alloc::usage().pages > 0);
/// # drop(kept);
/// # }
/// ```
#[macro_export]
macro_rules! announce {
    ($heap:path) => {{
        // Items of a macro are not hygienic: the name is none that a program has.
        static __ANNOUNCED_HEAP: &dyn $crate::Installed = &$heap;
        $crate::__announce(&__ANNOUNCED_HEAP)
    }};
}

/// Makes the selected allocator the global one of a module: once, in the crate that becomes the
/// module.
///
/// Without a selected allocator, and outside of wasm, it does nothing.
#[cfg(all(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"), target_family = "wasm"))]
#[macro_export]
macro_rules! install {
    () => {
        #[global_allocator]
        static GLOBAL: $crate::Allocator = $crate::ALLOCATOR;
    };
}

/// Makes the selected allocator the global one of a module: once, in the crate that becomes the
/// module.
///
/// Without a selected allocator, and outside of wasm, it does nothing.
#[cfg(not(all(
    any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"),
    target_family = "wasm"
)))]
#[macro_export]
macro_rules! install {
    () => {};
}
