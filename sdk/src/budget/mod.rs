//! Budgets of memory: what a stream and a VM may take, and what happens past that.
//!
//! ```
//! use sluicegate::budget::{Budget, OverStream, Pressure};
//! use sluicegate::prelude::*;
//!
//! #[derive(Default)]
//! struct Plugin {
//!     cache: Vec<u8>,
//! }
//!
//! #[sluicegate::plugin_context]
//! impl PluginContext for Plugin {
//!     fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
//!         plugin.set_budget(Budget::new().total(4 << 20).stream(256 << 10).over_stream(OverStream::Reply(413)))?;
//!         Ok(StartStatus::Ok)
//!     }
//!
//!     fn on_memory_pressure(&mut self, _: &mut PluginHandle<'_>, pressure: Pressure) -> Result<()> {
//!         if pressure > Pressure::Normal {
//!             self.cache = Vec::new();
//!         }
//!         Ok(())
//!     }
//! }
//! # sluicegate::plugin!(plugin: Plugin);
//! # fn main() {}
//! ```
//!
//! # What counts
//!
//! | what | known | counts for |
//! |---|---|---|
//! | blocks that the host asked for, as long as the filter keeps them | when the host asks | the stream whose callback runs, and the VM |
//! | bodies that a filter makes the proxy hold back, and what [`HttpHandle::reserve_body`](crate::HttpHandle::reserve_body) reserved | when the callback returns | the stream, and the VM |
//! | everything that the filter allocates, if a feature picked the allocator or `plugin!` names it | when the callback returns | the stream in whose callback the memory grew, and the VM |
//!
//! A stream that hands blocks on is charged for them as long as they live, at most. Who frees a
//! block does not say who made it: so before a stream is refused something, what all streams are
//! charged with is compared with what lives, and the difference, which others have freed, is taken
//! off its account.
//!
//! A budget is the VM's: each worker thread of the proxy has one. Plugins that share a VM share it,
//! and the last one to be configured sets it.
//!
//! # What happens past it
//!
//! A block of the host's that would pass a budget is refused before it is there: the host call
//! fails, and the filter gets an error with [`is_out_of_memory`](crate::Error::is_out_of_memory).
//! If its callback answers that error, or made the stream grow past a budget otherwise,
//! [`OverStream`] or [`OverTotal`] decides. Once the total was passed, new streams are shed until
//! the VM is back below [`low_water`](Budget::low_water); what is shed is answered, or passed,
//! without the filter.
//!
//! Bytes of a function of the host's ([`foreign`](crate::foreign)) are never refused by a budget:
//! Envoy writes its answer without a look at whether it got a block.
//!
//! # From the configuration
//!
//! An operator sets the same by the key `memory` at the top of the plugin's configuration, if that
//! is a JSON object, and over what the code says:
//!
//! ```json
//! { "memory": { "total": "4MiB", "stream": "256KiB", "over_stream": "reply 413" } }
//! ```
//!
//! | field | value | is |
//! |---|---|---|
//! | `total`, `stream`, `low_water`, `reserve` | bytes: a number, or text with `B`, `KiB`, `MiB` or `GiB` | [`Budget::total`] … |
//! | `pages` | a number; an error with `alloc-system`, and where the allocator is not known | [`Budget::pages`] |
//! | `over_stream` | `"reply N"`, `"refuse"`, `"pass"`, `"wait"` | [`OverStream`] |
//! | `over_total` | `"shed"`, `"reply N"`, `"refuse"`, `"pass"` | [`OverTotal`] |
//! | `metrics`, `log` | `true` or `false` | [`Budget::metrics`], [`Budget::log`] |
//!
//! Other keys are the filter's and are skipped, and so is a configuration that is no JSON object,
//! or nested deeper than 128. An unknown field or a value that does not fit refuses the
//! configuration, with a line in the log that says why.
//!
//! # Cost
//!
//! Without the feature `budget` nothing: not a byte, not an instruction. With it, the figures of
//! `docs/budgets.md`.

mod account;
mod event;
mod guard;
mod json;
mod report;
mod settings;
mod state;

pub(crate) use account::{Account, Charge};
pub(crate) use event::Event;
pub(crate) use guard::{guard, reserve_body, resumed};
pub use report::{MemoryReport, report};
pub use settings::{Budget, OverStream, OverTotal, Pressure};
pub(crate) use state::{apply, boundary, configure, fits, unlimited};
