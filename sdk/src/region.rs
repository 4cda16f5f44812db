//! The region of the stream whose callback runs, and allocation outside of it.
//!
//! With `alloc-arena` each stream has a region: small blocks that its callbacks allocate are
//! counted for it. A block that outlives its stream stays valid, and counts as retained until it is
//! freed. The count finds leaks if blocks that are meant to outlive their stream are allocated
//! [`outside`].
//!
//! With the other allocators there are no regions, and `outside` costs nothing.

/// Runs `f` outside of the stream's region, for values that outlive the stream, such as an entry of
/// a plugin's cache.
///
/// Only the place where a block is allocated matters, not the place where it is used or freed.
/// `MemoryReport::retained` of the feature `budget` counts the blocks of streams that have ended.
///
/// # Cost
///
/// With `alloc-arena` some instructions. With the other allocators nothing.
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
///     fn on_request_headers(
///         &mut self,
///         request: &mut RequestHeaders<'_, Plugin>,
///     ) -> Result<Action> {
///         if let Some(host) = request.fetch(":authority")? {
///             // The key and the set's nodes outlive the stream.
///             outside(|| {
///                 let host = String::from_utf8_lossy(&host).into_owned();
///                 request.plugin().hosts.borrow_mut().insert(host);
///             });
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
