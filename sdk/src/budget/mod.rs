//! Budgets of memory: the limits of a stream and of a VM, and the actions when a limit is passed.
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
//! - Blocks that the host asked for count as long as the filter keeps them. They count from the
//!   moment when the host asks, for the stream whose callback runs and for the VM.
//! - Bodies that a filter makes the proxy keep count when the callback returns, for the stream and
//!   for the VM. So do the bytes that [`HttpHandle::reserve_body`](crate::HttpHandle::reserve_body)
//!   reserved.
//! - All memory that the filter allocates counts when the callback returns, for the VM and for the
//!   stream in whose callback the memory grew. This needs an allocator that a feature selected or
//!   that `plugin!` names.
//!
//! A stream that hands blocks on is charged for them at most as long as they live. When a block is
//! freed, its owner is not known. So before a stream is refused something, the sum of all streams'
//! charges is compared with the live bytes. The difference was freed elsewhere, and is subtracted
//! from the stream's account.
//!
//! A budget belongs to a VM: each worker thread of the proxy has one. Plugins that share a VM share
//! the budget, and the plugin that is configured last sets it.
//!
//! # What happens over a budget
//!
//! A block that the host asks for and that would pass a budget is refused before it exists. The
//! host call fails, and the filter gets an error with
//! [`is_out_of_memory`](crate::Error::is_out_of_memory). If its callback returns that error, or
//! made the stream grow over a budget in another way, [`OverStream`] or [`OverTotal`] decides. Once
//! the total was passed, new streams are shed until the VM is back at
//! [`low_water`](Budget::low_water): they are answered, or passed, without the filter.
//!
//! A budget never refuses the bytes of a host's function ([`foreign`](crate::foreign)): Envoy
//! writes the result without checking that it got a block.
//!
//! # From the configuration
//!
//! An operator sets budgets with the key `memory` at the top of the plugin's configuration, if the
//! configuration is a JSON object. The configuration takes precedence over the code:
//!
//! ```json
//! { "memory": { "total": "4MiB", "stream": "256KiB", "over_stream": "reply 413" } }
//! ```
//!
//! | field | value | setting |
//! |---|---|---|
//! | `total`, `stream`, `low_water`, `reserve` | bytes: a number, or text with `B`, `KiB`, `MiB` or `GiB` | [`Budget::total`] … |
//! | `pages` | a number; an error with `alloc-system`, and where the allocator is not known | [`Budget::pages`] |
//! | `over_stream` | `"reply N"`, `"refuse"`, `"pass"`, `"wait"` | [`OverStream`] |
//! | `over_total` | `"shed"`, `"reply N"`, `"refuse"`, `"pass"` | [`OverTotal`] |
//! | `metrics`, `log` | `true` or `false` | [`Budget::metrics`], [`Budget::log`] |
//!
//! Other keys belong to the filter and are skipped. A configuration that is not a JSON object, or
//! that is nested deeper than 128, is skipped too. An unknown field, or a value that does not fit,
//! refuses the configuration, with the reason in the log.
//!
//! # Cost
//!
//! Without the feature `budget` there is no cost: not a byte, not an instruction. With the feature,
//! `docs/budgets.md` has the figures.

mod account;
mod after_callback;
mod configure;
mod event;
mod guard;
mod json;
mod report;
mod settings;
mod state;

pub(crate) use account::{Account, Charge};
pub(crate) use after_callback::boundary;
pub(crate) use configure::{apply, configure};
pub(crate) use event::Event;
pub(crate) use guard::{guard, reserve_body};
pub use report::{MemoryReport, report};
pub use settings::{Budget, OverStream, OverTotal, Pressure};
pub(crate) use state::{fits, live_and_peak, resumed, unlimited};
