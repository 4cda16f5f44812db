//! A report of the memory of this VM: a walk over the heap, on demand.
//!
//! [`report`] returns how much memory is live, how much is free, and how it is spread over the
//! pages. The report explains why a VM holds much more memory than its filter uses: a burst left
//! empty pages and kept blocks, or small live blocks lie all over the heap.
//!
//! ```
//! use sluicegate::heap;
//! use sluicegate::prelude::*;
//!
//! #[derive(Default)]
//! struct Plugin;
//!
//! #[sluicegate::plugin_context]
//! impl PluginContext for Plugin {
//!     fn on_foreign_function(&mut self, _: &mut PluginHandle<'_>, function: u32) -> Result<()> {
//!         match function {
//!             // A line in the proxy's log.
//!             1 => info!("{}", heap::report()),
//!             // JSON, for a function of the host's.
//!             2 => heap::send("heap_report")?,
//!             _ => {}
//!         }
//!         Ok(())
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Filter;
//!
//! #[sluicegate::http_filter]
//! impl HttpFilter for Filter {
//!     type Plugin = Plugin;
//!
//!     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
//!         if request.fetch(":path")?.is_some_and(|path| &*path == b"/heap") {
//!             let json = heap::report().json().to_string();
//!             return request.reply(&LocalResponse::new(200).body(&json));
//!         }
//!         Ok(Action::Continue)
//!     }
//! }
//! # sluicegate::plugin!(plugin: Plugin, http: Filter);
//! # fn main() {}
//! ```
//!
//! `docs/heap.md` explains how to read a report. A module that makes no report links none of this
//! code.

pub use sluicegate_alloc::report::{Free, HeapReport, Json, Pin};

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::foreign;

/// Returns a report of the memory of this VM.
///
/// With `alloc-freelist`, `alloc-arena` and a custom allocator that shows its memory, the report
/// has all figures. With the others [`HeapReport::walked`] is `false`, and the report has only the
/// pages, the grows and the bytes that were asked for.
///
/// # Cost
///
/// No host call and no allocation. 5 KiB of stack. About 160 instructions for each gap and each
/// kept block, and 60 more for each 128 MiB of heap above the first. The walk stops after 262,144
/// of them, which is 42 million instructions. So make reports for requests of an operator, not for
/// every stream.
#[must_use]
pub fn report() -> HeapReport {
    sluicegate_alloc::heap_report()
}

/// Calls the host's function of this name, with a report as JSON.
///
/// # Errors
///
/// Fails if there is no memory for the JSON. Fails if the host does not have the function
/// ([`Status::NotFound`](crate::Status::NotFound)), or the function fails.
///
/// # Cost
///
/// The cost of [`report`], one host call, and a block of 2 to 4 KiB that is freed at once.
pub fn send(function: impl AsRef<[u8]>) -> Result<()> {
    let report = report();
    let mut json = Buffer::new();
    report.json().write_to(&mut json).map_err(|_| Error::out_of_memory(json.written().len()))?;
    foreign::call(function, json.written(), 0).map(|_| ())
}
