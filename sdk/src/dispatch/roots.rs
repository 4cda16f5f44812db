//! Several plugins in one module, which the `root_id` of their configuration tells apart.

use super::Table;
use crate::abi::{CallbackScope, LogLevel};
use crate::log;
use crate::property;

crate::__vm_local! {
    /// The root of each context, by its position in `plugin!`.
    static ROOTS: Table<u32> = Table::new();
}

/// Returns the root that a context belongs to. An unknown context belongs to the first root, which
/// does not know it either and logs that.
pub fn root_of(context: u32) -> u32 {
    ROOTS.with(|roots| roots.get(context)).map_or(0, |root| *root)
}

/// Returns whether a context is open, of whatever root. `false` if the module has one root alone.
pub(super) fn has_root(context: u32) -> bool {
    ROOTS.with(|roots| roots.contains(context))
}

/// Returns the root that a context belongs to, and removes the context, which is deleted.
pub fn forget_root(context: u32) -> u32 {
    ROOTS.with(|roots| roots.remove(context)).map_or(0, |root| *root)
}

/// Returns the root that a new context belongs to. The root of a stream is that of its plugin. The
/// root of a plugin is the one with its `root_id`, or the one for all other ids. Returns `None` if
/// there is neither. Then the plugin is refused when it is configured.
pub fn root_of_new(context: u32, parent: u32, ids: &[Option<&str>]) -> Option<u32> {
    let _scope = CallbackScope::new();
    let root = if parent == 0 { choose(ids)? } else { root_of(parent) };
    match ROOTS.with(|roots| roots.insert(context, root)) {
        // The dispatcher refuses a number that is taken, which stays with its root.
        Ok(true) => Some(root),
        Ok(false) => Some(root_of(context)),
        Err(_) => {
            log::note(LogLevel::Error, "out of memory for context", context);
            None
        }
    }
}

fn choose(ids: &[Option<&str>]) -> Option<u32> {
    // If the host does not tell the id, the plugin has no root id.
    let id = property::get(&["plugin_root_id"]).ok().flatten();
    let id = id.as_deref().unwrap_or_default();
    let find = |wanted: &dyn Fn(Option<&str>) -> bool| ids.iter().position(|known| wanted(*known));
    let found =
        find(&|known| known.is_some_and(|known| known.as_bytes() == id)).or_else(|| find(&|known| known.is_none()));
    if found.is_none() {
        log::write_text(LogLevel::Critical, "sluicegate: this module has no plugin with the configured root_id");
    }
    u32::try_from(found?).ok()
}
