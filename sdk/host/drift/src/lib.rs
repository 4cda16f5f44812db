//! A filter that logs every callback with its arguments, makes the host calls in its configuration,
//! and logs the result of each.
//!
//! It uses the raw ABI, of the version in its features, so that no SDK lies between the host and
//! the log. Its configuration is a [script]: the steps of each callback.
//!
//! Natively it is empty.
#![cfg(target_family = "wasm")]

mod raw;
mod script;
mod version;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The plugins' scripts, and the number of runs of each callback of each context.
#[derive(Default)]
struct Tracer {
    scripts: BTreeMap<u32, String>,
    /// The plugin of each context.
    plugins: BTreeMap<u32, u32>,
    runs: BTreeMap<(u32, &'static str), usize>,
}

static TRACER: Mutex<Option<Tracer>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Tracer>> {
    TRACER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins the trace of a context. The configuration can be read when a plugin's context is made.
pub(crate) fn create(context: u32, parent: u32) {
    let script = (parent == 0).then(|| version::configuration().1);
    let mut tracer = lock();
    let tracer = tracer.get_or_insert_default();
    tracer.plugins.insert(context, if parent == 0 { context } else { parent });
    if let Some(script) = script {
        tracer.scripts.insert(context, String::from_utf8_lossy(&script).into_owned());
    }
}

/// Logs a callback and runs its steps. Returns the value that the callback must return.
pub(crate) fn trace(context: u32, callback: &'static str, arguments: &[u32], otherwise: u32) -> u32 {
    raw::log(&format!("{context} {callback} {arguments:?}"));
    let (script, run) = {
        let mut tracer = lock();
        let tracer = tracer.get_or_insert_default();
        let run = tracer.runs.entry((context, callback)).or_default();
        *run += 1;
        let plugin = tracer.plugins.get(&context).copied().unwrap_or(context);
        (tracer.scripts.get(&plugin).cloned().unwrap_or_default(), *run)
    };
    script::run(&script, context, callback, run).unwrap_or(otherwise)
}
