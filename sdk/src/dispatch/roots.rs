//! Several plugins in one module, told apart by the `root_id` of their configuration.

use super::Table;
use crate::abi::{Entry, LogLevel};
use crate::log;
use crate::property;

crate::__vm_local! {
    /// The root that each context belongs to, by its place in `plugin!`.
    static ROOTS: Table<u32> = Table::new();
}

/// Returns the root that a context belongs to. One that is not known goes to the first, which knows
/// no such context either and says so.
pub fn root_of(context: u32) -> u32 {
    ROOTS.with(|roots| roots.get(context)).map_or(0, |root| *root)
}

/// Returns the root that a context belongs to, which is deleted.
pub fn forget_root(context: u32) -> u32 {
    ROOTS.with(|roots| roots.remove(context)).map_or(0, |root| *root)
}

/// Returns the root that a new context belongs to: a stream's is its plugin's, and a plugin's is
/// the one with its `root_id`, or the one for all others. None if there is neither, and then the
/// plugin is refused when it is configured.
pub fn root_of_new(context: u32, parent: u32, ids: &[Option<&str>]) -> Option<u32> {
    let _entry = Entry::new();
    let root = if parent == 0 { choose(ids)? } else { root_of(parent) };
    match ROOTS.with(|roots| roots.insert(context, root)) {
        // A number that is taken is the dispatcher's to refuse, and stays with the root that has
        // it.
        Ok(true) => Some(root),
        Ok(false) => Some(root_of(context)),
        Err(_) => {
            log::note(LogLevel::Error, "out of memory for context", context);
            None
        }
    }
}

fn choose(ids: &[Option<&str>]) -> Option<u32> {
    // A host that does not tell has a plugin without a root id.
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
