//! Several plugins in one module, told apart by their root ids.

use std::cell::Cell;

use sluicegate::LogLevel;
use sluicegate::prelude::*;
use sluicegate_host::{Host, RunningHost};

#[derive(Default)]
struct Counts {
    streams: Cell<u32>,
}

#[sluicegate::plugin_context]
impl PluginContext for Counts {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        info!("counts {}", plugin.id());
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        info!("{} streams", self.streams.get());
        Ok(())
    }
}

#[derive(Default)]
struct Counted;

#[sluicegate::http_filter]
impl HttpFilter for Counted {
    type Plugin = Counts;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Counts>) -> Result<Action> {
        request.plugin().streams.set(request.plugin().streams.get() + 1);
        request.call(&HttpCall::new("a").headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")]))?;
        Ok(Action::Pause)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Counts>, _: &CallResponse) -> Result<()> {
        info!("answer to {}", stream.id());
        stream.resume_request()
    }
}

#[derive(Default)]
struct Denies;

#[sluicegate::http_filter]
impl HttpFilter for Denies {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        request.reply(&LocalResponse::new(403))
    }
}

sluicegate::plugin! {
    root "count" { plugin: Counts, http: Counted }
    root "deny" { http: Denies }
}

mod with_a_default {
    use super::*;

    sluicegate::plugin! {
        root "deny" { http: Denies },
        root _ { plugin: Counts, http: Counted },
    }
}

/// Starts a plugin of a VM that runs.
fn start(host: &RunningHost, id: u32, root_id: &str) -> bool {
    host.set_property(&["plugin_root_id"], root_id);
    PLUGIN.proxy_on_context_create.unwrap()(id, 0);
    PLUGIN.proxy_on_configure.unwrap()(id, 0) != 0
}

#[test]
fn each_plugin_has_its_own_contexts() {
    let host = Host::new(&PLUGIN).start();
    assert!(!host.started(), "the host's own plugin has no root id");
    assert!(host.logged(LogLevel::Critical, "sluicegate: this module has no plugin with the configured root_id"));
    assert!(start(&host, 100, "count") && start(&host, 200, "deny") && start(&host, 300, "count"));
    assert!(host.logged(LogLevel::Info, "counts 100") && host.logged(LogLevel::Info, "counts 300"));

    let (create, request) = (PLUGIN.proxy_on_context_create.unwrap(), PLUGIN.proxy_on_request_headers.unwrap());
    create(101, 100);
    create(201, 200);
    create(301, 300);
    create(102, 100);
    let action = Action::StopIteration as u32;
    assert_eq!([request(101, 0, 1), request(301, 0, 1), request(102, 0, 1)], [action; 3]);
    for (plugin, line) in [(100, "2 streams"), (300, "1 streams")] {
        host.clear_log();
        PLUGIN.proxy_on_tick.unwrap()(plugin);
        assert!(host.logged(LogLevel::Info, line), "{:?}", host.log());
    }
    host.clear_log();
    PLUGIN.proxy_on_tick.unwrap()(200);
    assert_eq!(host.log(), [], "it has no tick");

    let delete = PLUGIN.proxy_on_delete.unwrap();
    for context in [101, 102, 201, 301, 100, 200, 300] {
        delete(context);
    }
    host.clear_log();
    assert_eq!(request(101, 0, 1), action);
    assert!(host.logged(LogLevel::Warn, "sluicegate: no such context: 101"));
}

#[test]
fn a_root_for_all_others_takes_them() {
    let host = Host::new(&with_a_default::PLUGIN).start();
    assert!(host.started());
    assert!(host.logged(LogLevel::Info, "counts 1"));
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    assert_eq!(stream.reply(), None);
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "", &[]);
    assert!(host.logged(LogLevel::Info, &format!("answer to {}", stream.id())));
    assert!(stream.request_resumed());

    host.set_property(&["plugin_root_id"], "deny");
    let module = &with_a_default::PLUGIN;
    module.proxy_on_context_create.unwrap()(50, 0);
    assert_eq!(module.proxy_on_configure.unwrap()(50, 0), 1);
}

mod two_that_ask {
    use super::*;

    sluicegate::plugin! {
        root "first" { plugin: Counts, http: Counted },
        root "second" { plugin: Counts, http: Counted },
    }
}

/// The end of a plugin forgets the calls of its own streams alone.
#[test]
fn a_plugin_that_ends_takes_no_answer_from_the_streams_of_another_root() {
    for (root_id, other) in [("first", "second"), ("second", "first"), ("first", "first")] {
        let host = Host::new(&two_that_ask::PLUGIN).root_id(root_id).start();
        let ending = host.add_plugin(other, "");
        assert!(host.started() && ending.configure());
        let streams = [host.http_stream(), ending.http_stream()];
        for stream in &streams {
            assert_eq!(stream.request_headers(&[("a", "b")]), Action::StopIteration as u32);
        }
        let token = host.pending_calls()[0].token;
        let [stream, gone] = streams;
        gone.complete();
        assert!(ending.finish());
        host.answer_call(token, &[(":status", "200")], "", &[]);
        host.assert_logged(LogLevel::Info, &format!("answer to {}", stream.id()));
        assert!(stream.request_resumed());
        stream.complete();
    }
}
