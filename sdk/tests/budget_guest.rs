//! Budgets over what a filter allocates itself: on an allocator that tells.
#![cfg(all(feature = "budget", feature = "alloc-freelist"))]

use std::cell::RefCell;

use sluicegate::budget::{Budget, Pressure, report};
use sluicegate::prelude::*;
use sluicegate_host::{Host, RunningHost};

#[global_allocator]
static GLOBAL: sluicegate::__alloc::Allocator = sluicegate::__alloc::ALLOCATOR;

/// Bytes of a budget, over what the test itself takes.
const ROOM: usize = 8 << 20;

#[derive(Default)]
struct Plugin {
    told: Vec<Pressure>,
    /// The blocks that streams have handed on, until the next tick.
    queue: RefCell<Vec<Vec<u8>>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        let total = report().live + ROOM;
        plugin.set_budget(Budget::new().stream(1 << 20).total(total).low_water(total - ROOM / 2))?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        self.queue.get_mut().clear();
        info!("told {:?}", self.told);
        Ok(())
    }

    fn on_memory_pressure(&mut self, _: &mut PluginHandle<'_>, pressure: Pressure) -> Result<()> {
        self.told.push(pressure);
        Ok(())
    }
}

/// Keeps a buffer of the size that `x-keep` names, and makes one of [`PART`] for each part of the
/// body, which it keeps or, with `x-hand-on`, hands on to the plugin.
#[derive(Default)]
struct Filter {
    kept: Vec<u8>,
    hands_on: bool,
    parts: Vec<Vec<u8>>,
}

const PART: usize = 100 << 10;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let size = request.get("x-keep")?.and_then(|size| size.to_str().ok()?.parse().ok());
        self.kept.resize(size.unwrap_or_default(), 7);
        self.hands_on = request.get("x-hand-on")?.is_some();
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        let part = vec![7; PART];
        if self.hands_on {
            body.plugin().queue.borrow_mut().push(part);
        } else {
            self.parts.push(part);
        }
        Ok(DataAction::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn keep(host: &RunningHost, size: usize) -> (sluicegate_host::HttpStream<'_>, Option<u32>) {
    let stream = host.http_stream();
    stream.request_headers(&[("x-keep", &*size.to_string())]);
    let status = stream.reply().map(|reply| reply.status);
    (stream, status)
}

/// The number of parts of a body that a stream takes before it gets a reply, up to 100. The plugin
/// frees the blocks that it got after each part.
fn parts(host: &RunningHost, header: &str) -> usize {
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(header, "0")]);
    let taken = (0..100).take_while(|_| {
        stream.request_body("x", false);
        host.tick();
        stream.reply().is_none()
    });
    let taken = taken.count();
    stream.complete();
    taken
}

/// One test, because the allocator is one for all threads of the process.
#[test]
fn what_a_filter_allocates_counts_for_its_stream_and_for_the_vm() {
    let host = Host::new(&PLUGIN).start();
    assert!(host.started());
    // The simulated host keeps what it reads for the first answer of a filter.
    keep(&host, 2 << 20).0.complete();
    let before = report().live;
    assert!(before > 0, "the allocator tells");

    let (small, status) = keep(&host, 1000);
    assert_eq!(status, None);
    small.complete();
    let (large, status) = keep(&host, 2 << 20);
    assert_eq!(status, Some(413), "over the stream's budget");
    large.complete();

    // Streams that are each within their budget pass the total together.
    let mut open = Vec::new();
    let status = loop {
        let (stream, status) = keep(&host, 900 << 10);
        open.push(stream);
        if status.is_some() {
            break status;
        }
        assert!(open.len() < 20, "{}", report());
    };
    assert_eq!(status, Some(503));
    assert!((8..=10).contains(&open.len()), "{}", open.len());
    let (shed, status) = keep(&host, 0);
    assert_eq!(status, Some(503), "new streams are shed");
    shed.complete();
    for stream in open {
        stream.complete();
    }
    assert_eq!(keep(&host, 0).1, None, "and taken again");

    // A block that a stream keeps counts for the stream. Blocks that it handed on, and that others
    // have freed, do not lock it out.
    assert_eq!(parts(&host, "x-keep"), 10, "of 100 KiB, for 1 MiB");
    assert_eq!(parts(&host, "x-hand-on"), 100);

    host.tick();
    assert!(host.logged(sluicegate::LogLevel::Info, "told [High, Over, Normal]"), "{:?}", host.log());
    assert!(report().live < before + (64 << 10), "{}", report());
}
