//! The names of the plugins of the VM, which the profile knows by number.

use core::cell::RefCell;

use alloc::vec::Vec;

use crate::abi::{HostBytes, call};

crate::__vm_local! {
    static NAMES: RefCell<Vec<(u32, HostBytes)>> = RefCell::new(Vec::new());
}

/// Asks the host what a plugin is called, in a callback of the plugin. One without a name, or for
/// which there is no memory, is told by its number.
pub(crate) fn name_plugin(plugin: u32) {
    forget_plugin(plugin);
    for property in [&b"plugin_name"[..], b"plugin_root_id"] {
        let Ok(name) = call::property(property) else { continue };
        if name.is_empty() {
            continue;
        }
        NAMES.with(|names| {
            if let Ok(mut names) = names.try_borrow_mut()
                && names.try_reserve(1).is_ok()
            {
                names.push((plugin, name));
            }
        });
        return;
    }
}

/// Forgets a plugin that is deleted.
pub(crate) fn forget_plugin(plugin: u32) {
    NAMES.with(|names| {
        if let Ok(mut names) = names.try_borrow_mut() {
            names.retain(|(number, _)| *number != plugin);
        }
    });
}

/// A function that returns the name of a number.
pub(super) type Names<'a> = dyn Fn(u32) -> Option<&'a str> + 'a;

/// Runs `f` with the function that returns the names. `f` makes no host call.
pub(super) fn with<R>(f: impl FnOnce(&Names<'_>) -> R) -> R {
    NAMES.with(|names| {
        let names = names.try_borrow();
        let names: &[(u32, HostBytes)] = names.as_ref().map_or(&[], |names| names);
        f(&|plugin| {
            let (_, name) = names.iter().find(|(number, _)| *number == plugin)?;
            str::from_utf8(name).ok()
        })
    })
}
