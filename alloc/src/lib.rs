//! Allocators for Proxy-Wasm filters, behind features, and one macro that installs the selected
//! one.
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
//! Features unify across a build, so several may be on at once. They have an order: the first of
//! freelist, arena, talc, system wins. [`SELECTED`] names it. [Below](#the-choice-of-an-allocator)
//! are the measured costs of each, and the reasons against it.
//!
//! Linear memory grows and never shrinks, and every worker thread of the proxy has its own. Memory
//! that an allocator cannot use again is lost for the life of the VM. If there is no more memory,
//! every strategy here returns null. None of them traps, panics or calls the host.
//!
//! Outside of wasm [`install!`] installs nothing, and tests run on the allocator of the test. A
//! native program can still use `Allocator`, with any number of threads:
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
//! A [`Source`](source::Source) provides pages. A [`Strategy`] cuts them into blocks, over `&mut
//! self`. [`Global`] puts a cell or a lock around the strategy. Natively the free lists have a
//! second form for threads, `Native`, which takes no lock for small blocks. This part uses `std`,
//! for its thread-locals. On wasm the crate needs only `core`. To add a strategy, implement
//! [`Strategy`] over a source: its documentation has an example. An allocator of your own is then a
//! static:
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

// The order of the modules. A file imports what stands in its own row and in the rows above it, and
// never what stands below. A test reads this table. A folder stands for the files in it that have
// no row of their own.
//
// | row | files | contents |
// |---|---|---|
// | ground | sync lock source/ policy | |
// | | freelist/stack heap/shape shape | threads, pages, figures, and what a report looks at |
// | strategy | strategy stats | the trait of an algorithm, and its figures |
// | heap | heap/ system talc | algorithms over pages |
// | freelist | freelist/ | the free lists over the heap |
// | arena | arena/ | regions over the free lists |
// | report | report/ profile/ profile_off | reports and profiles of a strategy |
// | global | global installed native/ | global allocators over a strategy |
// | selected | selected | the choice of the features |
// | program | program region request/ profile/program | the allocator of the program, for the program |
// | root | lib | the crate's root |

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
mod program;
pub mod region;
pub mod report;
#[cfg(feature = "request-arena")]
pub mod request;
mod selected;
mod shape;
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
pub use installed::Installed;
#[cfg(not(any(target_family = "wasm", loom, shuttle)))]
pub use native::Native;
#[doc(hidden)]
pub use program::__announce;
pub use program::{heap_report, limit, live, snapshot, usage};
pub use report::HeapReport;
#[cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]
pub use selected::{ALLOCATOR, Allocator};
pub use selected::{SELECTED, SELECTED_LINE};
pub use stats::{Class, Snapshot};
pub use strategy::{Strategy, Usage};
#[cfg(feature = "system")]
pub use system::System;
#[cfg(feature = "strategy-talc")]
pub use talc::Talc;

/// Parts for the tests and benches of this crate. They are not stable: another version may change
/// or remove them.
#[doc(hidden)]
pub mod testing {
    #[cfg(not(target_family = "wasm"))]
    pub use crate::native::{Shared, Worker};
    pub use crate::source::fixed::Fixed;
}

/// Announces the allocator of the program to this crate, if no feature selects it. From then on
/// [`live`], [`usage`], [`snapshot`], [`limit`] and [regions](region) use this allocator.
///
/// The argument is the name of a static: the program's `#[global_allocator]`. Call the macro at the
/// start of the program, before the first region is opened. A filter of the SDK need not call it:
/// `sluicegate::plugin!` calls it for the allocator that is named there.
///
/// Returns `false` if another allocator was announced before, or if a region was opened before.
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

/// Makes the selected allocator the global one of a module. Use it once, in the crate that becomes
/// the module.
///
/// Without a selected allocator, and outside of wasm, the macro does nothing.
#[cfg(all(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"), target_family = "wasm"))]
#[macro_export]
macro_rules! install {
    () => {
        #[global_allocator]
        static GLOBAL: $crate::Allocator = $crate::ALLOCATOR;
    };
}

/// Makes the selected allocator the global one of a module. Use it once, in the crate that becomes
/// the module.
///
/// Without a selected allocator, and outside of wasm, the macro does nothing.
#[cfg(not(all(
    any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"),
    target_family = "wasm"
)))]
#[macro_export]
macro_rules! install {
    () => {};
}
