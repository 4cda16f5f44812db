//! A filter that keeps what it allocated in a stream.

use std::cell::Cell;
use std::hint::black_box;

use sluicegate::heap;
use sluicegate::prelude::*;

type Block = Box<[u8; 100]>;

#[derive(Default)]
struct Plugin {
    /// From a stream's callback, beyond its stream.
    kept: Cell<Option<Block>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    /// 0 drops what is kept, 1 says how memory stands, 2 takes a piece of memory from a source of
    /// its own, 3 sends a report of the heap, 4 leaves a burst of holes.
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, function: u32) -> Result<()> {
        match function {
            0 => drop(self.kept.take()),
            1 => info!("{}", plugin.memory_report()),
            2 => second_source(),
            3 => heap::send("heap_report")?,
            _ => burst(),
        }
        Ok(())
    }
}

/// Every other one of many blocks is freed again.
fn burst() {
    let mut blocks: Vec<_> = (0..20_000).map(|_| Some(block())).collect();
    blocks.iter_mut().step_by(2).for_each(|block| *block = None);
    core::mem::forget(blocks);
}

#[cfg(target_family = "wasm")]
fn second_source() {
    use sluicegate_alloc::source::{Linear, Source};

    let piece = Linear::new().acquire(16, 16);
    info!("piece at {}", piece.map_or(0, |piece| piece.cast::<u8>().addr().get()));
}

#[cfg(not(target_family = "wasm"))]
fn second_source() {}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    /// Makes a block before a host call, and one after it; keeps the last one if the stream has a
    /// body.
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let before = block();
        info!("waiting");
        let after = block();
        info!("waited");
        drop(before);
        if !request.end_of_stream() {
            request.plugin().kept.set(Some(after));
        }
        Ok(Action::Continue)
    }
}

fn block() -> Block {
    black_box(Box::new([7; 100]))
}

sluicegate::plugin!(plugin: Plugin, http: Filter);
