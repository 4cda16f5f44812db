//! The profile of a filter: natively, on an allocator that shows it. One test, as the allocator is
//! the program's.
#![cfg(all(feature = "profile", feature = "alloc-freelist"))]

use std::cell::RefCell;

use sluicegate::prelude::*;
use sluicegate::profile::{self, Format};
use sluicegate_host::Host;

#[global_allocator]
static GLOBAL: sluicegate_alloc::Allocator = sluicegate_alloc::ALLOCATOR;

const FOLDED: u32 = 1;
const PPROF: u32 = 2;
const PUBLISH: u32 = 3;
const CLEAR: u32 = 4;

#[derive(Default)]
struct Plugin {
    cache: RefCell<Vec<Vec<u8>>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, _: &mut PluginHandle<'_>) -> Result<StartStatus> {
        profile::each(1000);
        self.cache.borrow_mut().push(vec![1; 50_000]);
        Ok(StartStatus::Ok)
    }

    fn on_foreign_function(&mut self, _: &mut PluginHandle<'_>, function: u32) -> Result<()> {
        match function {
            FOLDED => profile::send("heap_profile", Format::Folded)?,
            PPROF => profile::send("heap_profile", Format::Pprof)?,
            PUBLISH => profile::publish()?,
            CLEAR => self.cache.borrow_mut().clear(),
            _ => {}
        }
        Ok(())
    }
}

#[derive(Default)]
struct Filter {
    kept: Vec<u8>,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        request.plugin().cache.borrow_mut().push(vec![2; 100_000]);
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, _: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        self.kept = vec![3; 200_000];
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

/// Returns the bytes in the lines with these ends.
fn lines(folded: &str, callback: &str) -> u64 {
    let of = |line: &str| line.strip_suffix(callback).is_some();
    let split = folded.lines().filter_map(|line| line.rsplit_once(' '));
    split.filter(|(stack, _)| of(stack)).map(|(_, bytes)| bytes.parse::<u64>().unwrap()).sum()
}

#[test]
fn each_callback_of_each_filter_has_what_it_made() {
    let host = Host::new(&PLUGIN).root_id("tagger").start();
    assert!(host.started(), "{:?}", host.log());
    let folded = || String::from_utf8(host.ask(FOLDED, "heap_profile").unwrap()).unwrap();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    stream.response_headers(&[(":status", "200")]);
    let told = folded();
    for (callback, least) in [
        ("tagger;profile::Plugin;configure", 50_000),
        ("tagger;profile::Filter;request_headers", 100_000),
        ("tagger;profile::Filter;response_headers", 200_000),
    ] {
        let bytes = lines(&told, callback);
        assert!((least..least + 20_000).contains(&bytes), "{callback}: {bytes} in\n{told}");
    }
    let pprof = host.ask(PPROF, "heap_profile").unwrap();
    for name in ["inuse_space", "tagger", "profile::Filter", "response_headers"] {
        assert!(pprof.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
    }

    host.call_function(PUBLISH, "");
    let gauge = |callback: &str| host.gauge(&format!("sluicegate_heap_live_plugin=tagger_callback={callback}"));
    assert!(
        gauge("request-headers").is_some_and(|bytes| (100_000..120_000).contains(&bytes)),
        "{:?}",
        gauge("request-headers")
    );
    stream.complete();
    assert_eq!(lines(&folded(), "tagger;profile::Filter;response_headers"), 0, "it went with the stream");
    assert!(lines(&folded(), "tagger;profile::Filter;request_headers") >= 100_000, "what the plugin keeps stays");
    host.call_function(CLEAR, "");
    assert_eq!(lines(&folded(), "tagger;profile::Filter;request_headers"), 0);
    host.call_function(PUBLISH, "");
    assert_eq!(gauge("request-headers"), Some(0), "the proxy is told the difference");
}
