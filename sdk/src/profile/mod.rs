//! Which callback of which filter allocated what lives, with the feature `profile`.
//!
//! Of about each 512 KiB of allocations one block is noted, with the plugin, the filter and the
//! callback that allocated it, until it is freed. Scaled up, the notes tell what lives, and who
//! made it: a cache that grows, a vector that is kept by each stream. The profile is there at any
//! time:
//!
//! | call | gives |
//! |---|---|
//! | [`take`] | the figures, as a value |
//! | [`pprof`] | a file for `pprof` and speedscope |
//! | [`folded`] | lines for flame graphs: `plugin;filter;callback bytes` |
//! | [`send`] | either, to a function of the host's |
//! | [`publish`] | a gauge of the proxy's for each callback |
//!
//! ```
//! use sluicegate::prelude::*;
//! use sluicegate::profile::{self, Format};
//!
//! #[derive(Default)]
//! struct Plugin;
//!
//! #[sluicegate::plugin_context]
//! impl PluginContext for Plugin {
//!     fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
//!         plugin.set_tick_period(std::time::Duration::from_secs(10))?;
//!         Ok(StartStatus::Ok)
//!     }
//!
//!     fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
//!         profile::publish()
//!     }
//!
//!     fn on_foreign_function(&mut self, _: &mut PluginHandle<'_>, _: u32) -> Result<()> {
//!         profile::send("heap_profile", Format::Pprof)
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Filter;
//!
//! #[sluicegate::http_filter]
//! impl HttpFilter for Filter {
//!     type Plugin = Plugin;
//! }
//! # sluicegate::plugin!(plugin: Plugin, http: Filter);
//! # fn main() {}
//! ```
//!
//! It profiles the allocator that a feature selected or `plugin!` names, on wasm. In a native test
//! the program's allocator is the test's, and the profile is empty, unless that is one of
//! `sluicegate_alloc`. `docs/heap.md` says how to read one.
//!
//! # Cost
//!
//! 22 to 31 instructions for each pair of blocks, 45 to 85 for each callback, 10 KiB of memory,
//! and some kB of module. Without the feature there is nothing of it.

mod metrics;
mod names;

pub use metrics::publish;
pub(crate) use names::{forget_plugin, name_plugin};
pub use sluicegate_alloc::profile::{INTERVAL, Live, Profile, Site};

use crate::error::{Error, Result};
use crate::foreign;
use alloc::vec::Vec;
use core::fmt;
use sluicegate_alloc::profile::{current, within};

/// The format in which a profile is written.
///
/// ```
/// use sluicegate::Result;
/// use sluicegate::profile::{self, Format};
///
/// fn send() -> Result<()> {
///     profile::send("heap_profile", Format::Folded)
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Format {
    /// The protobuf of `pprof`, without gzip: `go tool pprof FILE`, <https://speedscope.app>.
    Pprof,
    /// A line `plugin;filter;callback bytes` for each callback: for `flamegraph.pl` and inferno.
    Folded,
}

/// Returns the profile at this moment.
///
/// # Cost
///
/// No host call and no allocation; 3 KiB of stack. Some 100 instructions for each sample, of which
/// there are 256 at the most.
#[must_use]
pub fn take() -> Profile {
    sluicegate_alloc::profile::profile()
}

/// Sets how many bytes of allocations pass from one sample to the next, on average: [`INTERVAL`] at
/// first. Samples that there are go. Fewer bytes make a finer profile, and more instructions: a
/// sample takes some hundreds.
pub fn each(bytes: usize) {
    sluicegate_alloc::profile::profile_each(bytes);
}

/// Returns the profile as a file for `pprof`.
///
/// # Errors
///
/// Fails if the SDK is out of memory.
///
/// # Cost
///
/// As [`take`], and blocks for the answer: about 100 bytes and the names for each callback.
pub fn pprof() -> Result<Vec<u8>> {
    written(Format::Pprof)
}

/// Returns the profile as lines for flame graphs.
///
/// # Errors
///
/// Fails if the SDK is out of memory.
///
/// # Cost
///
/// As [`pprof`].
pub fn folded() -> Result<Vec<u8>> {
    written(Format::Folded)
}

/// Calls the host's function of this name with the profile.
///
/// # Errors
///
/// Fails if the SDK is out of memory. Fails if the host does not have the function
/// ([`Status::NotFound`](crate::Status::NotFound)), or the function fails.
///
/// # Cost
///
/// As [`pprof`], and one host call.
pub fn send(function: impl AsRef<[u8]>, format: Format) -> Result<()> {
    foreign::call(function, written(format)?, 0).map(|_| ())
}

fn written(format: Format) -> Result<Vec<u8>> {
    // Before anything is allocated for it.
    let profile = take();
    let mut bytes = Bytes(Vec::new());
    let done = names::with(|names| match format {
        Format::Pprof => profile.pprof(names, &mut |part| bytes.push(part)),
        Format::Folded => profile.folded(names, &mut bytes),
    });
    match done {
        Ok(()) => Ok(bytes.0),
        Err(_) => Err(Error::out_of_memory(bytes.0.len())),
    }
}

/// Bytes that grow fallibly, when a profile is written.
struct Bytes(Vec<u8>);

impl Bytes {
    fn push(&mut self, part: &[u8]) -> fmt::Result {
        self.0.try_reserve(part.len()).map_err(|_| fmt::Error)?;
        self.0.extend_from_slice(part);
        Ok(())
    }
}

impl fmt::Write for Bytes {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes())
    }
}

/// Returns the name of a callback, by the name of its export.
#[doc(hidden)]
#[must_use]
pub const fn __callback(export: &'static str) -> &'static str {
    let Some((prefix, name)) = export.split_at_checked("proxy_on_".len()) else { return export };
    match prefix.as_bytes() {
        b"proxy_on_" => name,
        _ => export,
    }
}

/// Runs a callback of the module. What it allocates is tagged with its name.
#[doc(hidden)]
#[inline]
pub fn __in_callback<R>(name: &'static str, callback: impl FnOnce() -> R) -> R {
    within(Site::default().in_callback(name), callback)
}

/// Runs what a filter, or a plugin, of this type does. What it allocates is tagged with the name.
#[inline]
pub(crate) fn of_filter<F, R>(plugin: u32, callback: impl FnOnce() -> R) -> R {
    within(current().of_filter(plugin, core::any::type_name::<F>()), callback)
}
