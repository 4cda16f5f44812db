//! The region of the stream whose callback runs, and how to allocate beside it.
//!
//! With `alloc-arena` each stream has a region: small blocks that its callbacks allocate are
//! counted for it. A block that outlives its stream stays valid, and is counted as retained until
//! it is freed. That finds leaks, if what is meant to outlive its stream is allocated [`outside`].
//!
//! With the other allocators there are no regions, and `outside` costs nothing.

/// Runs `f` outside of the stream's region: for what outlives the stream, such as an entry of a
/// plugin's cache.
///
/// Only where a block is allocated counts, not where it is used or freed. `MemoryReport::retained`
/// of the feature `budget` counts the blocks of streams that have ended.
///
/// # Cost
///
/// With `alloc-arena` some instructions; with the other allocators nothing.
///
/// # Examples
///
/// ```
/// use sluicegate::prelude::*;
/// use sluicegate::region::outside;
/// use std::{cell::RefCell, collections::BTreeSet};
///
/// #[derive(Default)]
/// struct Plugin {
///     hosts: RefCell<BTreeSet<String>>,
/// }
///
/// #[sluicegate::plugin_context]
/// impl PluginContext for Plugin {}
///
/// #[derive(Default)]
/// struct Filter;
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Filter {
///     type Plugin = Plugin;
///
///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) ->
/// Result<Action> {
///         if let Some(host) = request.fetch(":authority")? {
///             // The key and the set's nodes outlive the stream.
///             outside(||
/// request.plugin().hosts.borrow_mut().insert(String::from_utf8_lossy(&host).into_owned()));
///         }
///         Ok(Action::Continue)
///     }
/// }
/// # sluicegate::plugin!(plugin: Plugin, http: Filter);
/// # fn main() {}
/// ```
#[inline]
pub fn outside<T>(f: impl FnOnce() -> T) -> T {
    sluicegate_alloc::region::outside(f)
}
